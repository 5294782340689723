// Plays both directions of a call that somebody listens to. It knows mu-law at 8 kHz, and neither messages nor sockets.
import { Playout } from "./playout.js";
import { Resampler } from "./resample.js";

const RATE_HZ = 8000;

/** What waits of the caller beyond this is skipped: it comes as it is spoken, and must not fall behind. */
const BEHIND_FRAMES = 25;

/* global registerProcessor, AudioWorkletProcessor, sampleRate */

class Listen extends AudioWorkletProcessor {
  constructor() {
    super();
    this.sides = { caller: side(), agent: side() };
    this.due = 0;
    this.port.onmessage = ({ data }) => this.obey(data);
  }

  obey({ caller, agent, clear, volumes }) {
    if (caller) {
      if (this.sides.caller.playout.queue.length > BEHIND_FRAMES) this.sides.caller.playout.clear();
      this.sides.caller.playout.push(caller);
    }
    if (agent) this.sides.agent.playout.push(agent);
    if (clear) this.sides.agent.playout.clear();
    if (volumes) [this.sides.caller.volume, this.sides.agent.volume] = volumes;
  }

  process(_, [output]) {
    const length = output[0].length;
    // So many samples of the line are due; what is left over of one counts for the next.
    this.due += (length * RATE_HZ) / sampleRate;
    const count = Math.floor(this.due);
    this.due -= count;
    const { caller, agent } = this.sides;
    play(caller, count, output[0]);
    play(agent, count, output[1] ?? output[0]);
    return true;
  }
}

function side() {
  return { playout: new Playout(), resampler: new Resampler(RATE_HZ, sampleRate), ready: [], volume: 1 };
}

function play(side, count, channel) {
  const samples = new Float32Array(count);
  side.playout.read(samples);
  for (const sample of side.resampler.feed(samples)) side.ready.push(sample * side.volume);
  channel.set(side.ready.splice(0, channel.length));
}

registerProcessor("listen", Listen);
