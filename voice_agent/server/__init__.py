"""The FastAPI app: what Twilio calls, and health."""
