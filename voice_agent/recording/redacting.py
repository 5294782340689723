"""Takes what was found out of texts: of the two protocols' messages, of facts, and of the header.

It knows which fields of a message name things, which hold sound and which hold words; whose turn a message speaks of is
told to it. Every text that is left is searched too, so a field that nobody has thought of hides nothing.
"""

import functools
import json
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec
import pybase64

from voice_agent.audio.dtmf import KEYS, WAITS_MS
from voice_agent.audio.mulaw import SILENCE
from voice_agent.recording.cutting import decode_exactly
from voice_agent.recording.entries import Entry
from voice_agent.recording.format import Header
from voice_agent.recording.redact import REDACTED, Finder

REDACTED_ARGUMENTS = '{"redacted":true}'
"""What stands in the place of a tool's arguments: still an object."""

KEYS_SENT = frozenset({*KEYS, *WAITS_MS, "-", " "})
"""What the model may write where keys are to be pressed."""

_NAMES = frozenset(["type", "event", "object", "status", "role", "code", "id", "streamSid", "callSid", "call_sid"])
"""Fields that name things, beside those that end in `_id`; they hold a call together."""

_IDENTIFIER = re.compile(r"[\w./:-]*")
"""All that vendors and we have called anything by."""

_COUNTS = frozenset(["sequenceNumber", "chunk", "timestamp", "expires_at", "created_at", "received_at"])
"""Long numbers that are nobody's, beside the fields that end in `_ms` and `_tokens`."""

_OF_ITEMS = frozenset(["name", "format", "phase", "server_label", "agent"])
"""Fields of an item that are not its words."""

_LONG = frozenset(["instructions", "description", "greeting", "consent", "prompt"])
"""Texts of which only what was found is taken out."""

_BY_USERS = frozenset(["variables", "values", "headers", "body"])
"""Objects whose keys are a user's, so that none of them names a thing of a protocol."""

_NAMED_BY_USERS = frozenset(["to", "named", "properties"])
"""Objects whose own keys are a user's: destinations, keys to be pressed, parameters of a tool."""

_OF_PROTOCOLS = frozenset(
    [
        *("approval_request_id", "arguments", "audio", "audio_end_ms", "audio_start_ms", "call_id", "code", "content"),
        *(
            "content_index",
            "delta",
            "error",
            "event_id",
            "id",
            "item",
            "item_id",
            "message",
            "metadata",
            "name",
            "output",
        ),
        *("previous_item_id", "response", "response_id", "server_label", "session", "status", "status_details", "text"),
        *("tools", "transcript", "type", "usage", "role", "reason", "total_tokens", "input_tokens", "output_tokens"),
        *("input_token_details", "output_token_details", "cached_tokens", "cached_tokens_details", "text_tokens"),
        *("audio_tokens", "seconds", "expires_at", "accountSid", "callSid", "channels", "chunk", "customParameters"),
        *("digit", "dtmf", "encoding", "event", "mark", "media", "mediaFormat", "payload", "protocol", "sampleRate"),
        *("sequenceNumber", "start", "stop", "streamSid", "timestamp", "track", "tracks", "version"),
    ]
)
"""Fields that the bridge reads in messages: Mark may be a name on the list, and a message without `mark` is none."""

_CONTENT_WITH_SOUND = frozenset(["input_audio", "output_audio", "audio"])

_KEY_ON_SIP = "input_audio_buffer.dtmf_event_received"
_WEBHOOK_NUMBERS = frozenset(["From", "To", "Caller", "Called"])
_WEBHOOK_KEPT = frozenset(["CallSid", "CallStatus", "Direction", "ApiVersion"])

_CACHED = 4096
"""Texts whose answer is remembered: the same short ones come with each of 50 frames a second."""


class _Place(msgspec.Struct, frozen=True):
    """Where in a message a value stands."""

    secret: bool = False
    """In what belongs to an item whose texts go whole."""
    silent: bool = True
    sound: str = ""
    """The field of this object that holds sound."""
    by_users: bool = False
    """The names of its fields are a user's."""
    pressing: bool = False
    """In a tool call that presses keys."""


class Redactor:
    """Redacts the texts of one call."""

    def __init__(
        self,
        finder: Finder,
        secret_items: AbstractSet[str],
        *,
        keys: bool,
        model_silence: bytes,
        names: AbstractSet[str] = frozenset(),
        pressing: AbstractSet[str] = frozenset(),
    ) -> None:
        """`secret_items`: as `item_of` names them; `keys`: some were pressed, so texts for the model may tell them.

        `names`: of agents, destinations and keys, by which tools know them. `pressing`: those of the secret items that
        press keys; others are pressed then, as many.
        """
        self._names = names
        self._pressing = pressing
        self._finder = finder
        self._matches = functools.lru_cache(_CACHED)(finder.matches)
        self._secret_items = secret_items
        self._keys = keys
        self._model_silence = model_silence
        """One byte of it."""
        self._told: set[str] = set()

    def entry(self, entry: Entry, *, silent: bool) -> Entry:
        """Redact one text; `silent`: the sound in it goes too, its length stays."""
        try:
            value = json.loads(entry.text)
        except (ValueError, RecursionError):
            # What it holds nobody can say; a bridge passes over it, whatever it is.
            return Entry(entry.way, REDACTED)
        redacted = self._value("", value, _Place(silent=silent))
        return Entry(entry.way, json.dumps(redacted, ensure_ascii=False, separators=(",", ":")))

    def header(self, header: Header) -> Header:
        """Redact a header: of numbers only their length is left, of the webhook only what says nothing of people.

        Raises `msgspec.ValidationError` when a word was found in what can only be one of a few.
        """
        kept = header.setup.kept_greeting  # the agent's own words, the same to all callers
        before = msgspec.structs.replace(header.setup, kept_greeting=None)
        setup = self._value("", json.loads(msgspec.json.encode(before)), _Place())
        setup |= {"caller": without_digits(before.caller), "called": without_digits(before.called)}
        for written, agent in zip((setup["agent"], *setup["others"]), (before.agent, *before.others), strict=True):
            written["numbers"] = [without_digits(number) for number in agent.numbers]
            for tool, before_it in zip(written["tools"], agent.tools, strict=True):
                if before_it.keys is not None:
                    tool["keys"]["named"] = self._named_keys(before_it.keys.named)
        webhook = {
            name: without_digits(value) if name in _WEBHOOK_NUMBERS else value
            for name, value in header.webhook.items()
            if name in _WEBHOOK_NUMBERS | _WEBHOOK_KEPT
        }
        if kept is not None and self._matches(before.agent.greeting or ""):
            kept = bytes([SILENCE]) * len(kept)
        setup = msgspec.structs.replace(msgspec.convert(setup, type(before)), kept_greeting=kept)
        return msgspec.structs.replace(header, setup=setup, webhook=webhook, redacted=True)

    def _named_keys(self, named: Mapping[str, str]) -> dict[str, str]:
        return {REDACTED if self._matches(name) else name: _zeros(keys) for name, keys in named.items()}

    def _value(self, key: str, value: Any, place: _Place) -> Any:
        match value:
            case dict():
                return self._object(key, value, place)
            case list():
                # What names or counts a thing is one text; in a list under such a field may be anything.
                known = _is_name(key) or _is_count(key)
                return [self._value("" if known else key, part, place) for part in value]
            case str():
                return self._text(key, value, place)
            case int() if not _is_count(key) and self._finder.numbers_in(str(value)):
                return 0
            case _:
                return value

    def _object(self, key: str, value: dict[str, Any], place: _Place) -> dict[str, Any]:
        if key == "customParameters":
            return dict.fromkeys(value, "")
        if key == "mark" and value.keys() == {"name"} and _is_identifier(value["name"]):
            return value  # one of ours
        kind = str(value.get("type"))
        if kind == _KEY_ON_SIP:
            return {**value, "event": "0"}
        item = item_of(value)
        sound = "delta" if kind.endswith("audio.delta") else ""
        sound = "payload" if key == "media" else "audio" if kind in _CONTENT_WITH_SOUND else sound
        secret = place.secret or item in self._secret_items or (self._keys and kind == "input_text")
        pressing = place.pressing or item in self._pressing
        inside = _Place(secret, place.silent, sound, place.by_users or key in _BY_USERS, pressing)
        known = frozenset[str]() if inside.by_users or key in _NAMED_BY_USERS else _OF_PROTOCOLS
        return {
            name if name in known or not self._matches(name) else REDACTED: self._part(name, part, item, inside)
            for name, part in value.items()
        }

    def _part(self, name: str, part: Any, item: str, place: _Place) -> Any:
        if name == "logprobs" and place.secret:
            return None
        if name == "delta" and place.secret and not place.sound and isinstance(part, str):
            # Once for a turn, however many pieces its words came in.
            first = item not in self._told
            self._told.add(item)
            return REDACTED if first else ""
        return self._value(name, part, place)

    def _text(self, key: str, text: str, place: _Place) -> str:
        if key and key == place.sound:
            return self._sound(key, text) if place.silent or key == "audio" else text
        if not place.by_users and _is_name(key):
            return REDACTED if not _is_identifier(text) and self._matches(text) else text
        if not place.by_users and _is_count(key) and text.isdecimal():
            return text
        if key == "accountSid":
            return f"AC{'0' * 32}"
        if key in {"digit", "digits"}:
            return without_digits(text)
        if key in _LONG and not place.secret:
            return self._finder.censor(text)
        if (place.secret and key not in _OF_ITEMS) or self._matches(text):
            return self._arguments(text, pressing=place.pressing) if key == "arguments" else REDACTED
        return text

    def _arguments(self, text: str, *, pressing: bool) -> str:
        """Keep of a tool's arguments what the call's course hangs on: whom it goes to, how many keys are pressed."""
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            return REDACTED_ARGUMENTS
        for field in ("to", "digits"):
            value = given.get(field) if isinstance(given, dict) else None
            if isinstance(value, str) and value in self._names and not self._matches(value):
                return json.dumps({field: value})
            if isinstance(value, str) and field == "digits" and pressing and KEYS_SENT.issuperset(value):
                return json.dumps({field: _zeros(value)})
        return REDACTED_ARGUMENTS

    def _sound(self, key: str, payload: str) -> str:
        audio = None if key == "audio" else decode_exactly(payload)
        if audio is None:
            return ""  # `audio`: an item that was asked for back, which no call does
        silence = bytes([SILENCE]) if key == "payload" else self._model_silence
        return pybase64.b64encode_as_string(silence * len(audio))


def item_of(value: Mapping[str, Any]) -> str:
    """Name what an object of the protocol speaks of: a tool call, with its answer, or else an item; empty: neither."""
    for field in ("call_id", "item_id", "id"):
        named = value.get(field)
        if isinstance(named, str) and named:
            return named
    return ""


def without_digits(number: str) -> str:
    """Write 0 for each digit of a number or key; what is no number, such as a SIP address, goes whole."""
    return REDACTED if any(character.isalpha() for character in number) else _zeros(number)


def _zeros(keys: str) -> str:
    return "".join("0" if character.isdecimal() else character for character in keys)


def _is_name(key: str) -> bool:
    return key in _NAMES or key.endswith("_id")


def _is_identifier(text: Any) -> bool:
    """Say whether a text can be the name of a thing, and none that people say."""
    return isinstance(text, str) and _IDENTIFIER.fullmatch(text) is not None


def _is_count(key: str) -> bool:
    return key in _COUNTS or key.endswith(("_ms", "_tokens"))
