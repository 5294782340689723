// A written turn at Azure.
import { ga, realtime } from './azure.mjs';

realtime.socket.on('open', () => {
  const session = ga ? { type: 'realtime', output_modalities: ['text'] } : { modalities: ['text'] };
  realtime.send({ type: 'session.update', session });
  realtime.send({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Hello, who is there?' }] },
  });
  realtime.send({ type: 'response.create' });
});

realtime.on('response.done', () => realtime.close());
