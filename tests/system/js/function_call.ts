// A function call in TypeScript: as function_call.mjs, on the standard WebSocket.
import { OpenAIRealtimeWebSocket } from 'openai/realtime/websocket';
import type {
  RealtimeConversationItemFunctionCall,
  RealtimeFunctionTool,
  RealtimeServerEvent,
  ResponseDoneEvent,
} from 'openai/resources/realtime/realtime';

const WEATHER: RealtimeFunctionTool = {
  type: 'function',
  name: 'weather',
  description: 'The weather of a day.',
  parameters: { type: 'object', properties: { day: { type: 'string' } }, required: ['day'] },
};

const realtime = new OpenAIRealtimeWebSocket({ model: 'gpt-realtime-2.1' });

realtime.socket.addEventListener('open', () => {
  realtime.send({ type: 'session.update', session: { type: 'realtime', tools: [WEATHER], tool_choice: 'auto' } });
  realtime.send({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'How is the weather today?' }] },
  });
  realtime.send({ type: 'response.create' });
});

realtime.on('event', (event: RealtimeServerEvent) => console.log(JSON.stringify(event)));
realtime.on('error', (error: Error) => {
  throw error;
});
realtime.on('response.done', ({ response }: ResponseDoneEvent) => {
  const call = response.output?.find(
    (item): item is RealtimeConversationItemFunctionCall => item.type === 'function_call',
  );
  if (!call) {
    realtime.close();
    return;
  }
  realtime.send({
    type: 'conversation.item.create',
    item: { type: 'function_call_output', call_id: call.call_id!, output: JSON.stringify({ sky: 'blue' }) },
  });
  realtime.send({ type: 'response.create' });
});
