// Asks the server for what has changed: at once, then a few times a second, one question at a time.
// @ts-check

const CALM = 180;
const CALM_HIDDEN = 5_000;
const CALM_FAILED = 4_000;
const PATIENCE = 15_000;

/**
 * @typedef {{kind: "fresh", page: Document} | {kind: "out"} | {kind: "failed"}} Answer
 */

export class Asker {
  /**
   * @param {() => string} address
   * @param {(answer: Answer) => void} take
   */
  constructor(address, take) {
    this.address = address;
    this.take = take;
    this.asking = false;
    this.wanted = false;
    this.begunAt = -Infinity;
    this.failed = false;
    this.timer = 0;
  }

  /** Ask soon; whatever is wanted until then is one question. */
  want() {
    this.wanted = true;
    if (this.asking || this.timer) return;
    const calm = this.failed ? CALM_FAILED : document.hidden ? CALM_HIDDEN : CALM;
    const wait = Math.max(0, this.begunAt + calm - performance.now());
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      this.ask();
    }, wait);
  }

  /** What was put off because nobody looked is due now. */
  hurry() {
    clearTimeout(this.timer);
    this.timer = 0;
    if (this.wanted) this.want();
  }

  ask() {
    this.wanted = false;
    this.asking = true;
    this.begunAt = performance.now();
    const request = new XMLHttpRequest();
    const address = this.address();
    request.open("GET", address);
    request.responseType = "document"; // parsed by the browser itself, and no script in it runs
    request.timeout = PATIENCE;
    request.onloadend = () => {
      const answer = read(request, address);
      this.failed = answer.kind === "failed";
      this.asking = false;
      this.give(answer);
      if (this.wanted || this.failed) this.want();
    };
    request.send();
  }

  /** @param {Answer} answer */
  give(answer) {
    if (document.hidden) this.take(answer);
    else requestAnimationFrame(() => this.take(answer));
  }
}

/** @param {XMLHttpRequest} request @param {string} address @returns {Answer} */
function read(request, address) {
  if (request.status === 0) return { kind: "failed" };
  const came = new URL(request.responseURL || address, location.href);
  if (request.status === 401 || came.pathname !== new URL(address, location.href).pathname) {
    return { kind: "out" };
  }
  const page = request.status === 200 ? request.responseXML : null;
  return page ? { kind: "fresh", page } : { kind: "failed" };
}
