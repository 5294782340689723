"""REST calls to Twilio."""
