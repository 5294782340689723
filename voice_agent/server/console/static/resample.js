// Another sample rate for a stream of samples, by a polyphase low-pass filter. Pure.

/** Kaiser's window: about 60 dB down from 4.6 kHz on. */
const BETA = 5.6;

/** Taps on each side, in samples of the lower rate: 300 to 3400 Hz pass within 0.4 dB. */
const REACH = 16;

function bessel(x) {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > sum * 1e-9; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function divisor(a, b) {
  return b ? divisor(b, a % b) : a;
}

/** Takes samples at one rate and gives them at another, however they are cut into pieces. */
export class Resampler {
  /** @param {number} fromHz @param {number} toHz whole numbers; @param {number} cutoffHz where half the amplitude is left */
  constructor(fromHz, toHz, cutoffHz = Math.min(fromHz, toHz) * 0.4625) {
    const common = divisor(fromHz, toHz);
    this.up = toHz / common;
    this.down = fromHz / common;
    const side = Math.ceil((REACH * fromHz) / Math.min(fromHz, toHz));
    this.taps = 2 * side + 1;
    // One filter a phase: what an output between two inputs is made of.
    this.phases = Array.from({ length: this.up }, (_, phase) => {
      const taps = Float64Array.from({ length: this.taps }, (_, index) => {
        const at = side - index + phase / this.up;
        const within = 1 - (at / (side + 1)) ** 2;
        if (within <= 0) return 0;
        const x = (2 * cutoffHz * at) / fromHz;
        return (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x)) * bessel(BETA * Math.sqrt(within));
      });
      const gain = taps.reduce((sum, tap) => sum + tap, 0);
      return taps.map((tap) => tap / gain);
    });
    this.reset();
  }

  /** Forget what was fed: from here on the past is silence. */
  reset() {
    this.line = new Float64Array(this.taps - 1);
    this.phase = 0;
  }

  /** @param {Float32Array} samples @returns {Float32Array} as many as have become due */
  feed(samples) {
    const line = new Float64Array(this.line.length + samples.length);
    line.set(this.line);
    line.set(samples, this.line.length);
    const made = [];
    let start = 0;
    while (start + this.taps <= line.length) {
      const taps = this.phases[this.phase];
      let sum = 0;
      for (let index = 0; index < taps.length; index += 1) sum += line[start + index] * taps[index];
      made.push(sum);
      this.phase += this.down;
      start += Math.floor(this.phase / this.up);
      this.phase %= this.up;
    }
    this.line = line.slice(start);
    return Float32Array.from(made);
  }
}
