// A Twilio bot on the vendor's own agents and Twilio transport: what its extension package does, and nothing of ours.
// Arguments: the Realtime URL without a query. Prints its port.
import { RealtimeAgent, RealtimeSession } from '@openai/agents/realtime';
import { TwilioRealtimeTransportLayer } from '@openai/agents-extensions';
import { WebSocketServer } from 'ws';

const realtimeUrl = `${process.argv[2]}?model=gpt-realtime-2.1`;
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/media' });

server.on('listening', () => console.log(server.address().port));

server.on('connection', async (twilioWebSocket) => {
  const transport = new TwilioRealtimeTransportLayer({ twilioWebSocket });
  const agent = new RealtimeAgent({ name: 'phone', instructions: 'You answer the phone.' });
  const session = new RealtimeSession(agent, {
    transport,
    model: 'gpt-realtime-2.1',
    config: {
      audio: {
        input: { turnDetection: { type: 'server_vad', createResponse: true, interruptResponse: true } },
        output: { voice: 'marin' },
      },
    },
  });
  session.on('error', (error) => console.error(error));
  await session.connect({ apiKey: 'sk-local', url: realtimeUrl });
});
