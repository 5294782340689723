// The agents' files.

import { get, post } from "./api.js";
import { byId, el, notice, replace, setText } from "./dom.js";
import { DRAFT, DRAFTS } from "./draft.js";
import { help, keyPath } from "./schema-help.js";

const CHECK_MS = 300;
const MARKS = { added: "+", removed: "\u2212", place: "", same: "" };

let files = [];
let below = [];
let edit = false;
let schema = {};
let opened = null;
let checking = 0;
let asked = 0;

const text = byId("text");
const drafts = new Map();

const draft = () => ({ file: opened.file, text: text.value });
const kept = () => JSON.parse(sessionStorage.getItem(DRAFTS) ?? "[]");
const isChanged = () => opened !== null && text.value !== opened.text;

// --- the list --------------------------------------------------------------------------------------------------------

function list() {
  replace(
    byId("files"),
    files.map((file) => {
      const changed = drafts.has(file.file);
      const current = file === opened;
      return el(
        "li",
        {},
        el("button", { type: "button", class: "quiet", "aria-current": current && "true", onclick: () => open(file) },
          file.file, changed && el("span", { class: "tag warn" }, "changed")),
      );
    }),
  );
}

function open(file) {
  opened = file;
  text.value = drafts.get(file.file)?.text ?? file.text;
  text.disabled = false;
  text.readOnly = !edit;
  setText(byId("file-title"), file.file);
  text.scrollTop = 0;
  text.setSelectionRange(0, 0);
  changed();
}

// --- what is typed ---------------------------------------------------------------------------------------------------

function changed() {
  // The version is that of what was changed: somebody else may have changed the file since.
  if (isChanged()) drafts.set(opened.file, { text: text.value, version: drafts.get(opened.file)?.version ?? opened.version });
  else drafts.delete(opened.file);
  sessionStorage.setItem(DRAFTS, JSON.stringify([...drafts]));
  list();
  number([]);
  byId("revert").disabled = !isChanged();
  byId("save").disabled = true;
  byId("try").disabled = !edit;
  asked += 1; // what is being judged is not what stands there now
  if (!edit) return;
  clearTimeout(checking);
  checking = setTimeout(check, CHECK_MS);
}

async function check() {
  asked += 1;
  const question = asked;
  let faults;
  try {
    ({ faults } = await post("/console/api/agents/check", draft()));
  } catch (error) {
    if (question === asked) setText(byId("verdict"), error.message);
    return;
  }
  if (question !== asked) return;
  number(faults.map(({ line }) => line));
  const verdict = faults.length ? `${faults.length} ${faults.length === 1 ? "fault" : "faults"}` : "no fault";
  setText(byId("verdict"), isChanged() ? `${verdict}; not saved` : verdict);
  byId("try").disabled = faults.length > 0;
  byId("save").disabled = faults.length > 0 || !isChanged();
  replace(
    byId("faults"),
    faults.map(({ line, column, what }) => el("li", {},
      el("button", { type: "button", class: "quiet fault", onclick: () => show(line, column) },
        el("span", { class: "mono" }, `${opened.file}:${line}:${column}`), " ", what))),
  );
}

/** Write the lines' numbers, those with a fault marked. */
function number(faulty) {
  const count = text.value.split("\n").length;
  const gutter = byId("gutter");
  while (gutter.childElementCount > count) gutter.lastChild.remove();
  while (gutter.childElementCount < count) gutter.append(el("li", {}, String(gutter.childElementCount + 1)));
  for (const [index, item] of [...gutter.children].entries()) item.classList.toggle("bad", faulty.includes(index + 1));
  gutter.scrollTop = text.scrollTop;
}

function show(line, column) {
  const before = text.value.split("\n").slice(0, line - 1);
  const at = before.reduce((sum, each) => sum + each.length + 1, 0) + column - 1;
  text.focus();
  text.setSelectionRange(at, at);
  const height = parseFloat(getComputedStyle(text).lineHeight);
  text.scrollTop = Math.max(0, (line - 6) * height);
  explain();
}

function explain() {
  const told = help(schema, keyPath(text.value, text.selectionStart));
  replace(
    byId("help"),
    el("p", { class: "mono path" }, told.path.join(" \u203a ") || "an agent"),
    told.description && el("p", {}, told.description),
    told.facts.length > 0 && el("dl", { class: "facts" }, told.facts.map(([name, value]) => [el("dt", {}, name), el("dd", { class: "mono" }, value)])),
    told.keys.length > 0 && el("dl", { class: "keys" }, told.keys.map(([key, what]) => [el("dt", { class: "mono" }, key), el("dd", {}, what)])),
  );
}

text.addEventListener("input", changed);
text.addEventListener("scroll", () => {
  byId("gutter").scrollTop = text.scrollTop;
});
document.addEventListener("selectionchange", () => {
  if (document.activeElement === text) explain();
});

// --- what is done with it --------------------------------------------------------------------------------------------

byId("revert").addEventListener("click", () => {
  drafts.delete(opened.file);
  open(opened);
});

byId("try").addEventListener("click", () => {
  sessionStorage.setItem(DRAFT, JSON.stringify(draft()));
  location.assign("/console/phone?draft");
});

byId("save").addEventListener("click", async () => {
  try {
    const { lines } = await post("/console/api/agents/differences", draft());
    showLines(lines);
    byId("saving").showModal();
  } catch (error) {
    notice(error.message, "bad");
  }
});

byId("leave").addEventListener("click", () => byId("saving").close());

byId("write").addEventListener("click", async () => {
  byId("write").disabled = true; // pressed twice, it would find that the file has changed
  try {
    const { saved } = await post("/console/api/agents/save", { ...draft(), version: drafts.get(opened.file).version });
    files = files.map((file) => (file === opened ? saved : file));
    drafts.delete(saved.file);
    opened = saved;
    changed();
    notice(`${saved.file} is saved; the next call has it.`);
  } catch (error) {
    notice(error.message, "bad");
  }
  byId("write").disabled = false;
  byId("saving").close();
});

function showLines(lines) {
  replace(
    byId("lines"),
    lines.map(({ kind, text: line }) => el("div", { class: kind }, el("span", { class: "sign" }, MARKS[kind]), line)),
    lines.length === 0 && el("p", {}, "Nothing."),
  );
}

// --- the beginning ---------------------------------------------------------------------------------------------------

try {
  [{ files, edit, below }, schema] = await Promise.all([get("/console/api/agents"), get("/console/api/agents/schema")]);
  byId("locked").hidden = edit;
  setText(byId("below"), below.length ? `Not loaded: what lies in ${below.map((name) => `${name}/`).join(", ")}. Set AGENTS to such a folder to have its agents.` : "");
  for (const id of ["try", "revert", "save"]) byId(id).hidden = !edit;
  for (const [file, changed] of edit ? kept() : []) if (files.some((each) => each.file === file)) drafts.set(file, changed);
  const tried = JSON.parse(sessionStorage.getItem(DRAFT) ?? "null");
  sessionStorage.removeItem(DRAFT);
  const first = files.find(({ file }) => file === tried?.file) ?? files[0];
  if (first) open(first);
  else setText(byId("file-title"), "no files");
  explain();
} catch (error) {
  byId("problem").hidden = false;
  setText(byId("problem"), error.message);
}
