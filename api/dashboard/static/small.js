// Small things of a page: names that are remembered, counting down, copying.
// @ts-check

/** Write the name that was used last into the fields for it. */
export function rememberNames() {
  for (const field of document.querySelectorAll("input[data-remember]")) {
    const it = /** @type {HTMLInputElement} */ (field);
    const key = "drorch." + it.dataset["remember"];
    try {
      if (!it.value) it.value = localStorage.getItem(key) ?? "";
      it.onchange = () => localStorage.setItem(key, it.value);
    } catch {
      return; // a browser that keeps nothing
    }
  }
}

/** @param {(seconds: number) => string} words of how long it still takes */
export function countDown(words) {
  for (const place of document.querySelectorAll(".due[data-due]")) {
    const due = Date.parse(place.getAttribute("data-due") ?? "");
    const left = Math.ceil((due - Date.now()) / 1_000);
    const told = left > 0 && left < 6_000 ? `(${words(left)})` : "";
    if (place.textContent !== told) place.textContent = told;
  }
}

/** Draw the line of now over the column of bars; bars themselves end there, too. */
export function drawNow() {
  /** @type {HTMLElement | null} */
  const line = document.querySelector("#now-line");
  const at = document.querySelector("#marks")?.getAttribute("data-now");
  const cell = document.querySelector("th.time");
  const column = cell?.querySelector(".scale");
  if (!line || !(cell instanceof HTMLElement) || !(column instanceof HTMLElement)) return;
  line.hidden = at === null || at === undefined || cell.offsetWidth === 0;
  const x = cell.offsetLeft + (Number(at) / 240) * column.offsetWidth;
  line.style.transform = `translateX(${Math.round(x)}px)`;
}

/** Let buttons copy the command beside them. */
export function letCopy() {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const it = /** @type {HTMLButtonElement} */ (button);
    if (!navigator.clipboard) continue;
    it.hidden = false;
    it.onclick = async () => {
      await navigator.clipboard.writeText(it.dataset["copy"] ?? "");
      it.textContent = it.dataset["done"] ?? "";
    };
  }
}

/** Show in the address what the page is: a drill is not mistaken for the real thing there, too. */
export function putModeIntoAddress() {
  const mode = document.querySelector("#live")?.getAttribute("data-mode");
  const here = new URL(location.href);
  if (!mode) return;
  here.searchParams.set("mode", mode);
  here.searchParams.delete("told");
  if (here.href !== location.href) history.replaceState(history.state, "", here);
}
