// A written turn: the vendor's first steps with the package, on Node's `ws`. OPENAI_BASE_URL and OPENAI_API_KEY say where.
import { OpenAIRealtimeWS } from 'openai/realtime/ws';

const realtime = new OpenAIRealtimeWS({ model: 'gpt-realtime-2.1' });

realtime.socket.on('open', () => {
  realtime.send({ type: 'session.update', session: { type: 'realtime', output_modalities: ['text'] } });
  realtime.send({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hello, who is there?' }] },
  });
  realtime.send({ type: 'response.create' });
});

realtime.on('event', (event) => console.log(JSON.stringify(event)));
realtime.on('error', (error) => {
  throw error;
});
realtime.on('response.done', () => realtime.close());
