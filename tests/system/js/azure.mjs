// Azure's client as its quickstarts make it: AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY say where, the deployment is the
// model. The first argument is the dialect: what the scripts import, and how the session object looks, is all that differs.
import { AzureOpenAI } from 'openai';

export const ga = process.argv[2] === 'ga';
const { OpenAIRealtimeWS } = await import(ga ? 'openai/realtime/ws' : 'openai/beta/realtime/ws');

const client = new AzureOpenAI({
  apiVersion: '2025-04-01-preview',
  deployment: ga ? 'gpt-realtime-2.1' : 'gpt-4o-realtime-preview',
});
export const realtime = await OpenAIRealtimeWS.azure(client);

realtime.on('event', (event) => console.log(JSON.stringify(event)));
realtime.on('error', (error) => {
  throw error;
});
