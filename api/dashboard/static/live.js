// Keeps a page fresh: the server renders every state, this only exchanges what has changed.
// Nothing here builds markup from text. Without it the browser reloads the page by itself.
// @ts-check

const STALE_AFTER = 25_000;
const CALM = 1_000;
const ANNOUNCE_EVERY = 10_000;
const DEADLINES_EVERY = 60_000;
const LOGGED_OUT = "logged out: load this page again";

/** @type {HTMLElement | null} */
const live = document.querySelector("#live");
/** @type {HTMLElement | null} */
const polled = document.querySelector("#reload");

let lastSign = Date.now();
let refreshedAt = Date.now();
let state = "connecting";
let refreshing = false;
let loggedOut = false;
let wanted = false;

/** @param {Element} element */
function inUse(element) {
  if (element.contains(document.activeElement)) return true;
  return [...element.querySelectorAll("textarea, input")].some((field) => {
    const it = /** @type {HTMLInputElement} */ (field);
    return it.value !== it.defaultValue && it.dataset.remember === undefined;
  });
}

/** @param {Element} before @param {Element} after */
function exchange(before, after) {
  if (before.isEqualNode(after) || inUse(before)) return;
  for (const details of before.querySelectorAll("details[open][id]")) {
    after.querySelector("#" + CSS.escape(details.id))?.setAttribute("open", "");
  }
  before.replaceWith(after);
}

/** @param {Element} before @param {Element} after */
function exchangeList(before, after) {
  const known = new Map([...before.children].map((it) => [it.getAttribute("data-k"), it]));
  /** @type {Element | null} */
  let last = null;
  for (const fresh of [...after.children]) {
    const key = fresh.getAttribute("data-k");
    const old = known.get(key);
    known.delete(key);
    if (old) {
      exchange(old, fresh);
      last = before.querySelector(`:scope > [data-k="${CSS.escape(key ?? "")}"]`);
    } else {
      if (last) last.after(fresh);
      else before.prepend(fresh);
      last = fresh;
    }
  }
  for (const gone of known.values()) if (!gone.contains(document.activeElement)) gone.remove();
}

/** @param {Document} fresh */
function apply(fresh) {
  for (const list of document.querySelectorAll("[data-list]")) {
    const after = fresh.querySelector(`[data-list="${list.getAttribute("data-list")}"]`);
    if (after) exchangeList(list, after);
  }
  for (const part of document.querySelectorAll("[data-k]")) {
    if (part.parentElement?.closest("[data-list]")) continue;
    const after = fresh.querySelector(`[data-k="${CSS.escape(part.getAttribute("data-k") ?? "")}"]`);
    if (after) exchange(part, after);
  }
  const at = fresh.querySelector("#fresh-at");
  const here = document.querySelector("#fresh-at");
  if (at && here) here.textContent = at.textContent;
  if (document.title !== fresh.title) document.title = fresh.title;
  const over = fresh.querySelector("#live")?.getAttribute("data-over");
  if (live && over) live.dataset.over = over;
  rememberNames();
}

function refresh() {
  if (refreshing) {
    wanted = true;
    return;
  }
  refreshing = true;
  refreshedAt = Date.now();
  const request = new XMLHttpRequest();
  request.open("GET", location.pathname + (location.search.includes("show=") ? location.search : ""));
  request.responseType = "document";
  request.timeout = 15_000;
  request.onload = () => {
    if (new URL(request.responseURL || location.href).pathname !== location.pathname) {
      loggedOut = true;
      tick();
    } else if (request.status === 200 && request.responseXML) {
      loggedOut = false;
      apply(request.responseXML);
      sign("connected");
      announce();
    }
  };
  request.onloadend = () => {
    setTimeout(() => {
      refreshing = false;
      if (wanted) {
        wanted = false;
        refresh();
      }
    }, CALM);
  };
  request.send();
}

/** @param {string} word */
function sign(word) {
  state = word;
  lastSign = Date.now();
  tick();
}

function tick() {
  const line = document.querySelector("#fresh");
  const words = document.querySelector("#fresh-words");
  if (!line || !words) return;
  const age = Math.round((Date.now() - lastSign) / 1000);
  const stale = Date.now() - lastSign > STALE_AFTER;
  const over = live?.dataset.over === "yes";
  line.classList.toggle("stale", stale);
  words.textContent = stale
    ? ` – ▲ STALE: nothing heard for ${age} s${loggedOut ? ` (${LOGGED_OUT})` : ""}, what you see may be wrong`
    : over ? ", the run has ended" : `, ${age} s ago, ${state}`;
}

// An opening comes nearer, and passes, without any event.
function watchDeadlines() {
  const due = Date.now() - refreshedAt > DEADLINES_EVERY;
  if (due && !document.hidden && document.querySelector("[data-until]")) refresh();
}

let announcedAt = 0;
let announced = "";
let announcing = 0;

function announce() {
  const place = document.querySelector("#announce");
  const counts = document.querySelector(".counts p label");
  const act = document.querySelector("#act-h");
  if (!place || !counts || !act || announcing) return;
  const wait = Math.max(0, announcedAt + ANNOUNCE_EVERY - Date.now());
  announcing = window.setTimeout(() => {
    announcing = 0;
    announcedAt = Date.now();
    const told = `${counts.textContent?.trim()}. ${act.textContent?.trim()}.`;
    if (told !== announced) place.textContent = announced = told;
  }, wait);
}

function rememberNames() {
  for (const field of document.querySelectorAll("input[data-remember]")) {
    const it = /** @type {HTMLInputElement} */ (field);
    const key = "drorch." + it.dataset.remember;
    if (!it.value) it.value = localStorage.getItem(key) ?? "";
    it.onchange = () => localStorage.setItem(key, it.value);
  }
}

/** @type {EventSource | null} */
let source = null;

function listen() {
  if (!live || source || document.hidden || live.dataset.over === "yes") return;
  const run = encodeURIComponent(live.dataset.run ?? "");
  let seen = Number(live.dataset.seq);
  source = new EventSource(`/api/v1/runs/${run}/events?after=${seen}`);
  source.onopen = () => sign("connected");
  source.onmessage = (message) => {
    const seq = Number(message.lastEventId);
    if (seq <= seen) return;
    seen = seq;
    live.dataset.seq = String(seq);
    sign("connected");
    refresh();
  };
  source.addEventListener("clock", () => sign("connected"));
  source.onerror = () => {
    state = "connection lost, trying again";
    tick();
    if (source?.readyState === EventSource.CLOSED) {
      source = null;
      refresh(); // it tells whether the session has ended
      setTimeout(listen, 3_000);
    }
  };
}

// A browser opens at most six connections to one place: a tab that nobody sees keeps none.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    source?.close();
    source = null;
  } else {
    listen();
    if (live || polled) refresh();
  }
});

rememberNames();
if (live) {
  listen();
  setInterval(tick, 1_000);
  setInterval(watchDeadlines, 1_000);
} else if (polled) {
  setInterval(() => document.hidden || refresh(), Number(polled.dataset.every) * 1_000);
  setInterval(tick, 1_000);
}
