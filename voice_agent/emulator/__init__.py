"""Socket shells of the stand-ins: a Twilio and a Realtime server that hears and speaks."""
