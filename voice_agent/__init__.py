"""Put an AI agent on a phone number: Twilio on one side, an OpenAI Realtime session on the other."""
