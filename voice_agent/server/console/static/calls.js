// The list of all calls.
import { get } from "./api.js";
import { chart } from "./chart.js";
import { append, byId, el, replace, setText } from "./dom.js";
import { clock, duration, ending, LATE_MS, moment, outcomeWords, since } from "./format.js";

// Of trouble: none that a caller interrupts, little that one waits, while nobody is left alone.
const GRAVENESS = { "words not heard": "", "late answer": "warn" };
const form = byId("filter");
let sought = new URLSearchParams(); // what the rows that are shown, or will be, were found by
let shown = 0;
const listed = new Set(); // which they are: when another call ends meanwhile, older ones come again with the next
let asked = 0;
let soon = 0;

for (const [name, value] of new URLSearchParams(location.search)) {
  const field = form.elements.namedItem(name);
  if (!field) continue;
  if (field instanceof HTMLSelectElement) field.append(el("option", { value }, value));
  field.value = value;
}
// Folded away on a phone, unless something in there is chosen.
const chosen = [...byId("more-filters").querySelectorAll("input, select")].some((field) => field.value);
byId("more-filters").open = chosen || matchMedia("(min-width: 641px)").matches;
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    form.elements.namedItem("order").value = button.dataset.order;
    find();
  });
}
form.addEventListener("input", () => {
  clearTimeout(soon);
  soon = setTimeout(find, 250);
});
form.addEventListener("reset", () => setTimeout(find));
form.addEventListener("submit", (event) => {
  event.preventDefault();
  find();
});
byId("older").addEventListener("click", () => list(false));
await find();

function query() {
  const given = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) given.set(name, value);
  return given;
}

async function find() {
  const wanted = query();
  sought = wanted;
  history.replaceState(null, "", wanted.size ? `?${wanted}` : location.pathname);
  for (const button of document.querySelectorAll("th button")) {
    const sorts = button.dataset.order === (wanted.get("order") ?? "");
    if (sorts) button.parentElement.setAttribute("aria-sort", "descending");
    else button.parentElement.removeAttribute("aria-sort");
  }
  byId("csv").href = `/console/api/calls.csv?${wanted}`;
  await Promise.all([list(true), measured(wanted)]);
}

async function list(anew) {
  const turn = ++asked;
  const wanted = new URLSearchParams(sought);
  wanted.set("offset", anew ? 0 : shown);
  if (anew) byId("older").hidden = true; // older than what is not there yet
  try {
    const { calls, more } = await get(`/console/api/calls?${wanted}`);
    if (turn !== asked) return; // somebody has typed on
    byId("calls-problem").hidden = true;
    if (anew) listed.clear();
    const fresh = calls.filter((call) => !listed.has(page(call)));
    for (const call of fresh) listed.add(page(call));
    const rows = fresh.map((call, index) => [row(call, fresh[index + 1]?.call_sid === call.call_sid), call.found && sentence(call)]);
    if (anew) replace(byId("rows"), rows);
    else append(byId("rows"), rows);
    shown = (anew ? 0 : shown) + calls.length;
    byId("older").hidden = !more;
    byId("empty").hidden = shown > 0;
    setText(byId("empty"), sought.size ? "No call is like that." : "No calls yet. Hold one with the softphone, or: voice-agent emulate call --to .../twilio/voice --say question.wav");
  } catch (error) {
    if (turn !== asked) return;
    setText(byId("calls-problem"), error.message);
    byId("calls-problem").hidden = false;
  }
}

// `tied`: the next row is another part of the same call.
function row(call, tied) {
  const { part } = call;
  const back = part ? since(part.former, part.transfer_failed) : "";
  const late = (ms) => (ms > LATE_MS ? "tag bad" : null);
  const [kind, outcome] = ending(call.outcome, call.trouble.map((named) => named.kind));
  return el("tr", { class: [part && "part", tied && "tied"].filter(Boolean).join(" ") || null },
    el("th", { scope: "row" }, el("a", { href: page(call) }, moment(call.started_at)),
      part && el("span", { class: "hint" }, ` part ${part.number} of ${part.of}${back && !part.transfer_failed ? `, ${back}` : ""}`)),
    el("td", { class: "agent" }, call.agent), el("td", { class: "mono", title: call.caller }, call.caller || "-"),
    el("td", { class: "number length" }, clock(call.duration_ms, false)),
    el("td", { class: "outcome" }, el("span", { class: `tag ${kind}` }, outcome)),
    el("td", { class: "trouble" }, part?.transfer_failed && [el("span", { class: "tag bad" }, back), " "], call.trouble.map(({ kind, text }) => [el("span", { class: `tag ${GRAVENESS[kind] ?? "bad"}` }, text), " "])),
    el("td", { class: "number median" }, call.response_ms === null ? "-" : el("span", { class: late(call.response_ms) }, duration(call.response_ms))),
    el("td", { class: call.slowest_ms === null ? "number slowest none" : "number slowest" }, call.slowest_ms === null ? "-" : el("span", { class: late(call.slowest_ms) }, duration(call.slowest_ms))),
    [call.turns, call.interruptions, call.tool_calls, call.cost].map((value) => el("td", { class: "number lesser" }, value)));
}

function page(call) {
  return `/console/calls/${encodeURIComponent(call.call_sid)}?at=${encodeURIComponent(call.started_at)}`;
}

// Where the words that are looked for were said, and by whom.
function sentence(call) {
  const { who, text, at_ms: at } = call.found;
  const words = (sought.get("words") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const parts = [];
  let rest = text;
  while (rest) {
    const places = words.map((word) => [rest.toLowerCase().indexOf(word), word.length]).filter(([place]) => place >= 0);
    if (!places.length) break;
    const [place, length] = places.reduce((one, other) => (other[0] < one[0] ? other : one));
    parts.push(rest.slice(0, place), el("mark", {}, rest.slice(place, place + length)));
    rest = rest.slice(place + length);
  }
  return el("tr", { class: "found" }, el("td", { colspan: 12 },
    el("a", { href: `${page(call)}&said=${at}` }, clock(at)), " ", el("span", { class: "muted" }, `${who}: `), parts, rest));
}

async function measured(wanted) {
  const { days, choices } = await get(`/console/api/history?${wanted}`).catch(() => ({ days: [], choices: null }));
  if (wanted !== sought) return; // somebody has typed on
  if (choices) {
    offer("agent", choices.agents, (name) => name);
    offer("outcome", choices.outcomes, outcomeWords);
    offer("trouble", choices.trouble, (name) => name, 2);
  }
  const of = (key) => days.filter((day) => day[key]).map((day) => ({ day: day.day, ...day[key] }));
  const charts = [["Answered after", of("response"), LATE_MS], ["Still heard after an interruption", of("interruption"), 0]];
  replace(byId("charts"), charts.filter(([, values]) => values.length).map(([title, values, limit]) => chart(title, values, limit)));
  byId("days-card").hidden = !charts.some(([, values]) => values.length);
}

// `kept`: choices that are there whatever the history holds.
function offer(name, values, words, kept = 1) {
  const select = form.elements.namedItem(name);
  const chosen = select.value;
  replace(select, [...select.options].slice(0, kept), values.map((value) => el("option", { value }, words(value))));
  if (chosen && ![...select.options].some((option) => option.value === chosen)) select.append(el("option", { value: chosen }, words(chosen)));
  select.value = chosen;
}
