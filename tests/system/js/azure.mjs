// A written turn at Azure in the preview dialect, as its quickstart does it: endpoint, deployment and version in the URL.
import { AzureOpenAI } from 'openai';
import { OpenAIRealtimeWS } from 'openai/beta/realtime/ws';

const client = new AzureOpenAI({
  apiVersion: '2025-04-01-preview',
  deployment: 'gpt-4o-realtime-preview',
});
const realtime = await OpenAIRealtimeWS.azure(client);

realtime.socket.on('open', () => {
  realtime.send({ type: 'session.update', session: { modalities: ['text'], model: 'gpt-4o-realtime-preview' } });
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
