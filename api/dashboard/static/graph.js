// Walks through a graph with the arrow keys, and keeps the states of the graph's own page fresh.
// Places never change: only classes, names and texts are exchanged, so the focus stays where it is.
// @ts-check

import { STALE_AFTER } from "./alive.js";

/** @typedef {SVGGElement} Node_ a box in the picture, with the link that it is */

class Walk {
  /** @param {SVGSVGElement} picture */
  constructor(picture) {
    this.picture = picture;
    const first = [".focus", ".s-waiting", ".s-failed", ".critical", ""].map((it) => picture.querySelector(`.node${it}`));
    this.here = /** @type {Node_ | null} */ (first.find((it) => it) ?? null);
    // On the frame around it: an SVG that listens for focus would become a tab stop itself.
    const frame = picture.parentElement;
    frame?.addEventListener("keydown", (event) => this.key(event));
    frame?.addEventListener("focusin", (event) => this.enter(event.target));
    frame?.addEventListener("focusout", () => this.light(null));
    picture.addEventListener("pointerover", (event) => this.light(nodeOf(event.target)));
    picture.addEventListener("pointerout", () => this.light(nodeOf(document.activeElement)));
    new MutationObserver(() => this.one()).observe(picture, { childList: true, subtree: true });
    this.one();
    this.show();
  }

  /** Brings the node that matters into its frame; the page itself does not move. */
  show() {
    const frame = this.picture.parentElement;
    if (!frame || !this.here) return;
    const [box, around] = [this.here.getBoundingClientRect(), frame.getBoundingClientRect()];
    frame.scrollTop += box.y - around.y - (frame.clientHeight - box.height) / 2;
    frame.scrollLeft += box.x - around.x - (frame.clientWidth - box.width) / 2;
  }

  /** @returns {Node_[]} */
  nodes() {
    return [...this.picture.querySelectorAll(".node")].map((it) => /** @type {Node_} */ (it));
  }

  /** Makes the picture one tab stop, also after nodes were exchanged. */
  one() {
    const nodes = this.nodes();
    const key = this.here?.dataset["k"];
    this.here = nodes.find((it) => it.dataset["k"] === key) ?? nodes[0] ?? null;
    for (const node of nodes) {
      const wanted = node === this.here ? "0" : "-1";
      const link = linkOf(node);
      if (link?.getAttribute("tabindex") !== wanted) link?.setAttribute("tabindex", wanted);
    }
  }

  /** @param {EventTarget | null} target */
  enter(target) {
    const node = nodeOf(target);
    if (!node) return;
    this.here = node;
    this.one();
    this.light(node);
  }

  /** @param {Node_ | null} node */
  light(node) {
    for (const line of this.picture.querySelectorAll(".line.lit")) line.classList.remove("lit");
    if (!node || !this.picture.contains(node)) return;
    const place = CSS.escape(node.dataset["place"] ?? "");
    const lines = this.picture.querySelectorAll(`.line[data-from="${place}"], .line[data-to="${place}"]`);
    for (const line of lines) line.classList.add("lit");
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const node = nodeOf(event.target);
    const next = node && this.next(node, event.key);
    if (next === undefined || next === null) return;
    event.preventDefault();
    linkOf(next)?.focus();
    next.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** @param {Node_} node @param {string} key @returns {Node_ | null | undefined} */
  next(node, key) {
    const nodes = this.nodes();
    if (key === "Home") return nodes[0];
    if (key === "End") return nodes[nodes.length - 1];
    if (key === "ArrowLeft") return nearest(node, needed(node, nodes));
    if (key === "ArrowRight") return nearest(node, dependants(node, nodes));
    if (key !== "ArrowUp" && key !== "ArrowDown") return undefined;
    const column = nodes.filter((it) => it.dataset["column"] === node.dataset["column"]);
    return column[column.indexOf(node) + (key === "ArrowUp" ? -1 : 1)] ?? node;
  }
}

/** @param {EventTarget | null} target @returns {Node_ | null} */
function nodeOf(target) {
  return target instanceof Element ? /** @type {Node_ | null} */ (target.closest(".graph .node")) : null;
}

/** @param {Node_} node */
function linkOf(node) {
  return node.querySelector("a");
}

/** @param {Node_} node @param {Node_[]} nodes */
function needed(node, nodes) {
  const places = new Set((node.dataset["needs"] ?? "").split(" "));
  return nodes.filter((it) => places.has(it.dataset["place"] ?? "-"));
}

/** @param {Node_} node @param {Node_[]} nodes */
function dependants(node, nodes) {
  const place = node.dataset["place"] ?? "-";
  return nodes.filter((it) => (it.dataset["needs"] ?? "").split(" ").includes(place));
}

/** The one whose height differs least; the node itself where there is none.
 * @param {Node_} node @param {Node_[]} found */
function nearest(node, found) {
  const [x, y] = corner(node);
  /** @param {Node_} it */
  const apart = (it) => Math.abs(corner(it)[1] - y) + Math.abs(corner(it)[0] - x);
  return found.reduce((best, it) => (best === node || apart(it) < apart(best) ? it : best), node);
}

/** @param {Node_} node @returns {[number, number]} */
function corner(node) {
  const box = node.getBoundingClientRect();
  return [box.x, box.y];
}

/** @param {Document} fresh */
function apply(fresh) {
  for (const before of document.querySelectorAll("[data-k]")) {
    const after = fresh.querySelector(`[data-k="${CSS.escape(before.getAttribute("data-k") ?? "")}"]`);
    if (after) become(before, after);
  }
}

/** Exchanges what has changed; the link of a box stays, so that the focus does.
 * @param {Element} before @param {Element} after */
function become(before, after) {
  const link = before.querySelector(":scope > a[aria-label]");
  const other = after.querySelector(":scope > a[aria-label]");
  const used = before.contains(document.activeElement);
  if (!link || !other) {
    if (!used && before.innerHTML !== after.innerHTML) before.replaceChildren(...after.childNodes);
    return;
  }
  before.setAttribute("class", after.getAttribute("class") ?? "");
  const name = other.getAttribute("aria-label") ?? "";
  if (link.getAttribute("aria-label") === name) return;
  link.setAttribute("aria-label", name);
  const [title, told] = [link.querySelector("title"), other.querySelector("title")];
  if (title && told) title.textContent = told.textContent;
  const [says, said] = [before.querySelector(".says"), after.querySelector(".says")];
  if (says && said) says.replaceWith(said);
}

/** @param {HTMLElement} fresh */
function keepFresh(fresh) {
  let heard = Date.now();
  let ended = false;
  const stale = document.querySelector("#graph-stale");
  const ask = () => {
    if (document.hidden || ended) return;
    const request = new XMLHttpRequest();
    request.open("GET", location.href);
    request.responseType = "document";
    request.timeout = 15_000;
    request.onload = () => {
      const page = request.responseXML;
      const now = page?.querySelector("#graph-fresh");
      if (request.status !== 200 || !page || !now) return;
      heard = Date.now();
      ended = !now.hasAttribute("data-every");
      apply(page);
      fresh.textContent = now.textContent;
    };
    request.send();
  };
  const asking = setInterval(ask, Number(fresh.dataset["every"]) * 1_000);
  document.addEventListener("visibilitychange", ask);
  setInterval(() => {
    if (ended) clearInterval(asking);
    else if (stale) stale.textContent = Date.now() - heard > STALE_AFTER ? `▲ ${fresh.dataset["stale"] ?? ""}` : "";
  }, 1_000);
}

for (const picture of document.querySelectorAll("svg.graph")) new Walk(/** @type {SVGSVGElement} */ (picture));

const fresh = document.querySelector("#graph-fresh[data-every]");
if (fresh instanceof HTMLElement) keepFresh(fresh);
