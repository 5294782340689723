// How times, numbers and the like are written.

// From where on an answer is late: `call.trouble.LATE_MS`.
export const LATE_MS = 1000;

export function clock(ms, tenths = true) {
  const whole = Math.max(0, ms);
  const seconds = Math.floor(whole / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  const hours = h ? `${h}:${String(m).padStart(2, "0")}` : String(m);
  return `${hours}:${String(s).padStart(2, "0")}${tenths ? `.${Math.floor((whole % 1000) / 100)}` : ""}`;
}

export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : clock(ms, false);
}

export const count = (number) => number.toLocaleString("en-US");

// plural(1, "fault"): 1 fault; plural(2, "fault"): 2 faults
export const plural = (number, what) => `${count(number)} ${what}${number === 1 ? "" : "s"}`;

// A moment of the server, ISO 8601, by the clock of whoever looks.
export function moment(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text : date.toLocaleString("en-GB", {
    year: "numeric", month: "short", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
  });
}

// What a person reads of JSON; a text that is none stays as it is.
export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

const WORDS = {
  completed: "completed", caller_hung_up: "caller hung up", transferred: "transferred", keys_sent: "keys sent",
  no_stream: "no stream came", model_failed: "model failed", stream_lost: "stream lost", stopped: "stopped",
  machine: "answering machine", unknown: "no end seen",
  refused: "not taken: a limit", closed: "not taken: closed", unanswered: "not taken: no agent",
};
const BAD = new Set(["model_failed", "stream_lost", "no_stream", "unanswered"]);
const GOOD = new Set(["completed", "transferred", "caller_hung_up"]);

export const outcomeWords = (outcome) => WORDS[outcome] ?? outcome;
const outcomeKind = (outcome) => (BAD.has(outcome) ? "bad" : GOOD.has(outcome) ? "good" : "warn");

export const TRANSFER_FAILED = "transfer failed";

// How a call ended, by the kinds of its trouble, too: the line left for a transfer that came to nothing.
export function ending(outcome, trouble) {
  const failed = outcome === "transferred" && trouble.includes(TRANSFER_FAILED);
  return failed ? ["bad", TRANSFER_FAILED] : [outcomeKind(outcome), outcomeWords(outcome)];
}

const UNTIL = {
  transferred: "until the transfer", keys_sent: "until keys were sent", stream_lost: "until the line was lost", stopped: "until the server stopped",
};
const SINCE = { transferred: "back from the transfer", keys_sent: "behind the keys", stream_lost: "taken up again", stopped: "taken up again" };

// What a part of a call begins with, by how the one before it ended; nothing of the first.
export const since = (former, failed = false) => (failed ? "back from a failed transfer" : SINCE[former] ?? "");

// How a part is called: what it lies between.
export function partName(number, former, failed, outcome) {
  return `${number}: ${[since(former, failed), UNTIL[outcome]].filter(Boolean).join(", ") || "the rest"}`;
}
