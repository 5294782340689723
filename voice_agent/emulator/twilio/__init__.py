"""An emulated Twilio on real sockets: signed webhooks, TwiML, media streams, callbacks and the REST API."""

from voice_agent.emulator.twilio.account import EmulatedTwilio
from voice_agent.emulator.twilio.call import EmulatedCall, HeldStream, Moment
from voice_agent.emulator.twilio.callee import BEEP, Callee, Verdict
from voice_agent.emulator.twilio.customer import Post
from voice_agent.emulator.twilio.numbers import IncomingNumber

__all__ = [
    "BEEP",
    "Callee",
    "EmulatedCall",
    "EmulatedTwilio",
    "HeldStream",
    "IncomingNumber",
    "Moment",
    "Post",
    "Verdict",
]
