// What a carrier has yet to play to the caller: audio and, between it, the bridge's marks. Pure.

import { DECODED, SILENCE } from "./mulaw.js";

/** A queue that is played sample by sample; a mark comes back when all audio before it was played. */
export class Playout {
  constructor() {
    this.queue = [];
    this.at = 0;
  }

  /** @param {Uint8Array} audio mu-law 8 kHz */
  push(audio) {
    if (audio.length) this.queue.push(audio);
  }

  /** Queue a mark behind what was pushed so far; gives the marks that are reached at once: it, if nothing is queued. */
  mark(name) {
    this.queue.push(name);
    return this.#reached();
  }

  /** Drop all audio; gives the names of the marks that were waiting, in their order. */
  clear() {
    const flushed = this.queue.filter((entry) => typeof entry === "string");
    this.queue = [];
    this.at = 0;
    return flushed;
  }

  /** Play the next samples into `samples` (-1 to 1), silence where there are none; gives the marks that were reached. */
  read(samples) {
    const reached = [];
    for (let index = 0; index < samples.length; index += 1) {
      const audio = this.queue[0];
      samples[index] = DECODED[audio === undefined ? SILENCE : audio[this.at]];
      if (audio === undefined) continue;
      this.at += 1;
      if (this.at < audio.length) continue;
      this.queue.shift();
      this.at = 0;
      reached.push(...this.#reached());
    }
    return reached;
  }

  #reached() {
    const reached = [];
    while (typeof this.queue[0] === "string") reached.push(this.queue.shift());
    return reached;
  }
}
