// Keeps the public page fresh: the whole board is exchanged for a newer one, when there is one.
// Nothing here builds markup from text. Without it the browser reloads the page by itself.
// @ts-check

/** A little longer than caches keep the page. */
const EVERY = 31_000;
const OLD_AFTER = 300_000;

let renewed = Date.now();

/** @param {Document} fresh */
function exchange(fresh) {
  const after = fresh.querySelector("#board");
  const before = document.querySelector("#board");
  const old = document.querySelector("#old");
  if (old instanceof HTMLElement) old.hidden = true;
  if (!after || !before || before.isEqualNode(after)) return;
  if (before.contains(document.activeElement) && document.activeElement !== document.body) return;
  before.replaceWith(document.importNode(after, true));
  document.title = fresh.title;
  const icon = fresh.querySelector("link[rel=icon]")?.getAttribute("href");
  if (icon) document.querySelector("link[rel=icon]")?.setAttribute("href", icon);
}

/** Tell when the page is old: by the clock of its host, as that of the screen may be wrong.
 * @param {string | null} now */
function tell(now) {
  const at = document.querySelector("#at")?.getAttribute("datetime");
  const age = at && now ? Date.parse(now) - Date.parse(at) : 0;
  const old = document.querySelector("#old");
  const is = age > OLD_AFTER || Date.now() - renewed > OLD_AFTER;
  if (old instanceof HTMLElement && old.hidden === is) old.hidden = !is;
}

function renew() {
  const request = new XMLHttpRequest();
  request.open("GET", location.href);
  request.responseType = "document";
  request.timeout = EVERY - 5_000;
  request.onload = () => {
    if (request.status === 200 && request.responseXML) {
      renewed = Date.now();
      exchange(request.responseXML);
    }
    tell(request.status === 200 ? request.getResponseHeader("Date") : null);
  };
  request.onerror = request.ontimeout = () => tell(null);
  request.send();
}

setInterval(renew, EVERY);
