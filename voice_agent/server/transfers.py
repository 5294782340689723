"""A caller on the way to somebody else: the TwiML that takes them there, and why they come back.

It must not know HTTP, nor which calls there are.
"""

from collections.abc import Mapping

from voice_agent.call.commands import Destination
from voice_agent.wire import twiml

CONNECTED = frozenset({"completed", "answered"})
"""`DialCallStatus` values after which the two have spoken."""

CARRIED = ("DialCallStatus", "DialCallSid", "DialSipResponseCode")
"""What the carrier says of a transfer, once; a call that is handed on carries it along."""

_WHY = {
    "busy": "the line is busy",
    "no-answer": "nobody answered",
    "failed": "the number cannot be reached",
    "canceled": "the attempt was canceled",
}
"""The other ones. https://www.twilio.com/docs/voice/twiml/dial#dialcallstatus-values"""


def dial(destination: Destination, action: str) -> str:
    """Take the caller there; `action` is asked what follows. Raises `ValueError` for what XML refuses."""
    is_sip = destination.address.startswith("sip")
    verb = twiml.Dial(
        number="" if is_sip else destination.address,
        sip=destination.address if is_sip else "",
        action=action,
        timeout_s=destination.seconds,
        caller_id=destination.caller_id,
    )
    return twiml.render([verb])


def why(fields: Mapping[str, str]) -> str:
    """Say why a transfer came to nothing, from the fields of the `<Dial action>`."""
    return _WHY.get(fields.get("DialCallStatus", ""), "it failed")


def came_back(destination: Destination, fields: Mapping[str, str]) -> str:
    """Tell the model why the caller is back, from the fields of the `<Dial action>`."""
    return (
        f"The transfer to {destination.name} came to nothing: {why(fields)}. The caller is back on the line with you."
    )
