// A function call at Azure: the model asks for the weather, gets it, and says it.
import { ga, realtime } from './azure.mjs';

const tools = [
  {
    type: 'function',
    name: 'weather',
    description: 'The weather of a day.',
    parameters: { type: 'object', properties: { day: { type: 'string' } }, required: ['day'] },
  },
];

realtime.socket.on('open', () => {
  realtime.send({ type: 'session.update', session: { ...(ga && { type: 'realtime' }), tools, tool_choice: 'auto' } });
  realtime.send({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'How is the weather today?' }] },
  });
  realtime.send({ type: 'response.create' });
});

realtime.on('response.done', ({ response }) => {
  const call = response.output.find((item) => item.type === 'function_call');
  if (!call) {
    realtime.close();
    return;
  }
  realtime.send({
    type: 'conversation.item.create',
    item: { type: 'function_call_output', call_id: call.call_id, output: JSON.stringify({ sky: 'blue' }) },
  });
  realtime.send({ type: 'response.create' });
});
