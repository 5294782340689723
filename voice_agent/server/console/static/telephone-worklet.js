// The telephone set: both directions of a call's sound in one place, so that one clock, that of the sound card, says
// what was played when which piece of the caller was heard. It knows mu-law at 8 kHz, and neither messages nor sockets.

import { DECODED, encode } from "./mulaw.js";
import { Playout } from "./playout.js";
import { Resampler } from "./resample.js";

const RATE_HZ = 8000;
const FRAME = 160;

/** How often it tells how loud both sides are: frames. */
const LEVEL_FRAMES = 3;

/* global registerProcessor, AudioWorkletProcessor, sampleRate */

class Telephone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.fromMicrophone = new Resampler(sampleRate, RATE_HZ);
    this.toSpeaker = new Resampler(RATE_HZ, sampleRate);
    this.playout = new Playout();
    this.muted = false;
    this.noise = 0;
    this.frame = new Uint8Array(FRAME);
    this.filled = 0;
    this.sound = [];
    this.loudest = { caller: 0, agent: 0 };
    this.frames = 0;
    this.running = true;
    this.port.onmessage = ({ data }) => this.obey(data);
  }

  obey(order) {
    if (order.push) this.playout.push(order.push);
    if (order.mark !== undefined) this.tellMarks(this.playout.mark(order.mark));
    if (order.clear) {
      this.tellMarks(this.playout.clear());
      this.toSpeaker.reset();
    }
    if (order.muted !== undefined) this.muted = order.muted;
    if (order.noise !== undefined) this.noise = order.noise;
    if (order.over) this.running = false;
  }

  tellMarks(names) {
    for (const mark of names) this.port.postMessage({ mark });
  }

  process([input], [output]) {
    const silence = new Float32Array(output[0].length);
    const heard = this.fromMicrophone.feed((!this.muted && input[0]) || silence);
    for (const sample of heard) this.hear(sample);
    // As much is played as was heard: the two directions cannot drift apart.
    const said = new Float32Array(heard.length);
    this.tellMarks(this.playout.read(said));
    for (const sample of said) this.loudest.agent = Math.max(this.loudest.agent, Math.abs(sample));
    for (const sample of this.toSpeaker.feed(said)) this.sound.push(sample);
    const due = this.sound.splice(0, output[0].length);
    for (const channel of output) channel.set(due);
    return this.running;
  }

  hear(sample) {
    const noisy = this.noise ? sample + this.noise * (Math.random() * 2 - 1) : sample;
    const code = encode(noisy);
    this.loudest.caller = Math.max(this.loudest.caller, Math.abs(DECODED[code]));
    this.frame[this.filled] = code;
    this.filled += 1;
    if (this.filled < FRAME) return;
    this.filled = 0;
    const frame = this.frame.slice();
    this.port.postMessage({ frame }, [frame.buffer]);
    this.frames += 1;
    if (this.frames % LEVEL_FRAMES === 0) {
      this.port.postMessage({ levels: this.loudest });
      this.loudest = { caller: 0, agent: 0 };
    }
  }
}

registerProcessor("telephone", Telephone);
