// What was said in a call, as lines that grow while it goes on. Pure: made from the events that the server tells.

/**
 * A line is {who, text, cut, pending, tag, why}: `who` is caller, agent, tool, keys, line or problem; `cut` what the caller
 * did not hear of it; `pending`: it is not known yet what was heard; `why` a tool failed. Every change is told to
 * `changed(line, isNew)`.
 */
export class Spoken {
  constructor(changed) {
    this.changed = changed;
    this.lines = [];
    this.items = new Map();
    this.tools = new Map();
    this.turns = [];
    this.answerMs = -1;
  }

  /** Take one event by its name. */
  take(name, event) {
    this[`on_${name}`]?.(event);
  }

  /** A line of the console's own. */
  note(text, who = "line") {
    return this.#add({ who, text });
  }

  on_call_started() {
    // A further stream of the call has a session of its own.
    this.items.clear();
  }

  on_caller_began() {
    this.turns.push(this.#add({ who: "caller", text: "", pending: true }));
  }

  on_caller_said({ text }) {
    const line = this.turns.shift() ?? this.#add({ who: "caller", text: "" });
    this.#change(line, { text: text || "(nothing was understood)", pending: false });
  }

  on_agent_words({ item_id, text }) {
    const line = this.#item(item_id);
    this.#change(line, { text: line.text + text });
  }

  on_agent_began({ item_id, response_ms }) {
    if (response_ms >= 0) this.#change(this.#item(item_id), { tag: `${response_ms} ms` });
  }

  on_agent_said({ item_id, text, interrupted, heard_ms, total_ms }) {
    const line = this.#item(item_id);
    const all = line.text.trim();
    const cut = all.startsWith(text) ? all.slice(text.length).trim() : "";
    const heard = interrupted ? `heard ${seconds(heard_ms)} of ${seconds(total_ms)}` : "";
    const tag = [line.tag, heard].filter(Boolean).join(", ");
    this.#change(line, { text, cut, tag, pending: false });
    this.items.delete(item_id);
  }

  /** Of a call whose words heard nobody counts: only how long it was heard, or that it was heard to its end. */
  on_agent_cut({ item_id, heard_ms }) {
    if (!this.items.has(item_id)) return;
    this.#change(this.#item(item_id), { pending: false, tag: heard_ms ? `cut after ${seconds(heard_ms)}` : "" });
    this.items.delete(item_id);
  }

  on_keys_pressed({ digits }) {
    this.#add({ who: "keys", text: digits });
  }

  on_tool_started({ call_id, name, arguments: given }) {
    this.tools.set(call_id, this.#add({ who: "tool", text: `${name}(${given})`, pending: true }));
  }

  on_tool_answered({ call_id, output, failed, took_ms, cause }) {
    const line = this.tools.get(call_id);
    if (!line) return;
    const tag = [(failed || line.failed) && "failed", took_ms >= 0 && `${took_ms} ms`].filter(Boolean).join(", ");
    this.#change(line, { text: `${line.text} \u2192 ${output}`, tag, pending: false });
    if (failed) this.on_tool_failed({ call_id, cause });
  }

  /** By itself of a call whose answer comes another way: before or behind it. */
  on_tool_failed({ call_id, cause }) {
    const line = this.tools.get(call_id);
    if (line) this.#change(line, { failed: true, tag: line.tag || "failed", why: cause ?? "" });
  }

  on_handed_over({ agent }) {
    this.note(`${agent} has the call now`);
  }

  on_note({ what, fields }) {
    const details = Object.entries(fields ?? {}).map(([name, value]) => `${name}: ${value}`);
    this.note(details.length ? `${what} (${details.join(", ")})` : what, "problem");
  }

  on_call_ended({ outcome, reason }) {
    for (const line of this.lines) if (line.pending) this.#change(line, { pending: false });
    this.turns = [];
    this.note(`the call has ended: ${outcome.replaceAll("_", " ")}${reason ? ` (${reason})` : ""}`);
  }

  #item(id) {
    if (!this.items.has(id)) this.items.set(id, this.#add({ who: "agent", text: "", pending: true }));
    return this.items.get(id);
  }

  #add(line) {
    const whole = { text: "", cut: "", tag: "", why: "", pending: false, failed: false, ...line };
    this.lines.push(whole);
    this.changed(whole, true);
    return whole;
  }

  #change(line, to) {
    Object.assign(line, to);
    this.changed(line, false);
  }
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}
