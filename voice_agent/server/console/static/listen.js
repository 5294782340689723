// Listening in on a call: the caller to the left, the agent to the right.
import { socket } from "./api.js";
import { byId, notice, setText } from "./dom.js";

const CALLER = 0; // 1: the agent
const CLEAR = 2;

export class Listening {
  // `card`: shown while somebody listens; `changed(sid)` is called when listening to a call begins or ends.
  constructor(card, name, changed) {
    Object.assign(this, { card, name, changed, sid: null, socket: null, context: null });
    byId("listening-stop").addEventListener("click", () => this.stop());
    for (const who of ["caller", "agent"]) byId(`volume-${who}`).addEventListener("input", () => this.volume());
  }

  async start(sid, name) {
    this.stop();
    const context = new AudioContext({ latencyHint: "playback" });
    this.context = context;
    this.sid = sid;
    this.changed(sid);
    try {
      await context.audioWorklet.addModule("/console/static/listen-worklet.js");
      const opened = await socket(`/console/api/live/${encodeURIComponent(sid)}/sound`);
      if (this.context !== context) return opened.close(); // somebody was quicker
      this.node = new AudioWorkletNode(context, "listen", { numberOfInputs: 0, outputChannelCount: [2] });
      this.node.connect(context.destination);
      this.volume();
      await context.resume();
      opened.binaryType = "arraybuffer";
      opened.onmessage = ({ data }) => {
        const bytes = new Uint8Array(data);
        if (bytes[0] === CLEAR) this.node.port.postMessage({ clear: true });
        else this.node.port.postMessage({ [bytes[0] === CALLER ? "caller" : "agent"]: bytes.slice(1) });
      };
      opened.onclose = ({ code, reason }) => {
        if (this.socket !== opened) return;
        if (code !== 1000) notice(reason || "The line to the server is gone.", "bad");
        this.stop();
      };
      this.socket = opened;
      setText(this.name, name);
      this.card.hidden = false;
    } catch (error) {
      if (this.context !== context) return undefined; // what failed was given up for another call
      this.stop();
      throw error;
    }
    return undefined;
  }

  volume() {
    if (this.context === null || !this.node) return;
    this.node.port.postMessage({ volumes: [Number(byId("volume-caller").value), Number(byId("volume-agent").value)] });
  }

  stop() {
    const { sid, socket: open, context } = this;
    this.sid = this.socket = this.context = this.node = null;
    open?.close();
    context?.close();
    this.card.hidden = true;
    if (sid !== null) this.changed(sid);
  }
}
