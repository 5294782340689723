// A spoken turn at Azure: a file of PCM16 at 24 kHz, as from a microphone, only faster; silence ends the turn.
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { ga, realtime } from './azure.mjs';

const CHUNK_BYTES = 4800; // 100 ms
const speech = readFileSync(process.argv[3]);
const transcription = { model: 'gpt-4o-mini-transcribe' };
const turn_detection = { type: 'server_vad' };

realtime.socket.on('open', async () => {
  const session = ga
    ? { type: 'realtime', audio: { input: { transcription, turn_detection }, output: { voice: 'marin' } } }
    : {
        modalities: ['audio', 'text'],
        voice: 'alloy',
        input_audio_format: 'pcm16',
        output_audio_format: 'pcm16',
        input_audio_transcription: transcription,
        turn_detection,
      };
  realtime.send({ type: 'session.update', session });
  for (let at = 0; at < speech.length; at += CHUNK_BYTES) {
    realtime.send({
      type: 'input_audio_buffer.append',
      audio: speech.subarray(at, at + CHUNK_BYTES).toString('base64'),
    });
    await wait(20);
  }
});

realtime.on('response.done', () => realtime.close());
