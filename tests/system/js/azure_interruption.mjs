// An interruption at Azure: somebody speaks into a long answer, which is truncated to what had been played of it.
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { ga, realtime } from './azure.mjs';

const CHUNK_BYTES = 4800; // 100 ms
const BYTES_PER_MS = 48;
const speech = readFileSync(process.argv[3]);
const turn_detection = { type: 'server_vad' };

let playing; // the item whose audio would be playing
let began;
let received = 0;

realtime.socket.on('open', () => {
  const session = ga ? { type: 'realtime', audio: { input: { turn_detection } } } : { turn_detection };
  realtime.send({ type: 'session.update', session });
  realtime.send({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Tell me a story.' }] },
  });
  realtime.send({ type: 'response.create' });
});

realtime.on(ga ? 'response.output_audio.delta' : 'response.audio.delta', async (event) => {
  received += Buffer.from(event.delta, 'base64').length;
  if (playing) return;
  playing = event.item_id;
  began = performance.now();
  await wait(300);
  for (let at = 0; at < speech.length; at += CHUNK_BYTES) {
    realtime.send({
      type: 'input_audio_buffer.append',
      audio: speech.subarray(at, at + CHUNK_BYTES).toString('base64'),
    });
  }
});

realtime.on('input_audio_buffer.speech_started', () => {
  const played = Math.min(performance.now() - began, received / BYTES_PER_MS);
  realtime.send({
    type: 'conversation.item.truncate',
    item_id: playing,
    content_index: 0,
    audio_end_ms: Math.floor(played),
  });
});

realtime.on('conversation.item.truncated', () => realtime.close());
