"""Text messages that the account sends. They arrive nowhere: whoever tests looks at them.

Numbers of Twilio's own for tests are refused as they are there: https://www.twilio.com/docs/iam/test-credentials.
https://www.twilio.com/docs/messaging/api/message-resource
"""

import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from fastapi import APIRouter, Request

from voice_agent.emulator.twilio.numbers import IncomingNumber
from voice_agent.emulator.twilio.refusal import Refused, not_found
from voice_agent.emulator.twilio.resources import API_VERSION, PREFIX, fields_of, page_of, rfc_2822

LONGEST = 1600
"""Characters of one message."""

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")

_FOR_TESTS = {
    "+15005550001": (21211, "Invalid 'To' Phone Number: {}"),
    "+15005550002": (21612, "The 'To' phone number {} is not currently reachable using the 'From' phone number"),
    "+15005550003": (
        21408,
        "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {}",
    ),
    "+15005550004": (21610, "Attempt to send to unsubscribed recipient"),
    "+15005550009": (21614, "'To' number: {}, is not a mobile number"),
}

_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_PAIRS = frozenset("^{}\\[~]|€\f")
"""Of 3GPP TS 23.038: characters of seven bits, and those that take two of them."""


class SentMessage(msgspec.Struct, kw_only=True):
    """One message; the fields have the API's names."""

    to: str
    from_: str
    body: str
    sid: str = msgspec.field(default_factory=lambda: "SM" + secrets.token_hex(16))
    status: str = "delivered"
    """What becomes of it; the answer to its creation says "queued" all the same."""
    error_code: int | None = None
    date_created: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))

    def resource(self, account_sid: str, *, queued: bool = False) -> dict[str, Any]:
        """Show it as the API does."""
        uri = f"{PREFIX}/{account_sid}/Messages/{self.sid}"
        date = rfc_2822(self.date_created)
        return {
            "sid": self.sid,
            "account_sid": account_sid,
            "api_version": API_VERSION,
            "from": self.from_,
            "to": self.to,
            "body": self.body,
            "direction": "outbound-api",
            "status": "queued" if queued else self.status,
            "num_segments": str(segments(self.body)),
            "num_media": "0",
            "date_created": date,
            "date_updated": date,
            "date_sent": None if queued else date,
            "error_code": None if queued else self.error_code,
            "error_message": None,
            "messaging_service_sid": None,
            "price": None,
            "price_unit": "USD",
            "uri": f"{uri}.json",
            "subresource_uris": {"media": f"{uri}/Media.json"},
        }


def segments(body: str) -> int:
    """Count the parts that a text is sent in, and billed as."""
    if all(sign in _GSM or sign in _GSM_PAIRS for sign in body):
        length, whole, part = sum(2 if sign in _GSM_PAIRS else 1 for sign in body), 160, 153
    else:
        length, whole, part = len(body.encode("utf-16-be", "surrogatepass")) // 2, 70, 67
    return 1 if length <= whole else -(-length // part)


def add_messages(router: APIRouter, messages: dict[str, SentMessage], numbers: Mapping[str, IncomingNumber]) -> None:
    """Add the resource; both by their SIDs."""

    @router.get("/{account}/Messages.json")
    async def list_messages(account: str, request: Request) -> dict[str, Any]:
        wanted = {name: request.query_params[name] for name in ("To", "From") if name in request.query_params}
        found = [message.resource(account) for message in reversed(list(messages.values()))]
        shown = [one for one in found if all(one[name.lower()] == value for name, value in wanted.items())]
        return page_of("messages", shown, request)

    @router.get("/{account}/Messages/{message}.json")
    async def fetch_message(account: str, message: str, request: Request) -> dict[str, Any]:
        if message not in messages:
            raise not_found(request)
        return messages[message].resource(account)

    @router.post("/{account}/Messages.json", status_code=201)
    async def create_message(account: str, request: Request) -> dict[str, Any]:
        message = _read(await fields_of(request), numbers.values())
        messages[message.sid] = message
        return message.resource(account, queued=True)


def _read(fields: Mapping[str, str], numbers: Iterable[IncomingNumber]) -> SentMessage:
    to, from_, body = fields.get("To", ""), fields.get("From", ""), fields.get("Body", "")
    if not to:
        raise Refused(400, 21604, "A 'To' phone number is required.")
    if not from_:
        raise Refused(400, 21603, "A 'From' phone number is required.")
    if not body:
        raise Refused(400, 21602, "Message body is required.")
    if len(body) > LONGEST:
        raise Refused(400, 21617, f"The concatenated message body exceeds the {LONGEST} character limit")
    if not _E164.fullmatch(to):
        raise Refused(400, 21211, f"Invalid 'To' Phone Number: {to}")
    if to == from_:
        raise Refused(400, 21266, f"'To' and 'From' number cannot be the same: {to}")
    own = next((number for number in numbers if number.phone_number == from_), None)
    if own is None:
        raise Refused(400, 21659, f"'From' {from_} is not a Twilio phone number or Short Code country mismatch")
    if not own.sms:
        raise Refused(400, 21661, f"'From' number {from_} is not SMS-capable")
    if to in _FOR_TESTS:
        code, text = _FOR_TESTS[to]
        raise Refused(400, code, text.format(to))
    return SentMessage(to=to, from_=from_, body=body)
