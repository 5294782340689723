// The calls in progress. Each has one row that stays: what changes is written into it.
import { events, get, post } from "./api.js";
import { byId, el, notice, replace, setText } from "./dom.js";
import { clock, duration, LATE_MS, plural } from "./format.js";
import { Listening } from "./listen.js";

const rows = new Map(); // by CallSid: {call, row, cells}
const listening = new Listening(byId("listening"), byId("listening-to"), (sid) => show(sid));
let currency = "";
let skew = 0; // of this machine's clock, as far as it shows

events("/console/api/live", {
  calls: (told) => {
    currency = told.currency;
    for (const sid of rows.keys()) if (!told.all.some((call) => call.call_sid === sid)) remove(sid);
    told.all.forEach(put);
    counted();
  },
  changes: ({ changed, gone }) => {
    changed.forEach(put);
    gone.forEach(remove);
    counted();
    // The history has a call when its recording has been put away.
    if (gone.length) for (const ms of [0, 3000]) setTimeout(today, ms);
  },
}, (connected) => {
  byId("lost").hidden = connected;
});

// What was, while nothing is in progress. Days are those of the history, in UTC.
async function today() {
  const since = new Date().toISOString().slice(0, 10);
  const { calls, trouble } = await get(`/console/api/counted?since=${since}`).catch(() => ({}));
  if (calls === undefined) return;
  const link = (words, query) => el("a", { href: `/console/calls?${new URLSearchParams({ since, ...query })}` }, words);
  replace(byId("today"), "Today (UTC): ", calls ? link(plural(calls, "call"), {}) : "no calls", calls > 0 && ", ",
    calls > 0 && (trouble ? link(`${trouble} with trouble`, { trouble: "any" }) : "none with trouble"), ".");
}
today();

// Only the clocks, and only while somebody looks.
setInterval(() => {
  if (document.hidden) return;
  for (const { call, cells } of rows.values()) setText(cells.since, since(call));
}, 1000);

function counted() {
  setText(byId("count"), rows.size ? `${rows.size} in progress` : "");
  byId("live-scroll").hidden = !rows.size;
  byId("empty").hidden = rows.size > 0;
}

function since(call) {
  const ms = Date.now() - call.started_ms;
  if (ms < skew) skew = ms;
  return clock(ms - Math.min(0, skew), false);
}

function put(call) {
  const known = rows.get(call.call_sid);
  if (known) known.call = call;
  else add(call);
  show(call.call_sid);
}

function add(call) {
  const sid = call.call_sid;
  const cells = {};
  const cell = (name, attributes = {}) => {
    cells[name] = el("td", attributes);
    return cells[name];
  };
  const button = (name, text, act) => {
    cells[name] = el("button", { type: "button", onclick: () => act(rows.get(sid).call) }, text);
    return cells[name];
  };
  cells.agent = el("a", { href: `/console/calls/${encodeURIComponent(sid)}` });
  const row = el("tr", {}, el("th", { scope: "row" }, cells.agent), cell("caller", { class: "mono" }), cell("since", { class: "number" }),
    cell("now"), cell("response", { class: "number response" }), cell("slowest", { class: "number slowest" }), cell("turns", { class: "number lesser" }),
    cell("cuts", { class: "number lesser" }), cell("cost", { class: "number lesser" }),
    el("td", { class: "acts" }, el("div", { class: "row tight" }, button("listen", "Listen", listen), button("over", "Hand over", handOver), button("end", "Hang up", hangUp))));
  rows.set(sid, { call, row, cells });
  byId("rows").append(row);
}

function remove(sid) {
  rows.get(sid)?.row.remove();
  rows.delete(sid);
  if (listening.sid === sid) listening.stop();
}

function show(sid) {
  if (!rows.has(sid)) return;
  const { call, cells } = rows.get(sid);
  setText(cells.agent, call.agent);
  setText(cells.caller, call.caller || "-");
  cells.caller.title = call.caller;
  setText(cells.since, since(call));
  now(cells.now, call);
  time(cells.response, call.response_ms);
  time(cells.slowest, call.slowest_ms);
  setText(cells.turns, String(call.turns));
  setText(cells.cuts, String(call.interruptions));
  setText(cells.cost, call.cost === null ? "?" : call.cost ? `${call.cost.toFixed(4)} ${currency}` : "-");
  const name = `${call.agent}, ${call.caller}`;
  setText(cells.listen, listening.sid === sid ? "Stop" : "Listen");
  cells.listen.setAttribute("aria-pressed", String(listening.sid === sid));
  cells.listen.setAttribute("aria-label", `${listening.sid === sid ? "Stop listening" : "Listen"} to ${name}`);
  cells.over.setAttribute("aria-label", `Hand over ${name}`);
  cells.end.setAttribute("aria-label", `Hang up ${name}`);
  cells.over.disabled = !call.transfers.length || !call.joined;
  cells.over.title = call.transfers.length ? "" : "The agent's file names nobody: it has no transfer tool.";
  cells.listen.disabled = cells.end.disabled = !call.joined;
}

function now(cell, call) {
  const faults = call.faults && plural(call.faults, "fault");
  const [text, kind] = !call.joined ? ["waits for its stream", ""]
    : call.tool ? [`tool ${call.tool}`, "tool"]
    : call.speaks ? [`${call.speaks} speaks`, call.speaks] : ["silent", ""];
  const key = `${text} ${faults} ${call.failed}`;
  if (cell.dataset.key === key) return;
  cell.dataset.key = key;
  replace(cell, el("span", { class: `speaks ${kind}` }, text), faults ? el("span", { class: "tag warn" }, faults) : null,
    call.failed && el("p", { class: "failed" }, el("span", { class: "tag bad" }, "tool failed"), ` ${call.failed}`));
}

function time(cell, ms) {
  const text = ms === null ? "-" : duration(ms);
  if (cell.textContent === text) return;
  replace(cell, ms > LATE_MS ? el("span", { class: "tag bad" }, text) : text);
}

function listen(call) {
  if (listening.sid === call.call_sid) listening.stop();
  else listening.start(call.call_sid, `${call.agent}, ${call.caller}`).catch((error) => notice(error.message, "bad"));
}

function asked(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

async function handOver(call) {
  replace(byId("hand-over-to"), call.transfers.map((name) => el("option", { value: name }, name)));
  if (await asked(byId("hand-over"))) act(`${call.call_sid}/hand-over`, { to: byId("hand-over-to").value });
}

async function hangUp(call) {
  setText(byId("hang-up-text"), `${call.agent}, ${call.caller}: the call ends at once, whoever is speaking.`);
  if (await asked(byId("hang-up"))) act(`${call.call_sid}/hang-up`);
}

async function act(path, body) {
  try {
    await post(`/console/api/live/${path}`, body);
  } catch (error) {
    notice(error.message, "bad");
  }
}
