// G.711 mu-law: the telephone's 8-bit code for a sample. Pure; the same tables as `voice_agent.audio.mulaw`.

/** The code of a zero sample. */
export const SILENCE = 0xff;

const BIAS = 132;
const CLIP = 32635;

/** The sample (-1 to 1) of every code. */
export const DECODED = Float32Array.from({ length: 256 }, (_, index) => {
  const code = ~index & 0xff;
  const magnitude = ((((code & 0x0f) << 3) + BIAS) << ((code >> 4) & 0x07)) - BIAS;
  return (code & 0x80 ? -magnitude : magnitude) / 32768;
});

/** Give the code of a sample from -1 to 1; beyond that it saturates. */
export function encode(sample) {
  const value = Math.round(sample * 32768);
  const biased = Math.min(Math.abs(value), CLIP) + BIAS;
  // The segment is the position of the highest set bit, which is 7 for the bias alone.
  const segment = 24 - Math.clz32(biased);
  return ~((value < 0 ? 0x80 : 0) | (segment << 4) | ((biased >> (segment + 3)) & 0x0f)) & 0xff;
}
