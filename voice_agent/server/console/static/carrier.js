// One call's media stream as a carrier speaks it: Twilio's messages, made and obeyed. Pure: no page, no socket, no clock.
// https://www.twilio.com/docs/voice/media-streams/websocket-messages

/** Audio in one message. */
const FRAME_MS = 20;
export const FRAME_BYTES = FRAME_MS * 8;

const DIGITS = /^[0-9*#]$/;

/**
 * Whoever owns it hands on what it gives: `send` is called with each text for the server, `player` has
 * `push(audio)`, `mark(name)` and `clear()`, and tells of each mark that is over by `echo`.
 */
export class Carrier {
  /** @param {{callSid: string, accountSid: string, streamSid: string, parameters: Object<string, string>}} call */
  constructor(call, send, player) {
    this.call = call;
    this.send = send;
    this.player = player;
    this.warnings = [];
    this.sequence = 0;
    this.chunk = 0;
    this.heardMs = 0;
    this.ended = false;
  }

  /** Begin; call once, when the socket is open. */
  start() {
    const { callSid, accountSid, streamSid, parameters } = this.call;
    this.send(JSON.stringify({ event: "connected", protocol: "Call", version: "1.0.0" }));
    this.#tell("start", {
      start: {
        streamSid,
        accountSid,
        callSid,
        tracks: ["inbound"],
        customParameters: parameters,
        mediaFormat: { encoding: "audio/x-mulaw", sampleRate: 8000, channels: 1 },
      },
    });
  }

  /** The caller's next 20 ms, mu-law; `null`: they were lost on their way. */
  hear(frame) {
    const timestamp = String(this.heardMs);
    this.heardMs += FRAME_MS;
    if (frame === null || this.ended) return;
    this.chunk += 1;
    const media = { track: "inbound", chunk: String(this.chunk), timestamp, payload: toBase64(frame) };
    this.#tell("media", { media });
  }

  /** The caller presses one of 0-9, *, #. */
  press(digit) {
    if (DIGITS.test(digit)) this.#tell("dtmf", { dtmf: { track: "inbound_track", digit } });
  }

  /** A mark was played, or flushed. */
  echo(name) {
    this.#tell("mark", { mark: { name } });
  }

  /** The caller hangs up; close the socket next. */
  stop() {
    const { accountSid, callSid } = this.call;
    this.#tell("stop", { stop: { accountSid, callSid } });
    this.ended = true;
  }

  /** A message of the server's; what is none is noted in `warnings` and changes nothing. */
  receive(text) {
    const message = read(text);
    const problem = faultOf(message, this.call.streamSid);
    if (problem) {
      if (!this.warnings.includes(problem)) this.warnings.push(problem);
      return;
    }
    if (message.event === "media") this.player.push(fromBase64(message.media.payload));
    else if (message.event === "mark") this.player.mark(message.mark.name);
    else this.player.clear();
  }

  #tell(event, body) {
    if (this.ended) return;
    this.sequence += 1;
    const message = { event, sequenceNumber: String(this.sequence), streamSid: this.call.streamSid, ...body };
    this.send(JSON.stringify(message));
  }
}

function read(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function faultOf(message, streamSid) {
  if (typeof message !== "object" || message === null) return "a message that is no JSON object";
  if (message.streamSid !== streamSid) return "streamSid of another stream";
  switch (message.event) {
    case "media":
      return typeof message.media?.payload === "string" && isBase64(message.media.payload) ? "" : "media without audio";
    case "mark":
      return typeof message.mark?.name === "string" ? "" : "a mark without a name";
    case "clear":
      return "";
    default:
      return `unknown event ${JSON.stringify(String(message.event).slice(0, 40))}`;
  }
}

function isBase64(text) {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
}

function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function toBase64(bytes) {
  return btoa(String.fromCharCode(...bytes));
}
