"""A TwiML document: fetched by a signed webhook, or given.

It must not know what runs it.
"""

from collections.abc import Mapping
from urllib.parse import urljoin

import msgspec

from voice_agent.emulator.twilio.webhook import RETRIEVAL_FAILURE, WebhookError, request
from voice_agent.errors import PeerError
from voice_agent.wire import twiml

INVALID_CONTENT_TYPE = 12300
INVALID_DOCUMENT = 12100

_XML_TYPES = frozenset({"text/xml", "application/xml", "text/html"})
"""What Twilio reads as TwiML. https://www.twilio.com/docs/api/errors/12300"""


class Address(msgspec.Struct, frozen=True):
    """Where TwiML is to be had."""

    url: str
    method: twiml.Method = "POST"


class Document(msgspec.Struct, frozen=True):
    """Verbs to run one after the other."""

    verbs: list[twiml.Verb]
    url: str = ""
    """Where it came from: the base of the addresses in it."""

    def address(self, url: str, method: twiml.Method = "POST") -> Address:
        """Resolve an address in the document, which may be relative."""
        return Address(urljoin(self.url, url), method)


async def fetch(address: Address, fields: Mapping[str, str], token: str) -> Document:
    """Ask for TwiML; raises `WebhookError` with the number that Twilio's debugger would show."""
    answer = await request(address.url, fields, token, address.method)
    if not 200 <= answer.status < 300:
        raise WebhookError(RETRIEVAL_FAILURE, f"{address.url} answers HTTP {answer.status}{_first_line(answer.body)}")
    if answer.content_type not in _XML_TYPES:
        kind = answer.content_type or "no content type"
        raise WebhookError(INVALID_CONTENT_TYPE, f"{address.url} answers {kind}, not TwiML (text/xml)")
    return read(answer.body, address.url)


def read(text: str, url: str = "") -> Document:
    """Read TwiML that came from `url`; raises `WebhookError`."""
    try:
        return Document(twiml.parse(text), url)
    except PeerError as error:
        raise WebhookError(INVALID_DOCUMENT, f"{url or 'the call'}: {error}") from error


def _first_line(body: str) -> str:
    line = " ".join(body.split())[:120]
    return f": {line}" if line else ""
