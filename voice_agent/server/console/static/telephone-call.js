// A call over the telephone's wire: microphone and speaker, the stream to the server, and the line between them.

import { post, socket } from "./api.js";
import { Delay, Loss } from "./bad-line.js";
import { Carrier } from "./carrier.js";
import { openMicrophone } from "./microphone.js";

const LONGEST_SAY_MS = 15_000;
const MS_PER_CHARACTER = 60;
const KEY_MS = 200;

/** Tells `view`: `state(text)`, `note(text)`, `begun(callSid)`, `levels({caller, agent})`, `ask(number)`, `over(problem)`. */
export class TelephoneCall {
  constructor(view, line) {
    this.view = view;
    this.line = line;
    this.lostFromCaller = new Loss(Math.random);
    this.lostFromAgent = new Loss(Math.random);
    const wake = (then, ms) => setTimeout(then, ms);
    const now = () => performance.now();
    this.toServer = new Delay((deed) => deed(), now, wake);
    this.fromServer = new Delay((deed) => deed(), now, wake);
    this.isOver = false;
    this.callSid = "";
  }

  /** Ask for the microphone, begin the call and hold it to its end. `wish`: what `POST /console/api/phone/calls` takes. */
  async hold(wish) {
    try {
      await this.#openSound();
      if (this.isOver) return;
      this.view.state("calling");
      const begun = await post("/console/api/phone/calls", wish);
      this.callSid = begun.call_sid;
      this.accountSid = begun.account_sid;
      if (this.isOver) {
        this.#tellOver(); // somebody hung up before there was a call to be told of
        return;
      }
      this.view.begun(this.callSid);
      await this.#obey(begun.verbs);
      this.#end("");
    } catch (error) {
      this.#end(error.message);
    }
  }

  /** The caller hangs up. */
  hangUp() {
    this.carrier?.stop();
    this.stream?.close(1000);
    this.dialled?.(null);
    this.#end("");
  }

  press(digit) {
    this.toServer.put(() => this.carrier?.press(digit));
  }

  mute(muted) {
    this.muted = muted;
    this.telephone?.port.postMessage({ muted });
  }

  /** @param {{loss: number, delay: number, noise: number}} line percent, milliseconds each way, dB below full scale */
  setLine(line) {
    this.line = line;
    this.lostFromCaller.percent = line.loss;
    this.lostFromAgent.percent = line.loss;
    this.toServer.ms = line.delay;
    this.fromServer.ms = line.delay;
    this.telephone?.port.postMessage({ noise: line.noise ? 10 ** (line.noise / 20) : 0 });
  }

  /** What came of putting the caller through. */
  put(status) {
    this.dialled?.(status);
  }

  async #openSound() {
    this.view.state("asking for the microphone");
    // At once: a browser lets sound begin only where somebody has just pressed something.
    this.context = new AudioContext({ latencyHint: "interactive" });
    this.microphone = await openMicrophone();
    if (this.isOver) return this.#silence();
    await this.context.audioWorklet.addModule("/console/static/telephone-worklet.js");
    await this.context.resume();
    this.telephone = new AudioWorkletNode(this.context, "telephone", { outputChannelCount: [1] });
    this.telephone.port.onmessage = ({ data }) => this.#hear(data);
    this.context.createMediaStreamSource(this.microphone).connect(this.telephone).connect(this.context.destination);
    this.setLine(this.line);
    this.mute(this.muted ?? false);
    return undefined;
  }

  #hear(told) {
    if (this.isOver) return;
    if (told.levels) this.view.levels(told.levels);
    const carrier = this.carrier;
    if (!carrier) return;
    if (told.frame) {
      const frame = this.lostFromCaller.strikes() ? null : told.frame;
      // Its time is when it was said; the line brings it later.
      this.toServer.put(() => carrier.hear(frame));
    } else if (told.mark !== undefined) {
      this.toServer.put(() => carrier.echo(told.mark));
    }
  }

  async #obey(verbs) {
    for (const verb of verbs) {
      if (this.isOver) return;
      switch (verb.verb) {
        case "say":
          this.view.note(`The carrier says: ${verb.text}`);
          await speak(verb.text, verb.language);
          break;
        case "press":
          this.view.note(`The carrier presses ${verb.digits}`);
          await pause(verb.digits.length * KEY_MS);
          break;
        case "wait":
          await pause(verb.seconds * 1000);
          break;
        case "stream":
          await this.#stream(verb);
          return this.isOver ? undefined : this.#goOn({ after: "stream" });
        case "again":
          return this.#goOn({ after: "stream" });
        case "dial": {
          this.view.state("put through");
          const status = await new Promise((resolve) => {
            this.dialled = resolve;
            this.view.ask(verb.to);
          });
          this.dialled = null;
          if (status === null) return undefined;
          return this.#goOn({ after: "dial", status });
        }
        case "record":
          this.view.note("Here a caller leaves a message; the console has nobody who takes it.");
          return undefined;
        case "busy":
          this.view.note("The line is busy.");
          return undefined;
        default:
          return undefined;
      }
    }
    return undefined;
  }

  async #goOn(how) {
    const verbs = await post(`/console/api/phone/calls/${this.callSid}/next`, how);
    return this.isOver ? undefined : this.#obey(verbs);
  }

  /** Hold one stream to its end. */
  async #stream({ stream_sid: streamSid, parameters }) {
    const stream = await socket(`/twilio/media/${this.callSid}`);
    this.stream = stream;
    const call = { callSid: this.callSid, accountSid: this.accountSid, streamSid, parameters };
    const send = (text) => {
      if (stream.readyState === WebSocket.OPEN) stream.send(text);
    };
    const port = this.telephone.port;
    const player = {
      push: (audio) => port.postMessage({ push: this.lostFromAgent.thin(audio) }),
      mark: (mark) => port.postMessage({ mark }),
      clear: () => port.postMessage({ clear: true }),
    };
    const carrier = new Carrier(call, send, player);
    await new Promise((resolve) => {
      stream.addEventListener("open", () => {
        carrier.start();
        this.carrier = carrier;
        this.view.state("on the line");
      });
      stream.addEventListener("message", ({ data }) => this.fromServer.put(() => carrier.receive(data)));
      stream.addEventListener("close", resolve);
    });
    this.carrier = null;
    port.postMessage({ clear: true });
    for (const warning of carrier.warnings) this.view.note(`The server sent what a carrier does not take: ${warning}`);
  }

  #silence() {
    this.microphone?.getTracks().forEach((track) => track.stop());
    if (this.context && this.context.state !== "closed") this.context.close();
  }

  #end(problem) {
    if (this.isOver) return;
    this.isOver = true;
    this.telephone?.port.postMessage({ over: true });
    this.#silence();
    globalThis.speechSynthesis?.cancel();
    if (this.callSid) this.#tellOver();
    this.view.over(problem);
  }

  #tellOver() {
    post(`/console/api/phone/calls/${this.callSid}/over`).catch(() => {});
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Say a text in the browser's own voice, where it has one; ends when a carrier's would have ended, too. */
function speak(text, language) {
  const ms = Math.min(text.length * MS_PER_CHARACTER, LONGEST_SAY_MS);
  if (!globalThis.speechSynthesis?.getVoices().length) return pause(ms);
  const said = new SpeechSynthesisUtterance(text);
  if (language) said.lang = language;
  const ended = new Promise((resolve) => {
    said.addEventListener("end", resolve);
    said.addEventListener("error", resolve);
  });
  speechSynthesis.speak(said);
  return Promise.race([ended, pause(LONGEST_SAY_MS)]);
}
