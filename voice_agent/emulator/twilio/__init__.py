"""An emulated Twilio on real sockets: signed webhooks, TwiML, media streams, callbacks and the REST API."""

from voice_agent.emulator.twilio.account import EmulatedTwilio
from voice_agent.emulator.twilio.call import EmulatedCall, HeldStream, Moment

__all__ = ["EmulatedCall", "EmulatedTwilio", "HeldStream", "Moment"]
