// The softphone's page.

import { events, get } from "./api.js";
import { append, byId, el, replace, setText } from "./dom.js";
import { DRAFT } from "./draft.js";
import { Spoken } from "./spoken.js";
import { TelephoneCall } from "./telephone-call.js";
import { WebRtcCall } from "./webrtc-call.js";

const KEYS = "123456789*0#";
const EVENTS = [
  "call_started", "caller_began", "caller_said", "agent_words", "agent_began", "agent_said", "keys_pressed", "tool_started",
  "tool_answered", "handed_over", "note", "call_ended",
];
const WHO = { caller: "You", agent: "Agent", tool: "Tool", keys: "Keys", line: "", problem: "Problem" };
const CLASSES = { keys: "keys-line", line: "line-note", problem: "problem-line" };
const HINTS = {
  telephone: "As Twilio would bring it, and recorded as the agent says.",
  webrtc: "No telephone line between; nothing is recorded, and the tools of a line are not there.",
};
const SILENT_DB = -60;

let draft = null;
let call = null;
let source = null;
let beganAt = 0;
let ticking = 0;
const lines = new Map();

// --- what is said ----------------------------------------------------------------------------------------------------

let spoken = new Spoken(show);

function show(line, isNew) {
  const log = byId("said");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  if (isNew) {
    byId("nothing").hidden = true;
    const item = el("li", {}, el("span", { class: "who" }, WHO[line.who]), el("span", { class: "words" }), el("span", { class: "muted number" }));
    lines.set(line, item);
    byId("lines").append(item);
  }
  const item = lines.get(line);
  const [, words, tag] = item.children;
  item.className = [CLASSES[line.who] ?? line.who, line.pending && "pending", line.failed && "failed"].filter(Boolean).join(" ");
  replace(words, line.text || (line.pending ? "\u2026" : ""));
  if (line.cut) append(words, [" ", el("s", {}, el("span", { class: "sr" }, "not heard: "), line.cut)]);
  if (line.why) append(words, [el("div", { class: "why" }, `Why it failed: ${line.why}`)]);
  setText(tag, line.tag);
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function follow(callSid) {
  const handlers = Object.fromEntries(EVENTS.map((name) => [name, (event) => spoken.take(name, event)]));
  let opened = false;
  source = events(`/console/api/phone/calls/${callSid}/events`, handlers, (isOpen) => {
    // Whoever comes again is told all from the beginning.
    if (isOpen && opened) startAnew();
    opened ||= isOpen;
  });
  byId("record").href = `/console/calls/${callSid}`;
}

function startAnew() {
  lines.clear();
  replace(byId("lines"));
  spoken = new Spoken(show);
}

// --- the call --------------------------------------------------------------------------------------------------------

const view = {
  state: (text) => {
    setText(byId("state"), text);
    if (text.startsWith("on the line") && !ticking) {
      beganAt = Date.now();
      ticking = setInterval(tick, 500);
    }
  },
  note: (text) => spoken.note(text),
  begun: follow,
  spoken: (name, event) => spoken.take(name, event),
  levels: ({ caller, agent }) => {
    byId("caller-level").value = decibels(caller);
    byId("agent-level").value = decibels(agent);
  },
  ask: (number) => {
    setText(byId("ask-title"), `The caller is put through to ${number}. Nobody is called from here; what comes of it?`);
    byId("ask").hidden = false;
    byId("ask").querySelector("button").focus();
  },
  over: (problem) => {
    const wasRecorded = call instanceof TelephoneCall && call.callSid !== "";
    call = null;
    clearInterval(ticking);
    ticking = 0;
    view.levels({ caller: 0, agent: 0 });
    setText(byId("state"), "not in a call");
    tell(problem);
    enable();
    byId("ask").hidden = true;
    byId("after").hidden = !wasRecorded;
    // The last words and the end are told a moment later.
    setTimeout(() => call ?? source?.close(), 5000);
  },
};

function tick() {
  const seconds = Math.floor((Date.now() - beganAt) / 1000);
  setText(byId("time"), `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`);
}

function decibels(amplitude) {
  return amplitude > 0 ? Math.max(SILENT_DB, 20 * Math.log10(amplitude)) : SILENT_DB;
}

function tell(problem) {
  byId("problem").hidden = !problem;
  setText(byId("problem"), problem ? `The call is over: ${problem}.` : "");
}

function way() {
  return document.querySelector("input[name=way]:checked").value;
}

function enable() {
  const talking = call !== null;
  byId("call").disabled = talking;
  byId("agent").disabled = talking;
  byId("caller").disabled = talking || way() === "webrtc";
  for (const choice of document.querySelectorAll("input[name=way]")) choice.disabled = talking || (draft !== null && choice.value === "webrtc");
  byId("hang-up").disabled = !talking;
  byId("mute").disabled = !talking;
  if (!talking) byId("mute").setAttribute("aria-pressed", "false");
  const onWire = way() === "telephone";
  for (const key of document.querySelectorAll("#keys button")) key.disabled = !talking || !onWire;
  for (const id of ["loss", "delay", "noise"]) byId(id).disabled = !onWire;
}

byId("dial").addEventListener("submit", (event) => {
  event.preventDefault();
  source?.close();
  startAnew();
  tell("");
  setText(byId("time"), "");
  byId("after").hidden = true;
  const agent = byId("agent").value;
  const telephone = way() === "telephone";
  call = telephone ? new TelephoneCall(view, line()) : new WebRtcCall(view);
  enable();
  byId("hang-up").focus();
  const whom = draft ? { draft } : { agent };
  call.hold(telephone ? { ...whom, caller: byId("caller").value } : { agent });
});

byId("hang-up").addEventListener("click", () => call?.hangUp());

byId("mute").addEventListener("click", () => {
  const muted = byId("mute").getAttribute("aria-pressed") !== "true";
  byId("mute").setAttribute("aria-pressed", String(muted));
  call?.mute(muted);
});

byId("ask").addEventListener("click", ({ target }) => {
  if (!target.dataset.status) return;
  byId("ask").hidden = true;
  call?.put(target.dataset.status);
});

for (const choice of document.querySelectorAll("input[name=way]")) {
  choice.addEventListener("change", () => {
    setText(byId("way-hint"), HINTS[way()]);
    enable();
  });
}

// --- keys ------------------------------------------------------------------------------------------------------------

for (const key of KEYS) {
  const name = { "*": "star", "#": "pound" }[key];
  byId("keys").append(el("button", { type: "button", "data-key": key, "aria-label": name ?? false, onclick: () => press(key) }, key));
}

function press(key) {
  if (!(call instanceof TelephoneCall)) return;
  call.press(key);
  const button = byId("keys").querySelector(`[data-key="${key}"]`);
  button.classList.add("down");
  setTimeout(() => button.classList.remove("down"), 150);
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=radio], [type=range]), select, textarea");
  if (typing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key.length === 1 && KEYS.includes(event.key)) press(event.key);
});

// --- the line --------------------------------------------------------------------------------------------------------

function line() {
  const [loss, delay, noise] = ["loss", "delay", "noise"].map((id) => Number(byId(id).value));
  // The slider's 40 is as loud as -20 dB below full scale.
  return { loss, delay, noise: noise ? noise - 60 : 0 };
}

function tellLine() {
  const { loss, delay, noise } = line();
  setText(byId("loss-told"), loss ? `${loss} %` : "none");
  setText(byId("delay-told"), delay ? `${delay} ms` : "none");
  setText(byId("noise-told"), noise ? `${noise} dB` : "none");
  call?.setLine?.(line());
}

for (const id of ["loss", "delay", "noise"]) byId(id).addEventListener("input", tellLine);

// --- the beginning ---------------------------------------------------------------------------------------------------

try {
  const { agents, usual } = await get("/console/api/phone/agents");
  if (location.search === "?draft") draft = JSON.parse(sessionStorage.getItem(DRAFT) ?? "null");
  const wanted = new URLSearchParams(location.search).get("agent") ?? usual;
  replace(
    byId("agent"),
    draft ? el("option", {}, `${draft.file}, as it is being edited`) : agents.map((name) => el("option", { selected: name === wanted }, name)),
  );
  byId("draft").hidden = !draft;
} catch (error) {
  tell(error.message);
}
enable();
