"""Sends the message of a `send_sms` tool: to the caller or to a number of the agent's file, and to nobody else.

It must not know how a message gets to Twilio.
"""

import re
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from voice_agent.agent import TextMessage
from voice_agent.config.callers import is_number
from voice_agent.config.placeholders import filled
from voice_agent.config.schema_forms import E164
from voice_agent.config.sms_tools import LONGEST, TEXT, TO
from voice_agent.errors import PeerError, RefusedError, UnreachedError
from voice_agent.tools.arguments import ArgumentsError

MOST_A_CALL = 5
"""Each message is paid for, and a model that goes in circles sends one after the other."""

_TAKES_NONE = frozenset({"21211", "21610", "21612", "21614"})
"""Twilio's codes for numbers that no message gets to. https://www.twilio.com/docs/api/errors"""


class MessageSender(Protocol):
    """What is needed of `twilio_api.messages.MessagesApi`."""

    async def send(self, sender: str, to: str, text: str) -> str:
        """Send a text, once; gives its SID. Raises `PeerError`: one line."""
        ...


class Outgoing(msgspec.Struct, frozen=True):
    """A message as it is sent."""

    sender: str
    to: str
    text: str


class NotSentError(Exception):
    """No message was sent; the text is for the model, `detail` for the log."""

    def __init__(self, said: str, detail: str) -> None:
        super().__init__(said)
        self.detail = detail


def compose(message: TextMessage, arguments: Mapping[str, Any]) -> Outgoing:
    """Put a message together; `arguments` fit the tool's schema. Raises `ArgumentsError` and `NotSentError`."""
    values = {**message.values, **arguments}
    text = str(arguments[TEXT]) if message.text is None else filled(message.text, values, lambda _, value: _text(value))
    if not text.strip():
        raise ArgumentsError("the message is empty")
    if len(text) > LONGEST:
        raise ArgumentsError(f"the message is longer than {LONGEST} characters; shorten it")
    to = message.values.get("caller", "")
    if message.to:
        to = message.to[str(arguments[TO])] if len(message.to) > 1 else next(iter(message.to.values()))
    if not is_number(to):
        raise NotSentError("the caller's number is not known", f'"{to}" is no number to send a message to')
    if message.countries and not to.startswith(message.countries):
        allowed = ", ".join(message.countries)
        raise NotSentError("messages are not sent to numbers of that country", f"{to} does not begin with {allowed}")
    sender = message.sender or message.values.get("called", "")
    if not re.fullmatch(E164, sender):
        raise NotSentError("it is not available now", f'"{sender}" is no number to send from; name one under "from"')
    return Outgoing(sender, to, text)


async def send(outgoing: Outgoing, through: MessageSender | None) -> str:
    """Send it, once: a message whose answer got lost may have been sent. Gives what the model is told."""
    if through is None:
        raise NotSentError("it is not available now", "TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN must be set for it")
    try:
        await through.send(outgoing.sender, outgoing.to, outgoing.text)
    except (RefusedError, UnreachedError) as error:
        takes_none = isinstance(error, RefusedError) and error.code in _TAKES_NONE
        said = "messages do not get to that number" if takes_none else "the message could not be sent"
        raise NotSentError(said, str(error)) from None
    except PeerError as error:
        raise NotSentError("it is not certain that the message was sent", str(error)) from None
    return "sent"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
