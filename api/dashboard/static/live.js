// Keeps a page fresh: the server renders every state, this only exchanges what has changed.
// Nothing here builds markup from text. Without it the browser reloads the page by itself.
// @ts-check

import { Alive } from "./alive.js";
import { Announcer } from "./announce.js";
import { Connection } from "./connection.js";
import { Asker } from "./fetching.js";
import { apply } from "./patch.js";
import { countDown, drawNow, letCopy, putModeIntoAddress, rememberNames } from "./small.js";

const TIME_PASSES = 10_000; // bars grow, openings come nearer, what is silent is stuck: no event says so
const SWEEP = 120_000;

/** @type {HTMLElement | null} */
const live = document.querySelector("#live");
/** @type {HTMLElement | null} */
const polled = document.querySelector("#reload");
const alive = new Alive();
const announcer = new Announcer();

/** @param {HTMLElement} root the page of a run */
function keepRun(root) {
  let swept = Date.now();
  let isWhole = true;
  const isOver = () => root.dataset["over"] === "yes";
  const asker = new Asker(() => {
    const wanted = new URLSearchParams(location.search);
    const given = new URLSearchParams();
    for (const name of ["show", "from"]) {
      const value = wanted.get(name);
      if (value) given.set(name, value);
    }
    const last = document.querySelector('[data-list="rows"]')?.lastElementChild;
    if (isWhole && Date.now() - swept < SWEEP) {
      given.set("after", root.dataset["seq"] ?? "0");
      given.set("to", last?.getAttribute("data-n") ?? "-1");
    } else {
      swept = Date.now();
    }
    return `${location.pathname}/changes?${given}`;
  }, (answer) => {
    if (alive.isHeld) return;
    if (answer.kind === "fresh") {
      isWhole = apply(answer.page);
      showTime(answer.page);
      alive.isOver = isOver();
      alive.sign();
      announcer.look();
      rememberNames();
      if (!isWhole) asker.want();
    } else {
      alive.isOut = answer.kind === "out";
      alive.tick();
    }
  });
  const connection = new Connection((word) => {
    if (word.kind === "lost") alive.be("lost");
    else if (word.kind !== "hello") alive.be("connected");
    const concerns = word.kind === "news" && word.run === root.dataset["run"];
    const isNew = word.kind === "news" && word.seq > Number(root.dataset["seq"]);
    if (word.kind === "open" || (concerns && isNew)) asker.want();
    else if (word.kind === "beat" && !asker.failed && !alive.isHeld) alive.sign();
  });
  alive.isOver = isOver();
  letHoldStill(asker);
  connection.start();
  asker.want();
  setInterval(() => isOver() || asker.want(), TIME_PASSES);
  setInterval(() => {
    countDown((n) => alive.word("in", { n }));
    drawNow();
  }, 1_000);
  drawNow();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    asker.want();
    asker.hurry();
  });
}

/** @param {Asker} asker */
function letHoldStill(asker) {
  /** @type {HTMLButtonElement | null} */
  const button = document.querySelector("#hold-still");
  if (!button) return;
  button.hidden = false;
  button.onclick = () => {
    alive.isHeld = !alive.isHeld;
    button.setAttribute("aria-pressed", String(alive.isHeld));
    alive.tick();
    if (!alive.isHeld) asker.want();
  };
}

/** @param {Document} fresh */
function showTime(fresh) {
  const at = fresh.querySelector("#fresh-at");
  const here = document.querySelector("#fresh-at");
  if (at && here && here.textContent !== at.textContent) here.textContent = at.textContent;
}

/** @param {HTMLElement} root a page that looks again every few seconds */
function keepPolled(root) {
  const asker = new Asker(() => location.pathname + location.search, (answer) => {
    if (answer.kind === "fresh") {
      apply(answer.page);
      showTime(answer.page);
      alive.be("connected");
      alive.sign();
    } else {
      alive.isOut = answer.kind === "out";
      alive.be("lost");
    }
  });
  alive.be("connected");
  setInterval(() => document.hidden || asker.want(), Number(root.dataset["every"]) * 1_000);
  document.addEventListener("visibilitychange", () => document.hidden || asker.want());
}

rememberNames();
letCopy();
if (live) {
  putModeIntoAddress();
  keepRun(live);
  alive.start();
} else if (polled) {
  keepPolled(polled);
  alive.start();
}
