"""Calls that the REST API places: what may be asked for, and what is refused with which of Twilio's numbers.

Numbers of Twilio's own for tests are refused as they are there: https://www.twilio.com/docs/iam/test-credentials.
https://www.twilio.com/docs/voice/api/call-resource#create-a-call-resource
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

from voice_agent.emulator.twilio.callee import Callee, Detection
from voice_agent.emulator.twilio.customer import STATUS_EVENTS, Order
from voice_agent.emulator.twilio.documents import Address, Document, read
from voice_agent.emulator.twilio.refusal import INVALID_PARAMETER, Refused
from voice_agent.emulator.twilio.resources import is_url
from voice_agent.emulator.twilio.webhook import WebhookError
from voice_agent.wire.twiml import Method

Callees = Callable[[str], Callee]
"""Who is at a number."""

MOST_TWIML = 4000
MOST_DIGITS = 32
TIMEOUT_S = (1, 600, 60)
"""Lowest, highest, usual; as all bounds here."""

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_SIP = re.compile(r"sips?:[^@\s]+@[^@\s]+")
_DIGITS = re.compile("[0-9A-D#*wW]*")

_FOR_TESTS = {
    "+15005550001": (21217, "Phone number does not appear to be valid: {}"),
    "+15005550002": (21214, "'To' phone number cannot be reached: {}"),
    "+15005550003": (21215, "Account not authorized to call {}. Perhaps you need to enable some geo permissions"),
    "+15005550004": (21216, "Account not allowed to call {}"),
}
_INVALID_FROM = "+15005550001"

_TIMES = {
    "MachineDetectionTimeout": (3, 59, 30),
    "MachineDetectionSpeechThreshold": (1000, 6000, 2400),
    "MachineDetectionSpeechEndThreshold": (500, 5000, 1200),
    "MachineDetectionSilenceTimeout": (2000, 10_000, 5000),
}


def read_order(form: Sequence[tuple[str, str]], own: Collection[str], callees: Callees) -> Order:
    """Read what a call shall be; `own`: the account's numbers. Raises `Refused`."""
    fields = {name: value for name, value in form if value}
    to, from_ = _ends(fields, own)
    digits, timeout = fields.get("SendDigits", ""), _whole(fields, "Timeout", TIMEOUT_S)
    if len(digits) > MOST_DIGITS or not _DIGITS.fullmatch(digits):
        raise Refused(400, INVALID_PARAMETER, f"SendDigits is not valid: {digits}")
    for name, code in (("FallbackUrl", 21205), ("StatusCallback", 21609)):
        if fields.get(name) and not is_url(fields[name]):
            raise Refused(400, code, f"{name} is not valid: {fields[name]}")
    return Order(
        from_=from_,
        to=to,
        first=_first(fields),
        fallback_url=fields.get("FallbackUrl", ""),
        status_callback=fields.get("StatusCallback", ""),
        status_events=_events([value for name, value in form if name == "StatusCallbackEvent"]),
        callee=callees(to),
        timeout_s=timeout,
        # The digits are for somebody's menu, so nobody asks who answers.
        detection=None if digits else _detection(fields),
    )


def _ends(fields: Mapping[str, str], own: Collection[str]) -> tuple[str, str]:
    to, from_ = fields.get("To", ""), fields.get("From", "")
    if not to:
        raise Refused(400, 21201, "No 'To' number is specified")
    if not from_:
        raise Refused(400, 21213, "No 'From' number is specified")
    if not _NUMBER.fullmatch(to) and not _SIP.fullmatch(to):
        raise Refused(400, 21211, f"Invalid 'To' Phone Number: {to}")
    if to in _FOR_TESTS:
        code, text = _FOR_TESTS[to]
        raise Refused(400, code, text.format(to))
    if from_ == _INVALID_FROM or not _NUMBER.fullmatch(from_):
        raise Refused(400, 21212, f"Invalid 'From' Phone Number: {from_}")
    if from_ not in own:
        raise Refused(400, 21210, f"'From' phone number not verified: {from_}")
    return to, from_


def _first(fields: Mapping[str, str]) -> Address | Document:
    url, text = fields.get("Url", ""), fields.get("Twiml", "")
    if url:
        if not is_url(url):
            raise Refused(400, 21205, f"Url is not a valid URL: {url}")
        method: Method = "GET" if fields.get("Method", "").upper() == "GET" else "POST"
        return Address(url, method)
    if not text:
        raise Refused(400, 21205, "Url parameter is required, or Twiml")
    if len(text) > MOST_TWIML:
        raise Refused(400, INVALID_PARAMETER, f"Twiml has more than {MOST_TWIML} characters")
    try:
        return read(text)
    except WebhookError as error:
        raise Refused(400, error.code, str(error)) from None


def _events(named: Sequence[str]) -> Collection[str]:
    wanted = [event for value in named for event in value.split()]
    if not set(wanted) <= set(STATUS_EVENTS):
        raise Refused(400, INVALID_PARAMETER, f"StatusCallbackEvent is one of {', '.join(STATUS_EVENTS)}")
    return wanted or ("completed",)


def _detection(fields: Mapping[str, str]) -> Detection | None:
    asked = fields.get("MachineDetection", "")
    if not asked:
        return None
    if asked not in ("Enable", "DetectMessageEnd"):
        raise Refused(400, 21263, f"MachineDetection is not valid: {asked}")
    mode: Literal["Enable", "DetectMessageEnd"] = "Enable" if asked == "Enable" else "DetectMessageEnd"
    times = {name: _whole(fields, name, bounds, 21263) for name, bounds in _TIMES.items()}
    callback = fields.get("AsyncAmdStatusCallback", "")
    is_async = fields.get("AsyncAmd", "false").lower() == "true"
    if is_async and not is_url(callback):
        raise Refused(400, 21262, f"AsyncAmdStatusCallback is not a valid URL: {callback}")
    return Detection(
        mode=mode,
        callback=callback if is_async else "",
        timeout_ms=times["MachineDetectionTimeout"] * 1000,
        speech_threshold_ms=times["MachineDetectionSpeechThreshold"],
        speech_end_threshold_ms=times["MachineDetectionSpeechEndThreshold"],
        silence_timeout_ms=times["MachineDetectionSilenceTimeout"],
    )


def _whole(fields: Mapping[str, str], name: str, bounds: tuple[int, int, int], code: int = INVALID_PARAMETER) -> int:
    lowest, highest, usual = bounds
    text = fields.get(name, str(usual))
    if not (text.isascii() and text.isdecimal() and len(text) < 6 and lowest <= int(text) <= highest):
        raise Refused(400, code, f"{name} is from {lowest} to {highest}, not {text}")
    return int(text)
