"""TwiML, the XML that tells Twilio what to do with a call: written by the server, read by the emulated carrier.

Pure. Only the verbs that this project writes, and those that another server is likely to answer the emulated carrier
with. It must not know when which verb is right. https://www.twilio.com/docs/voice/twiml
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, assert_never
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import msgspec

from voice_agent.errors import PeerError

Method = Literal["GET", "POST"]

_KEYS = re.compile("[0-9*#wW]*")

PARAMETER_LIMIT = 500
"""Characters: name and value of a `<Parameter>` must stay under it together.
https://www.twilio.com/docs/voice/twiml/stream#custom-parameters"""


class Say(msgspec.Struct, frozen=True):
    """Speak a text in the carrier's own voice."""

    text: str
    language: str = ""
    voice: str = ""


class Play(msgspec.Struct, frozen=True):
    """Play a sound file, or keys."""

    url: str = ""
    digits: str = ""
    """`w` waits half a second, `W` a second."""


class Pause(msgspec.Struct, frozen=True):
    """Wait."""

    length_s: int = 1


class Connect(msgspec.Struct, frozen=True, kw_only=True):
    """A two-way media stream; what follows waits until the stream has ended."""

    url: str
    name: str = ""
    parameters: dict[str, str] = {}
    action: str = ""
    """Asked for further TwiML when the stream has ended; empty: the next verb runs."""
    method: Method = "POST"
    status_callback: str = ""
    """Told when the stream starts and stops; empty: nobody is."""


class Dial(msgspec.Struct, frozen=True, kw_only=True):
    """Call somebody and join the two."""

    number: str = ""
    sip: str = ""
    """A SIP address."""
    conference: str = ""
    """A room of that name in which calls meet; one of the three is there."""
    ends_conference: bool = False
    """When this call leaves the room, everybody does."""
    action: str = ""
    """Asked for further TwiML when that is over, or came to nothing; `DialCallStatus` says which."""
    method: Method = "POST"
    timeout_s: int = 30
    """How long it may ring."""
    caller_id: str = ""
    """What is shown there; empty: the caller's number."""

    @property
    def address(self) -> str:
        """Who is called."""
        return self.number or self.sip or self.conference


class Record(msgspec.Struct, frozen=True):
    """Record what the caller says, behind a beep; ended by silence, a key or the caller's hang-up."""

    action: str
    """Asked for further TwiML when there is a recording; where nothing was said the next verb runs."""
    longest_s: int = 3600


class Redirect(msgspec.Struct, frozen=True):
    """Go on with the TwiML of another address."""

    url: str
    method: Method = "POST"


class Hangup(msgspec.Struct, frozen=True):
    """End the call."""


class Reject(msgspec.Struct, frozen=True):
    """Do not answer the call, which then costs nothing; only as the first verb."""

    reason: Literal["rejected", "busy"] = "rejected"
    """What the caller hears: that the number is not in service, or the tone of a busy line."""


Verb = Say | Play | Pause | Connect | Dial | Record | Redirect | Hangup | Reject


# --- writing ---------------------------------------------------------------------------------------------------------


def connect_stream(
    url: str,
    parameters: Mapping[str, str],
    action: str,
    say: str | None = None,
    language: str | None = None,
    *,
    press: str = "",
    status_callback: str = "",
) -> str:
    """Stream the call to `url` (ws or wss, no query), after an optional line said by the carrier, and keys.

    `action` decides what becomes of the call when the stream has ended. Raises `ValueError` for what Twilio refuses.
    """
    spoken = [Say(say, language or "")] if say else []
    pressed = [Play(digits=press)] if press else []
    connect = Connect(url=url, parameters=dict(parameters), action=action, status_callback=status_callback)
    return render([*spoken, *pressed, connect])


def hang_up(say: str | None = None, language: str | None = None) -> str:
    """End the call, after an optional line said by the carrier."""
    spoken = [Say(say, language or "")] if say else []
    return render([*spoken, Hangup()])


def busy() -> str:
    """Do not answer: the caller hears the tone of a busy line."""
    return render([Reject("busy")])


def render(verbs: Iterable[Verb]) -> str:
    """Write verbs, in the order in which they shall run. Raises `ValueError` for what XML or Twilio refuses."""
    response = ET.Element("Response")
    for verb in verbs:
        _append(response, verb)
    text = ET.tostring(response, encoding="unicode")
    if found := _NOT_XML.search(text):
        raise ValueError(f"TwiML cannot hold the character {found[0]!r}")
    return f'<?xml version="1.0" encoding="UTF-8"?>{text}'


_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""XML 1.0, 2.2: these cannot be written, not even escaped."""


def _append(parent: ET.Element, verb: Verb) -> None:
    match verb:
        case Say(text, language, voice):
            _element(parent, "Say", text, language=language, voice=voice)
        case Play(url, digits):
            if not _KEYS.fullmatch(digits):
                raise ValueError(f"{digits[:40]!r} cannot be pressed")
            _element(parent, "Play", url, digits=digits)
        case Pause(length_s):
            _element(parent, "Pause", length=str(length_s))
        case Connect():
            if problem := _stream_problem(verb):
                raise ValueError(problem)
            connect = _element(parent, "Connect", action=verb.action, method=_unless_post(verb.method))
            stream = _element(connect, "Stream", url=verb.url, name=verb.name, statusCallback=verb.status_callback)
            for name, value in verb.parameters.items():
                # An empty value is said, unlike an empty attribute elsewhere: the name alone may mean something.
                ET.SubElement(stream, "Parameter", {"name": name, "value": value})
        case Dial():
            dial = _element(
                parent,
                "Dial",
                action=verb.action,
                method=_unless_post(verb.method),
                timeout=str(verb.timeout_s),
                callerId=verb.caller_id,
            )
            if verb.conference:
                ends = "true" if verb.ends_conference else ""
                _element(dial, "Conference", verb.conference, endConferenceOnExit=ends, beep="false")
            else:
                _element(dial, "Sip" if verb.sip else "Number", verb.address)
        case Record(action, longest_s):
            _element(parent, "Record", action=action, maxLength=str(longest_s))
        case Redirect(url, method):
            _element(parent, "Redirect", url, method=_unless_post(method))
        case Hangup():
            _element(parent, "Hangup")
        case Reject(reason):
            _element(parent, "Reject", reason=reason)
        case _:
            assert_never(verb)


def _element(parent: ET.Element, tag: str, text: str = "", **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, tag, {name: value for name, value in attributes.items() if value})
    element.text = text or None
    return element


def _unless_post(method: Method) -> str:
    return "" if method == "POST" else method


# --- reading ---------------------------------------------------------------------------------------------------------


def parse(xml: str) -> list[Verb]:
    """Read the verbs of a `<Response>`; raises `PeerError` with one line that says what a carrier would not take."""
    if "<!DOCTYPE" in xml or "<!ENTITY" in xml:
        raise PeerError("TwiML: a document type declaration is not allowed")
    try:
        response = ET.fromstring(xml)  # noqa: S314 - without a DTD there are no entities to expand
    except (ET.ParseError, ValueError) as error:  # ValueError: lone surrogates
        raise PeerError(f"TwiML: not XML ({error})") from None
    if response.tag != "Response":
        raise PeerError(f"TwiML: the root is <{response.tag[:40]}>, not <Response>")
    return [_verb(element) for element in response]


def _verb(element: ET.Element) -> Verb:
    reader = _READERS.get(element.tag)
    if reader is None:
        raise PeerError(f"TwiML: the verb <{element.tag[:40]}> is not known here")
    return reader(element)


def _say(element: ET.Element) -> Say:
    # SSML inside is read for its words.
    return Say("".join(element.itertext()).strip(), element.get("language", ""), element.get("voice", ""))


def _play(element: ET.Element) -> Play:
    digits = element.get("digits", "")
    if not _KEYS.fullmatch(digits):
        raise PeerError(f"TwiML: digits={digits[:40]!r} of <Play> are not 0-9, *, #, w and W")
    return Play(_text(element), digits)


def _pause(element: ET.Element) -> Pause:
    return Pause(_seconds(element, "length", 1))


def _connect(element: ET.Element) -> Connect:
    stream = element.find("Stream")
    if stream is None:
        raise PeerError("TwiML: <Connect> without <Stream> is not known here")
    verb = Connect(
        url=stream.get("url", "").strip(),
        name=stream.get("name", ""),
        parameters={item.get("name", ""): item.get("value", "") for item in stream.iterfind("Parameter")},
        action=element.get("action", ""),
        method=_method(element),
        status_callback=stream.get("statusCallback", ""),
    )
    if problem := _stream_problem(verb):
        raise PeerError(f"TwiML: {problem}")
    return verb


def _dial(element: ET.Element) -> Dial:
    number, sip, room = element.find("Number"), element.find("Sip"), element.find("Conference")
    dialled = _text(element if number is None else number)
    address, name = ("" if noun is None else _text(noun) for noun in (sip, room))
    if sum(map(bool, (dialled, address, name))) != 1:
        raise PeerError("TwiML: <Dial> without one number, SIP address or conference is not known here")
    return Dial(
        number=dialled,
        sip=address,
        conference=name,
        ends_conference=room is not None and room.get("endConferenceOnExit", "false").lower() == "true",
        action=element.get("action", ""),
        method=_method(element),
        timeout_s=_seconds(element, "timeout", 30),
        caller_id=element.get("callerId", ""),
    )


def _record(element: ET.Element) -> Record:
    return Record(element.get("action", ""), _seconds(element, "maxLength", 3600))


def _redirect(element: ET.Element) -> Redirect:
    return Redirect(_text(element), _method(element))


def _hangup(_: ET.Element) -> Hangup:
    return Hangup()


def _reject(element: ET.Element) -> Reject:
    reason = element.get("reason", "rejected")
    if reason not in ("rejected", "busy"):
        raise PeerError(f"TwiML: reason={reason[:40]!r} of <Reject> is neither rejected nor busy")
    return Reject("busy" if reason == "busy" else "rejected")


_READERS: Mapping[str, Callable[[ET.Element], Verb]] = {
    "Say": _say,
    "Play": _play,
    "Pause": _pause,
    "Connect": _connect,
    "Dial": _dial,
    "Record": _record,
    "Redirect": _redirect,
    "Hangup": _hangup,
    "Reject": _reject,
}


def _text(element: ET.Element) -> str:
    return (element.text or "").strip()


def _method(element: ET.Element) -> Method:
    method = element.get("method", "POST").upper()
    if method == "GET":
        return "GET"
    if method == "POST":
        return "POST"
    raise PeerError(f"TwiML: method={method[:40]!r} of <{element.tag}> is neither GET nor POST")


def _seconds(element: ET.Element, name: str, default: int) -> int:
    value = element.get(name)
    if value is None:
        return default
    if re.fullmatch("[0-9]{1,5}", value) is None:
        raise PeerError(f"TwiML: {name}={value[:40]!r} of <{element.tag}> is not a number of seconds")
    return int(value)


def _stream_problem(verb: Connect) -> str:
    """Say what Twilio refuses in a stream; empty if nothing. Plain ws is for the emulated carrier only."""
    try:
        url = urlsplit(verb.url)
    except ValueError:
        return "the stream's url is not an address (Twilio error 31923)"
    if url.scheme not in {"ws", "wss"}:
        return "the stream's url must begin with wss:// (Twilio error 31922)"
    if not url.hostname:
        return "the stream's url names no host (Twilio error 31923)"
    if "?" in verb.url:
        return "the stream's url must have no query string (Twilio error 31920); use parameters"
    for name, value in verb.parameters.items():
        if not name or len(name) + len(value) >= PARAMETER_LIMIT:
            return f"parameter {name[:40]!r}: name and value must have 1 to {PARAMETER_LIMIT - 1} characters together"
    return ""
