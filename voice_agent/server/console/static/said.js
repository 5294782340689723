// The list beside the picture: what was said, heard and done, in order; each of it leads to its place in the sound.
import { append, el } from "./dom.js";
import { clock, count, duration, pretty } from "./format.js";

const LATE_MS = 1000;

// Gives the entries of a course: {at, kind, element}, sorted. `play(ms)` is called by them.
export function entries(course, play) {
  const all = [];
  const add = (at, kind, ...content) => {
    const jump = el("button", { type: "button", class: "jump number", onclick: () => play(at), "aria-label": `Play from ${clock(at)}` }, clock(at));
    all.push({ at, kind, element: el("li", { class: `entry ${kind}` }, jump, ...content) });
  };
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

const who = (name) => el("span", { class: "who" }, name);

function told(answer) {
  const cut = answer.interrupted && answer.total_ms > answer.heard_ms;
  return el("div", {},
    el("p", {}, answer.text || (answer.unheard ? null : el("span", { class: "muted" }, "(no words known)")),
      answer.unheard && [" ", el("s", { class: "cut" }, el("span", { class: "sr" }, "not heard: "), answer.unheard)]),
    cut && el("p", { class: "hint" }, el("span", { class: "tag bad" }, "interrupted"),
      ` the caller heard ${duration(answer.heard_ms)} of the ${duration(answer.total_ms)} that were made`,
      answer.basis && ` (known by ${answer.basis})`),
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
      el("summary", {}, el("code", {}, run.name), " ", state, run.answered && ` ${duration(run.took_ms)}`),
      el("p", { class: "hint" }, "Arguments"), el("pre", {}, pretty(run.arguments)),
      run.answered && [el("p", { class: "hint" }, run.failed ? "What the model was told" : "Result"), el("pre", {}, pretty(run.output))]));
}

// What somebody who opens the call should look at first: [{at, kind, element}].
export function findings(course) {
  const found = [];
  const add = (at, title, ...rest) => {
    const element = el("span", {}, el("strong", {}, title));
    append(element, rest);
    found.push({ at, element });
  };
  for (const answer of course.answers) {
    if (answer.response_ms > LATE_MS) {
      const most = answer.wait.reduce((one, other) => (other.ms > one.ms ? other : one), { ms: 0, what: "" });
      add(answer.begin_ms - answer.response_ms, `Late answer, ${duration(answer.response_ms)}`, most.ms ? `: ${duration(most.ms)} ${most.what}` : "");
    }
    if (answer.interrupted && answer.unheard) {
      add(answer.begin_ms, "Not heard", ": ", el("s", { class: "cut" }, shortened(answer.unheard)));
    }
  }
  for (const run of course.tools) {
    if (run.failed) add(run.begin_ms, "Tool failed", ": ", el("code", {}, run.name), ` ${shortened(run.output)}`);
    else if (!run.answered) add(run.begin_ms, "Tool never answered", ": ", el("code", {}, run.name));
  }
  for (const moment of course.moments) {
    if (moment.level !== "info") add(moment.at_ms, moment.level === "error" ? "Fault" : "Warning", `: ${moment.what}`);
  }
  for (const silence of course.silences) {
    if (silence.what === "silence" && silence.end_ms - silence.begin_ms > 5000) add(silence.begin_ms, `Silence, ${duration(silence.end_ms - silence.begin_ms)}`);
  }
  return found.sort((one, other) => one.at - other.at);
}

const shortened = (text) => (text.length > 90 ? `${text.slice(0, 89)}…` : text);
