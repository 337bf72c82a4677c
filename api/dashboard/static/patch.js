// Puts what the server has rendered into the page that is there. Builds no markup from text.
// @ts-check

const FIELDS = "textarea, input:not([type=hidden])";

/** @param {Element} element whether somebody is writing in it */
function isWrittenIn(element) {
  const active = document.activeElement;
  if (active && element.contains(active) && active.matches(FIELDS)) return true;
  return [...element.querySelectorAll(FIELDS)].some((field) => {
    const it = /** @type {HTMLInputElement} */ (field);
    return it.value !== it.defaultValue && it.dataset["remember"] === undefined;
  });
}

/** @param {Element} element @returns {string} a selector of the part that has the focus */
function focusIn(element) {
  const active = document.activeElement;
  if (!active || active === element || !element.contains(active)) return "";
  if (active.id) return `#${CSS.escape(active.id)}`;
  for (const name of ["href", "formaction"]) {
    const value = active.getAttribute(name);
    if (value) return `[${name}="${CSS.escape(value)}"]`;
  }
  const details = active.closest("details[id]");
  return details ? `#${CSS.escape(details.id)} > summary` : "";
}

/** @param {Element} before @param {Element} after */
export function exchange(before, after) {
  if (before.isEqualNode(after) || isWrittenIn(before)) return;
  for (const details of before.querySelectorAll("details[id]")) {
    const same = after.querySelector(`#${CSS.escape(details.id)}`);
    same?.toggleAttribute("open", details.hasAttribute("open"));
  }
  const focused = focusIn(before);
  const fresh = document.importNode(after, true);
  before.replaceWith(fresh);
  if (focused) /** @type {HTMLElement | null} */ (fresh.querySelector(focused))?.focus();
}

/** @param {Element} list @param {Element} fresh a list that is sent as a whole */
function exchangeWhole(list, fresh) {
  const known = new Map([...list.children].map((it) => [it.getAttribute("data-k"), it]));
  /** @type {Element | null} */
  let last = null;
  for (const item of [...fresh.children]) {
    const key = item.getAttribute("data-k");
    const old = known.get(key);
    known.delete(key);
    if (old) {
      exchange(old, item);
      last = list.querySelector(`:scope > [data-k="${CSS.escape(key ?? "")}"]`);
    } else {
      const added = document.importNode(item, true);
      if (last) last.after(added);
      else list.prepend(added);
      last = added;
    }
  }
  for (const gone of known.values()) leave(gone);
}

/** @param {Element} gone something that the server does not show any more */
function leave(gone) {
  if (!isWrittenIn(gone)) {
    gone.remove();
    return;
  }
  gone.querySelector(".answered")?.removeAttribute("hidden");
  for (const button of gone.querySelectorAll("button")) button.disabled = true;
}

/** @param {Element} row */
const numberOf = (row) => Number(row.getAttribute("data-n"));

/**
 * @param {Element} list
 * @param {Element} fresh the rows that have changed, and in `data-order` all that belong here
 * @returns {boolean} whether every row is there now
 */
function exchangeRows(list, fresh) {
  const order = (fresh.getAttribute("data-order") ?? "").split(",").filter(Boolean).map(Number);
  const sent = new Map([...fresh.children].map((row) => [numberOf(row), row]));
  const here = new Map([...list.children].map((row) => [numberOf(row), row]));
  const wanted = new Set(order);
  for (const [number, row] of here) {
    if (!wanted.has(number)) row.remove();
  }
  let whole = true;
  /** @type {Element | null} */
  let next = null;
  for (const number of order.reverse()) {
    const old = here.get(number);
    const row = sent.get(number);
    if (old && row) exchange(old, row);
    else if (row) list.insertBefore(document.importNode(row, true), next);
    else if (!old) whole = false;
    if (old || row) next = childBefore(list, next);
  }
  return whole;
}

/** @param {Element} list @param {Element | null} next */
function childBefore(list, next) {
  return next ? next.previousElementSibling : list.lastElementChild;
}

/**
 * @param {Document} fresh
 * @returns {boolean} whether the page is whole; if not, it has to be asked for everything
 */
export function apply(fresh) {
  let whole = true;
  for (const list of document.querySelectorAll("[data-list]")) {
    const after = fresh.querySelector(`[data-list="${list.getAttribute("data-list")}"]`);
    if (!after) continue;
    if (after.hasAttribute("data-order")) whole = exchangeRows(list, after) && whole;
    else exchangeWhole(list, after);
  }
  for (const after of fresh.querySelectorAll("[data-k]")) {
    if (after.parentElement?.closest("[data-list]")) continue;
    const before = document.querySelector(`[data-k="${CSS.escape(after.getAttribute("data-k") ?? "")}"]`);
    if (before) exchange(before, after);
  }
  follow(fresh);
  return whole;
}

/** @param {Document} fresh title, icon and what else tells how the run stands */
function follow(fresh) {
  if (fresh.title && document.title !== fresh.title) document.title = fresh.title;
  const live = document.querySelector("#live");
  const told = fresh.querySelector("#live");
  const first = document.querySelector("#first");
  const now = fresh.querySelector("#first");
  if (first && now && first.className !== now.className) first.className = now.className;
  if (!live || !told) return;
  for (const name of ["data-seq", "data-over", "data-icon"]) {
    const value = told.getAttribute(name);
    if (value !== null && live.getAttribute(name) !== value) live.setAttribute(name, value);
  }
  const icons = document.querySelectorAll("link[rel=icon]");
  const icon = icons[icons.length - 1];
  const wanted = told.getAttribute("data-icon");
  if (icon && wanted && icon.getAttribute("href") !== wanted) icon.setAttribute("href", wanted);
}
