// A line that is worse than it has to be: what it loses, how late it is. Pure: chance and time are arguments.

import { SILENCE } from "./mulaw.js";
import { FRAME_BYTES } from "./carrier.js";

/** Tells for each piece of audio whether it is lost. */
export class Loss {
  /** @param {() => number} chance from 0 to 1, as `Math.random` */
  constructor(chance) {
    this.chance = chance;
    this.percent = 0;
  }

  /** Whether the next piece of 20 ms is lost. */
  strikes() {
    return this.percent > 0 && this.chance() * 100 < this.percent;
  }

  /** Give audio for the caller with silence in the place of what is lost; its length stays. */
  thin(audio) {
    if (this.percent <= 0) return audio;
    const left = audio.slice();
    for (let at = 0; at < left.length; at += FRAME_BYTES) if (this.strikes()) left.fill(SILENCE, at, at + FRAME_BYTES);
    return left;
  }
}

/** Hands on what it is given, in order, `ms` later. */
export class Delay {
  /**
   * @param {(item: any) => void} deliver
   * @param {() => number} now milliseconds
   * @param {(wake: () => void, ms: number) => void} wake as `setTimeout`
   */
  constructor(deliver, now, wake) {
    this.deliver = deliver;
    this.now = now;
    this.wake = wake;
    this.ms = 0;
    this.waiting = [];
  }

  put(item) {
    if (this.ms <= 0 && !this.waiting.length) {
      this.deliver(item);
      return;
    }
    // Whoever comes later is not delivered sooner, even if the line has got better meanwhile.
    const last = this.waiting.at(-1)?.dueMs ?? 0;
    this.waiting.push({ item, dueMs: Math.max(last, this.now() + this.ms) });
    if (this.waiting.length === 1) this.#sleep();
  }

  #sleep() {
    this.wake(() => this.#hand(), Math.max(0, this.waiting[0].dueMs - this.now()));
  }

  #hand() {
    while (this.waiting.length && this.waiting[0].dueMs <= this.now()) this.deliver(this.waiting.shift().item);
    if (this.waiting.length) this.#sleep();
  }
}
