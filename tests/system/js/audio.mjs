// A spoken turn: a file of PCM16 at 24 kHz is said as it would come from a microphone, only faster; silence ends the turn.
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { OpenAIRealtimeWS } from 'openai/realtime/ws';

const CHUNK_BYTES = 4800; // 100 ms
const speech = readFileSync(process.argv[2]);
const realtime = new OpenAIRealtimeWS({ model: 'gpt-realtime-2.1' });

realtime.socket.on('open', async () => {
  realtime.send({
    type: 'session.update',
    session: {
      type: 'realtime',
      output_modalities: ['audio'],
      audio: {
        input: {
          format: { type: 'audio/pcm', rate: 24000 },
          transcription: { model: 'gpt-4o-mini-transcribe' },
          turn_detection: { type: 'server_vad' },
        },
        output: { format: { type: 'audio/pcm', rate: 24000 }, voice: 'marin' },
      },
    },
  });
  for (let at = 0; at < speech.length; at += CHUNK_BYTES) {
    realtime.send({
      type: 'input_audio_buffer.append',
      audio: speech.subarray(at, at + CHUNK_BYTES).toString('base64'),
    });
    await wait(20);
  }
});

realtime.on('event', (event) => console.log(JSON.stringify(event)));
realtime.on('error', (error) => {
  throw error;
});
realtime.on('response.done', () => realtime.close());
