// One stream of events for the whole browser, however many tabs are open: one tab holds it and
// tells the others. A browser opens at most six connections to one place.
// @ts-check

/**
 * What one tab tells the others. `cursor` is the place in the stream of everything from which
 * whoever takes over goes on.
 * @typedef {{kind: "news", run: string, seq: number, cursor: string}
 *   | {kind: "beat", cursor: string}
 *   | {kind: "open"} | {kind: "lost"} | {kind: "hello"}} Word
 */

const NAME = "drorch-events";
const LEASE = "drorch.events.lease";
const LEASE_FOR = 6_000;
const LEASE_EVERY = 2_000;
const SILENT_AFTER = 22_000; // two heartbeats were missed: whoever holds the stream is asleep
const AGAIN = 2_000;
const SPREAD = 2_000;

export class Connection {
  /** @param {(word: Word) => void} hear is told what happens, also what this tab itself hears */
  constructor(hear) {
    this.hear = hear;
    this.me = Math.random().toString(36).slice(2);
    this.cursor = "";
    this.heardAt = Date.now();
    this.leads = false;
    this.isOpen = false;
    /** @type {(() => void) | null} */
    this.letGo = null;
    /** @type {EventSource | null} */
    this.source = null;
    this.vain = 0;
    /** @type {BroadcastChannel | null} */
    this.channel = "BroadcastChannel" in window ? new BroadcastChannel(NAME) : null;
  }

  start() {
    if (!this.channel) {
      this.lead(); // nobody could be told: each tab for itself
      return;
    }
    this.channel.onmessage = (message) => this.heard(/** @type {Word} */ (message.data));
    this.channel.postMessage({ kind: "hello" });
    if ("locks" in navigator) {
      this.queue(false);
      setInterval(() => this.takeOver(), SILENT_AFTER / 4);
    } else if (this.mayLease()) {
      this.lease();
      setInterval(() => this.lease(), LEASE_EVERY);
    } else {
      this.lead();
    }
    addEventListener("pagehide", () => this.stop());
  }

  /** @param {Word} word */
  heard(word) {
    if (word.kind === "hello") {
      if (this.leads) this.tell({ kind: this.isOpen ? "open" : "lost" }, false);
      return;
    }
    if ("cursor" in word && word.cursor) this.cursor = word.cursor;
    this.heardAt = Date.now();
    this.hear(word);
  }

  /** @param {Word} word @param {boolean} here whether this tab hears it, too */
  tell(word, here = true) {
    this.channel?.postMessage(word);
    if (here) this.heard(word);
  }

  // Web Locks: the browser itself passes the stream on when a tab is closed.

  /** @param {boolean} steal */
  queue(steal) {
    const hold = () => {
      if (this.leads) return undefined;
      this.lead();
      return new Promise((/** @type {(value: undefined) => void} */ resolve) => {
        this.letGo = () => resolve(undefined);
      });
    };
    navigator.locks.request(NAME, { steal }, hold).catch(() => {
      this.stop(); // another tab took it from us
      setTimeout(() => this.queue(false), AGAIN);
    });
  }

  takeOver() {
    const silent = Date.now() - this.heardAt > SILENT_AFTER;
    if (silent && !this.leads && !document.hidden) {
      this.heardAt = Date.now();
      this.queue(true);
    }
  }

  // Without Web Locks (plain HTTP from elsewhere): a lease in the store that all tabs share.

  mayLease() {
    try {
      localStorage.setItem(LEASE + ".try", "1");
      localStorage.removeItem(LEASE + ".try");
      return true;
    } catch {
      return false;
    }
  }

  lease() {
    const [holder, until] = (localStorage.getItem(LEASE) ?? "").split(" ");
    const free = !holder || !(Number(until) > Date.now());
    if (!free && holder !== this.me) {
      if (this.leads) this.stop();
      return;
    }
    localStorage.setItem(LEASE, `${this.me} ${Date.now() + LEASE_FOR}`);
    if (!this.leads) this.lead();
  }

  // The stream itself.

  lead() {
    this.leads = true;
    this.listen();
  }

  stop() {
    const led = this.leads;
    this.leads = this.isOpen = false;
    this.source?.close();
    this.source = null;
    this.letGo?.();
    this.letGo = null;
    if (led && localStorageOf(LEASE).startsWith(this.me)) localStorage.removeItem(LEASE);
  }

  listen() {
    if (!this.leads || this.source) return;
    const after = this.cursor ? `?after=${encodeURIComponent(this.cursor)}` : "";
    const source = new EventSource(`/api/v1/events${after}`);
    this.source = source;
    source.onopen = () => {
      this.vain = 0;
      this.isOpen = true;
      this.tell({ kind: "open" });
    };
    source.onmessage = (message) => this.news(message);
    source.addEventListener("clock", (message) => {
      this.tell({ kind: "beat", cursor: message.lastEventId });
    });
    source.onerror = () => this.broken(source);
  }

  /** @param {MessageEvent<string>} message */
  news(message) {
    const { run, seq } = JSON.parse(message.data);
    this.tell({ kind: "news", run, seq, cursor: message.lastEventId });
  }

  /** @param {EventSource} source */
  broken(source) {
    this.isOpen = false;
    this.tell({ kind: "lost" });
    if (source.readyState !== EventSource.CLOSED || this.source !== source) return;
    this.source = null;
    this.vain += 1;
    if (this.vain > 1) this.cursor = ""; // perhaps another store was put in its place
    setTimeout(() => this.listen(), AGAIN + Math.random() * SPREAD);
  }
}

/** @param {string} key */
function localStorageOf(key) {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}
