// An interruption in TypeScript: as interruption.mjs, on the standard WebSocket.
import { readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { OpenAIRealtimeWebSocket } from 'openai/realtime/websocket';
import type { RealtimeServerEvent, ResponseAudioDeltaEvent } from 'openai/resources/realtime/realtime';

const CHUNK_BYTES = 4800; // 100 ms
const BYTES_PER_MS = 48;
const speech: Buffer = readFileSync(process.argv[2]!);
const realtime = new OpenAIRealtimeWebSocket({ model: 'gpt-realtime-2.1' });

let playing: { itemId: string; began: number } | undefined;
let received = 0;

realtime.socket.addEventListener('open', () => {
  realtime.send({
    type: 'session.update',
    session: { type: 'realtime', audio: { input: { turn_detection: { type: 'server_vad', interrupt_response: true } } } },
  });
  realtime.send({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Tell me a story.' }] },
  });
  realtime.send({ type: 'response.create' });
});

realtime.on('event', (event: RealtimeServerEvent) => console.log(JSON.stringify(event)));
realtime.on('error', (error: Error) => {
  throw error;
});

realtime.on('response.output_audio.delta', async (event: ResponseAudioDeltaEvent) => {
  received += Buffer.from(event.delta, 'base64').length;
  if (playing) return;
  playing = { itemId: event.item_id, began: performance.now() };
  await wait(300);
  for (let at = 0; at < speech.length; at += CHUNK_BYTES) {
    realtime.send({
      type: 'input_audio_buffer.append',
      audio: speech.subarray(at, at + CHUNK_BYTES).toString('base64'),
    });
  }
});

realtime.on('input_audio_buffer.speech_started', () => {
  const played = Math.min(performance.now() - playing!.began, received / BYTES_PER_MS);
  realtime.send({
    type: 'conversation.item.truncate',
    item_id: playing!.itemId,
    content_index: 0,
    audio_end_ms: Math.floor(played),
  });
});

realtime.on('conversation.item.truncated', () => realtime.close());
