// Says how old the data is, in words; a page that stands still must not look alive.
// @ts-check

export const STALE_AFTER = 25_000;

export class Alive {
  constructor() {
    /** @type {HTMLElement | null} */
    this.place = document.querySelector("#fresh");
    this.signAt = Date.now();
    this.state = "connecting";
    this.isOut = false;
    this.isOver = false;
    this.isHeld = false;
  }

  start() {
    setInterval(() => this.tick(), 1_000);
  }

  /** The page is known to be as the server has it. */
  sign() {
    this.signAt = Date.now();
    this.isOut = false;
    this.tick();
  }

  /** @param {"connected" | "lost" | "connecting"} state */
  be(state) {
    this.state = state;
    this.tick();
  }

  /** @param {string} name @param {Record<string, string | number>} values */
  word(name, values = {}) {
    const text = this.place?.dataset[name] ?? "";
    return text.replace(/\{(\w+)\}/g, (whole, key) => String(values[key] ?? whole));
  }

  tick() {
    const words = document.querySelector("#fresh-words");
    if (!this.place || !words) return;
    const age = Date.now() - this.signAt;
    const stale = age > STALE_AFTER && !this.isOver;
    this.place.classList.toggle("stale", stale);
    document.body.classList.toggle("frozen", stale);
    const told = stale ? this.frozen(age) : this.calm(age);
    if (words.textContent !== told) words.textContent = told;
  }

  /** @param {number} age */
  frozen(age) {
    const at = document.querySelector("#fresh-at")?.textContent ?? "";
    const why = this.isOut ? this.word("out") : this.isHeld ? this.word("still") : this.stateWord();
    return `▲ ${this.word("stale", { at, n: Math.round(age / 1_000) })} – ${why}`;
  }

  /** @param {number} age */
  calm(age) {
    if (this.isOver) return this.word("over");
    const why = this.isOut ? this.word("out") : this.isHeld ? this.word("still") : this.stateWord();
    return [this.word("ago", { n: Math.round(age / 1_000) }), why].filter(Boolean).join(", ");
  }

  stateWord() {
    return this.word(this.state);
  }
}
