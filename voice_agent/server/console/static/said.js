// The list beside the picture: what was said, heard and done, in order; each of it leads to its place in the sound.
import { el } from "./dom.js";
import { clock, count, duration, LATE_MS, pretty } from "./format.js";

// Gives the entries of a course: {at, kind, element}, sorted. `play(ms)` is called by them.
export function entries(course, play) {
  const all = [];
  const add = (at, kind, ...content) => {
    const jump = el("button", { type: "button", class: "jump number", onclick: () => play(at), "aria-label": `Play from ${clock(at)}` }, clock(at));
    all.push({ at, kind, element: el("li", { class: `entry ${kind}` }, jump, ...content) });
  };
  for (const own of course.own) {
    add(own.begin_ms, "own", who("Sound"), el("div", {}, el("p", { class: "muted" }, `${own.what}, ${duration(own.end_ms - own.begin_ms)}`)));
  }
  for (const keys of typed(course.keys)) {
    add(keys.at, "caller", who("Keys"), el("div", {}, el("p", {}, el("code", {}, keys.digits), el("span", { class: "muted" }, " typed by the caller"))));
  }
  for (const turn of course.turns) {
    add(turn.begin_ms, "caller", who("Caller"), el("div", {}, turn.text ? el("p", {}, turn.text) : el("p", { class: "muted" }, "(no words known)")));
  }
  for (const answer of course.answers) add(answer.begin_ms, "agent", who(answer.agent || "Agent"), told(answer));
  for (const run of course.tools) add(run.begin_ms, run.failed || !run.answered ? "tool failed" : "tool", who("Tool"), tool(run));
  for (const moment of course.moments) {
    add(moment.at_ms, `note ${moment.level}`, who({ error: "Fault", warning: "Warning" }[moment.level] ?? "Note"),
      el("div", {}, el("p", {}, moment.what, moment.detail && el("span", { class: "muted" }, ` (${moment.detail})`))));
  }
  for (const used of course.tokens) {
    const { input_tokens: read, cached_tokens: cached, output_tokens: made } = used.usage;
    add(used.at_ms, "more", who("Tokens"), el("div", {}, el("p", { class: "muted" }, `${count(read)} in (${count(cached)} cached), ${count(made)} out`)));
  }
  for (const response of course.responses) {
    add(response.begin_ms, "more", who("Model"), el("div", {}, el("p", { class: "muted" },
      `a response of ${duration(response.end_ms - response.begin_ms)}, ${response.what || "not finished"}`)));
  }
  return all.sort((one, other) => one.at - other.at);
}

// Keys that follow each other are one entry.
const TOGETHER_MS = 3000;
function typed(keys) {
  const found = [];
  for (const { at_ms: at, digit } of keys) {
    const last = found.at(-1);
    if (last && at - last.until <= TOGETHER_MS) Object.assign(last, { digits: last.digits + digit, until: at });
    else found.push({ at, digits: digit, until: at });
  }
  return found;
}

const who = (name) => el("span", { class: "who" }, name);

function told(answer) {
  const cut = answer.interrupted && answer.total_ms > answer.heard_ms;
  return el("div", {},
    el("p", {}, answer.text || (answer.unheard ? null : el("span", { class: "muted" }, "(no words known)")),
      answer.unheard && [" ", el("s", { class: "cut" }, el("span", { class: "sr" }, "not heard, about: "), answer.unheard)]),
    cut && el("p", { class: "hint" }, el("span", { class: "tag bad" }, "interrupted"),
      ` at ${clock(answer.end_ms)}: the caller heard ${duration(answer.heard_ms)} of ${duration(answer.total_ms)}`, answer.unheard && ", to about where its words are struck through",
      answer.basis && answer.basis !== "mark" && ", by estimate: the carrier did not say"),
    answer.response_ms >= 0 && waited(answer));
}

// How long the caller waited, and with what the time went by.
function waited(answer) {
  const late = answer.response_ms > LATE_MS;
  const parts = answer.wait.filter((part) => part.ms > 0);
  const bar = el("span", { class: "wait-bar", "aria-hidden": "true" });
  for (const part of parts) {
    const piece = el("span", { class: part.what.startsWith("tool ") ? "tool" : "" });
    piece.style.flexGrow = part.ms;
    bar.append(piece);
  }
  return el("details", { class: "wait", open: late },
    el("summary", {}, "answered after ", el("span", { class: late ? "tag bad" : "tag" }, duration(answer.response_ms)), late && " late"),
    bar,
    el("ul", { class: "plain" }, parts.map((part) => el("li", {}, el("span", { class: "number" }, duration(part.ms)), ` ${part.what}`))));
}

function tool(run) {
  const state = !run.answered ? el("span", { class: "tag bad" }, "never answered")
    : run.failed ? el("span", { class: "tag bad" }, "failed") : null;
  return el("div", {},
    el("details", { open: run.failed || !run.answered },
      el("summary", {}, el("code", {}, run.name), " ", state, run.answered && ` ${duration(run.took_ms)}`,
        run.waits && el("span", { class: "muted" }, `, waits ${run.waits}`)),
      el("p", { class: "hint" }, "Arguments"), el("pre", {}, pretty(run.arguments)),
      run.answered && [el("p", { class: "hint" }, run.failed ? "What the model was told" : "Result"), el("pre", {}, pretty(run.output))],
      run.cause && [el("p", { class: "hint" }, "Why it failed"), el("pre", { class: "why" }, run.cause)]));
}

// One thing that somebody who opens the call should look at.
export function finding({ kind, text, unheard }) {
  return el("span", {}, el("strong", {}, kind[0].toUpperCase(), kind.slice(1)), text && `: ${shortened(text)}`,
    unheard && [": about ", el("s", { class: "cut" }, shortened(unheard))]);
}

const shortened = (text) => (text.length > 150 ? `${text.slice(0, 149)}…` : text);
