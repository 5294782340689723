// The page of one call.
import { bytes, get } from "./api.js";
import { byId, el, notice, replace, setText } from "./dom.js";
import { clock, count, ending, moment, partName, plural, TRANSFER_FAILED } from "./format.js";
import { entries, finding } from "./said.js";
import { Timeline } from "./timeline.js";

const sid = decodeURIComponent(location.pathname.split("/").at(-1));
const wanted = new URLSearchParams(location.search);
let number = Math.max(1, Number.parseInt(wanted.get("part") ?? "1", 10) || 1);
const api = `/console/api/calls/${encodeURIComponent(sid)}`;
const audio = byId("audio");
const timeline = new Timeline(byId("lanes"), byId("lanes-width"), byId("canvas"), (ms) => play(ms, !audio.paused));
// Folded away on a phone, where the picture and the words come first.
for (const folded of document.querySelectorAll("details.folds")) folded.open = matchMedia("(min-width: 641px)").matches;
let listed = [];
let lit = null;
let recorded = true;
let told = { before: [], behind: [] };
let course = null;
let pending = null; // where to play from once the sound is there

try {
  const parts = await get(api);
  const found = parts.findIndex((part) => part.started_at === wanted.get("at"));
  number = found >= 0 ? found + 1 : Math.min(number, parts.length);
  const part = parts[number - 1];
  showPart(part, parts);
  if (part.recorded) await showCourse(part);
  else showDamage(`The call was not recorded: ${part.why_no_recording}.`);
} catch (error) {
  byId("call-problem").textContent = error.message;
  byId("call-problem").hidden = false;
}

function showPart(part, parts) {
  const title = `${part.agent || "no agent"}, ${moment(part.started_at)}`;
  setText(byId("call-title"), title);
  document.title = `${title} - voice-agent`;
  if (parts.length > 1) {
    replace(byId("call-parts"), parts.map((each, index) => el("a", {
      class: "button", href: `?part=${index + 1}`, "aria-current": index + 1 === number ? "page" : false,
    }, partName(index + 1, parts[index - 1]?.outcome, failedTransfers(parts[index - 1]).length > 0, each.outcome))));
  }
  told = behind(parts);
  recorded = part.recorded;
  byId("more").parentElement.hidden = !recorded;
  showFindings(part.findings);
  byId("call-agent").hidden = part.loaded;
  byId("anew").hidden = part.outcome !== "unknown";
  const times = [...part.response_ms].sort((one, other) => one - other);
  const [end, ended] = ending(part.outcome, part.findings.map((finding) => finding.kind));
  const facts = {
    "Call": el("code", {}, part.call_sid),
    "From, to": `${part.caller || "-"}, ${part.called || "-"}`,
    "Length": clock(part.duration_ms, false),
    "Ended": [el("span", { class: `tag ${end}` }, ended), part.reason && ` ${part.reason}`],
    "Turns": `${part.turns}, ${plural(part.interruptions, "interruption")}, ${plural(part.tool_calls, "tool call")}`,
    "Answered after": times.length ? `${times[Math.floor((times.length - 1) / 2)]} ms in the median, ${times.at(-1)} ms at most` : "-",
    "Tokens": `${count(part.usage.input_tokens)} in (${count(part.usage.cached_tokens)} cached), ${count(part.usage.output_tokens)} out`,
    "Cost": part.model ? `${part.cost} (${part.model})` : part.cost,
  };
  replace(byId("call-facts"), Object.entries(facts).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  // What the history knows stands there at once; the recording tells more.
  replace(byId("said"), part.transcript.map((line) => el("li", { class: `entry ${line.who}` },
    el("span", { class: "jump number" }, clock(line.at_ms)), el("span", { class: "who" }, line.agent || line.who),
    el("div", {}, el("p", {}, line.text, line.remark && el("span", { class: "muted" }, ` (${line.remark})`))))));
}

async function showCourse(part) {
  byId("save").hidden = false;
  byId("save").addEventListener("click", () => save(part));
  course = await get(`${api}/${number}/course`);
  byId("player").hidden = false;
  setText(byId("length"), clock(course.length_ms));
  byId("seek").max = course.length_ms;
  byId("seek").disabled = false;
  timeline.show(course);
  position(0);
  // Where the list found words: its times count from the call's beginning, these from the stream's.
  const said = Number.parseInt(wanted.get("said") ?? "", 10);
  if (said >= 0) look(Math.max(0, said - (course.stream_began_ms ?? 0)), false);
  showWords();
  showDamage(course.damage);
  if (!course.sound) {
    setText(byId("sound-state"), "No sound was kept: the agent says recording: text.");
    return;
  }
  setText(byId("sound-state"), "The sound is being made ...");
  try {
    const made = await bytes(`${api}/${number}/peaks`);
    const peaks = new Uint8Array(await made.arrayBuffer());
    timeline.showPeaks({ caller: peaks.subarray(0, peaks.length / 2), agent: peaks.subarray(peaks.length / 2) });
    // Of the same length, though the call may go on.
    audio.src = `${api}/${number}/sound.wav?${new URLSearchParams({ version: made.headers.get("x-version") })}`;
    byId("play").disabled = false;
    setText(byId("sound-state"), "");
    if (pending !== null) play(pending);
    await weighWords();
  } catch (error) {
    setText(byId("sound-state"), error.message);
  }
}

function showDamage(text) {
  setText(byId("call-damage"), text);
  byId("call-damage").hidden = !text;
}

function showWords() {
  listed = entries(course, (ms) => play(ms));
  replace(byId("said"), listed.map((entry) => entry.element));
  showFindings(course.findings);
}

// What the history apportioned by the clock, the voice tells better; but its sound has to be read for that.
async function weighWords() {
  if (!course.answers.some((answer) => answer.unheard)) return;
  const heard = await get(`${api}/${number}/heard`);
  for (const answer of course.answers) Object.assign(answer, heard[answer.item_id]);
  for (const each of course.findings) each.unheard = heard[each.item_id]?.unheard ?? each.unheard;
  showWords();
}

// What the recording, or the history of an unrecorded call, tells, and what happened around it.
function showFindings(found) {
  const all = [...told.before, ...found.filter((each) => each.kind !== TRANSFER_FAILED), ...told.behind];
  // Without a recording there is nothing to be shown or played.
  const place = (ms) => (recorded
    ? el("button", { type: "button", class: "jump number", onclick: () => look(ms), "aria-label": `Show and play from ${clock(ms)}` }, clock(ms))
    : el("span", { class: "jump number" }, clock(ms)));
  replace(byId("findings"), all.map((each) => el("li", {}, place(each.at_ms), finding(each))));
  setText(byId("findings-count"), String(all.length));
  byId("findings-card").hidden = !all.length;
}

// A transfer fails when its part is over: both parts tell it, the one that it belongs to and the one behind it.
function behind(parts) {
  return { before: failedTransfers(parts[number - 2]).map((each) => ({ ...each, at_ms: 0 })), behind: failedTransfers(parts[number - 1]) };
}

function failedTransfers(part) {
  return (part?.findings ?? []).filter((each) => each.kind === TRANSFER_FAILED);
}

// Shows a place closely, then plays from there.
function look(ms, sounding = true) {
  if (course) timeline.look(ms);
  play(ms, sounding);
}

// Goes to a place, and plays from there if there is sound.
function play(ms, sounding = true) {
  timeline.moveTo(ms, true);
  position(ms);
  if (!audio.src) {
    pending = ms;
    return;
  }
  audio.currentTime = ms / 1000;
  if (sounding) audio.play().catch((error) => notice(error.message, "bad"));
}

function position(ms) {
  setText(byId("here"), course && audio.paused ? timeline.told(ms) : "");
  setText(byId("time"), clock(ms));
  byId("seek").value = ms;
  byId("seek").setAttribute("aria-valuetext", clock(ms));
  const now = listed.findLast((entry) => entry.at <= ms + 50 && !entry.kind.startsWith("more"));
  if (now !== lit) {
    lit?.element.removeAttribute("aria-current");
    now?.element.setAttribute("aria-current", "true");
    lit = now ?? null;
  }
}

function follow() {
  const ms = audio.currentTime * 1000;
  timeline.moveTo(ms, true);
  position(ms);
  if (!audio.paused) requestAnimationFrame(follow);
}

audio.addEventListener("play", () => {
  setText(byId("play"), "Pause");
  follow();
});
audio.addEventListener("pause", () => setText(byId("play"), "Play"));
byId("play").addEventListener("click", () => (audio.paused ? play(audio.ended ? 0 : audio.currentTime * 1000) : audio.pause()));
byId("seek").addEventListener("input", () => play(Number(byId("seek").value), !audio.paused));
byId("zoom-in").addEventListener("click", () => timeline.zoom(0.5));
byId("zoom-out").addEventListener("click", () => timeline.zoom(2));
byId("zoom-fit").addEventListener("click", () => timeline.fit());
byId("more").addEventListener("change", () => byId("said").classList.toggle("all", byId("more").checked));

document.addEventListener("keydown", (event) => {
  if (!course || event.target.closest("input, select, textarea, button, a, summary") || event.ctrlKey || event.metaKey || event.altKey) return;
  const at = audio.src ? audio.currentTime * 1000 : timeline.at;
  if (event.key === " ") byId("play").click();
  else if (event.key === "ArrowLeft") play(Math.max(0, at - 5000), !audio.paused);
  else if (event.key === "ArrowRight") play(Math.min(course.length_ms, at + 5000), !audio.paused);
  else if (event.key === "+") timeline.zoom(0.5);
  else if (event.key === "-") timeline.zoom(2);
  else return;
  event.preventDefault();
});

async function save(part) {
  const name = `${part.call_sid}-${number}.call`;
  byId("save").disabled = true;
  setText(byId("save"), "Taking out what is secret ...");
  try {
    const made = await (await bytes(`${api}/${number}/test.call`)).blob();
    const link = el("a", { href: URL.createObjectURL(made), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    byId("save-expected").href = `${api}/${number}/test.expect.yaml`;
    setText(byId("save-line"), `pytest tests/calls/${name}`);
    byId("save-card").hidden = false;
    byId("save-card").scrollIntoView({ block: "nearest" });
  } catch (error) {
    notice(error.message, "bad");
  } finally {
    byId("save").disabled = false;
    setText(byId("save"), "Save as test");
  }
}

byId("anew").addEventListener("click", () => location.reload());
byId("save-copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(byId("save-line").textContent).then(() => notice("Copied."), () => notice("The browser forbids copying.", "bad"));
});
