// A spoken turn in TypeScript: as audio.mjs, on the standard WebSocket.
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { OpenAIRealtimeWebSocket } from 'openai/realtime/websocket';
import type { RealtimeServerEvent, RealtimeSessionCreateRequest } from 'openai/resources/realtime/realtime';

const CHUNK_BYTES = 4800; // 100 ms
const speech: Buffer = readFileSync(process.argv[2]!);
const realtime = new OpenAIRealtimeWebSocket({ model: 'gpt-realtime-2.1' });

const session: RealtimeSessionCreateRequest = {
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
};

realtime.socket.addEventListener('open', async () => {
  realtime.send({ type: 'session.update', session });
  for (let at = 0; at < speech.length; at += CHUNK_BYTES) {
    realtime.send({
      type: 'input_audio_buffer.append',
      audio: speech.subarray(at, at + CHUNK_BYTES).toString('base64'),
    });
    await wait(20);
  }
});

realtime.on('event', (event: RealtimeServerEvent) => console.log(JSON.stringify(event)));
realtime.on('error', (error: Error) => {
  throw error;
});
realtime.on('response.done', () => realtime.close());
