// Tells who listens instead of looking: how far the run is, seldom; that somebody must act, once.
// @ts-check

const EVERY = 10_000;

export class Announcer {
  constructor() {
    this.told = "";
    this.at = -Infinity;
    this.timer = 0;
    this.known = new Set(cards().map((card) => card.id));
  }

  /** Look at the page that was just brought up to date. */
  look() {
    this.alarm();
    if (this.timer) return;
    const wait = Math.max(0, this.at + EVERY - performance.now());
    this.timer = window.setTimeout(() => this.tell(), wait);
  }

  tell() {
    this.timer = 0;
    const place = document.querySelector("#announce");
    const parts = ["#far", "#act-h"].map((it) => document.querySelector(it)?.textContent?.trim());
    const words = parts.filter(Boolean).join(". ");
    if (!place || words === this.told) return;
    this.at = performance.now();
    place.textContent = this.told = words;
  }

  alarm() {
    const fresh = cards().filter((card) => !this.known.has(card.id));
    this.known = new Set(cards().map((card) => card.id));
    const place = document.querySelector("#alarm");
    if (!fresh.length || !place) return;
    place.textContent = fresh.map((card) => card.querySelector("h2, h3")?.textContent?.trim()).join(". ");
  }
}

/** @returns {HTMLElement[]} */
function cards() {
  return [...document.querySelectorAll("article.card")].map((it) => /** @type {HTMLElement} */ (it));
}
