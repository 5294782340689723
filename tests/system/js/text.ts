// A written turn in TypeScript, on the standard WebSocket: the key travels as a subprotocol, as in a browser.
import { OpenAIRealtimeWebSocket } from 'openai/realtime/websocket';
import type { RealtimeServerEvent, ResponseDoneEvent } from 'openai/resources/realtime/realtime';

const realtime = new OpenAIRealtimeWebSocket({ model: 'gpt-realtime-2.1' });

realtime.socket.addEventListener('open', () => {
  realtime.send({ type: 'session.update', session: { type: 'realtime', output_modalities: ['text'] } });
  realtime.send({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hello, who is there?' }] },
  });
  realtime.send({ type: 'response.create' });
});

realtime.on('event', (event: RealtimeServerEvent) => console.log(JSON.stringify(event)));
realtime.on('error', (error: Error) => {
  throw error;
});
realtime.on('response.done', (_: ResponseDoneEvent) => realtime.close());
