"""A recorded call without what must not be kept: its secret turns silent and wordless, everything derived made again.

The API gives no times of words, so the whole turn goes in which something was found, sound and text. Of the caller only
those turns are heard afterwards whose words are known and hold nothing; what lies between turns, or was never
transcribed, is silence. The inputs so redacted are fed to a new bridge at the same times, and what that gives is the
new recording: therefore it replays strictly. Where the core listens to the loudness of a voice (a barge-in policy with
a length) it may act otherwise in a turn that was silenced.
"""

import re
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

import msgspec

from voice_agent.audio.mulaw import SILENCE
from voice_agent.call.conversation import AgentTurn, CallerTurn, KeysTurn, ToolTurn, Turn
from voice_agent.call.keys import BETWEEN_KEYS_MS
from voice_agent.errors import CommandError, PeerError
from voice_agent.live.clips import hashes
from voice_agent.live.recorded import describe
from voice_agent.recording.cutting import find_audio, sealed_length
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.format import Header
from voice_agent.recording.reader import Recording
from voice_agent.recording.redact import SHORTEST_KNOWN, Finder, Wanted, digits_of
from voice_agent.recording.redacting import Redactor, item_of
from voice_agent.recording.writer import written
from voice_agent.review.feeding import Failed, input_of, refeed
from voice_agent.wire import realtime, twilio

BEFORE_MS = 500
"""So much before `speech_started` belongs to a turn: the detector is late."""

KEY_BEFORE_MS, KEY_AFTER_MS = 1000, 500
"""A turn that comes so close to a key may hold its tone: that sounds before its message comes."""

GIVEN_AGAIN_FRAMES = 1000
"""So many frames at most may another session be given once more: more than 15 s of them."""

_PHONE_BYTES_PER_MS = 8
_BYTES_PER_MS = {"pcm24k": 48, "g711": 8}


def redact(recording: Recording, clips: Mapping[str, bytes], wanted: Wanted) -> bytes:
    """Give the redacted recording; of one that is cut short, its readable part, cut short too.

    Raises `CommandError` when the recording is damaged, or today's bridge cannot be fed with it.
    """
    try:
        plan = _Plan(recording, wanted)
        # Whole between the two, for what a seal stands for cannot be sealed once more.
        between = msgspec.structs.replace(plan.header, audio="kept")
        inputs = Recording(written(between, plan.redacted(recording), whole=True))
        today = {name: hashed for name, hashed in hashes(clips).items() if name in plan.header.clips}
        header = msgspec.structs.replace(plan.header, clips=today, made_by=f"voice-agent {version('voice-agent')}")
        return written(header, _derived(inputs, clips), whole=recording.cut_at is None)
    except PeerError as error:
        raise CommandError(f"the recording cannot be redacted: {error}") from None
    except Failed as failed:
        raise CommandError(f"the recording cannot be redacted: today's bridge fails on it: {failed}") from None
    except RecursionError:
        raise CommandError("the recording cannot be redacted: a message in it is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise CommandError(
            f"the recording cannot be redacted: a word or pattern is found in a setting of its agent ({error}); "
            "take that word out of the list"
        ) from None


def _derived(inputs: Recording, clips: Mapping[str, bytes]) -> Iterator[Step]:
    """Make the outputs again; remarks stay where they are."""
    outputs = refeed(inputs, clips)
    for step in inputs.steps():
        if step.received is not None and step.received.way == "remark":
            yield step
        else:
            yield msgspec.structs.replace(step, sent=tuple(describe(output) for output in next(outputs)[1]))


class _Turn:
    """One item of the conversation, or one tool call: its words as far as they came, and when the caller spoke it."""

    def __init__(self) -> None:
        self.of_caller = False
        self.of_tool = False
        self.tool = ""
        """Its name, if it is known."""
        self.session = 0
        """In which session of the model it was heard."""
        self.began_ms: int | None = None
        """On that session's audio clock; `None`: not a turn of the caller's voice."""
        self.ended_ms: int | None = None
        self.pieces: dict[str, str] = defaultdict(str)
        """Deltas, joined by the type of their event."""
        self.wholes: set[str] = set()

    @property
    def texts(self) -> list[str]:
        """All forms in which its words came."""
        return [text for text in (*self.pieces.values(), *sorted(self.wholes)) if text.strip()]

    @property
    def words(self) -> str:
        """The fullest of them."""
        return max(self.texts, key=len, default="")

    @property
    def is_known(self) -> bool:
        """Whether all that was said is there as text: the pieces of a caller's turn may have ended anywhere."""
        return any(text.strip() for text in self.wholes) or (not self.of_caller and bool(self.words))


class _Survey:
    """What a call holds, before anything is taken out."""

    def __init__(self, header: Header) -> None:
        self.turns: dict[str, _Turn] = defaultdict(_Turn)
        self.clock = _FrameClock(_BYTES_PER_MS[header.setup.model.audio])
        self.keys = _Keys()
        resumed = header.setup.resumed
        for turn in () if resumed is None else resumed.conversation.turns:
            self._take_former(turn)

    def _take_former(self, turn: Turn) -> None:
        """Take what was said before this recording began, which stands in its header."""
        match turn:
            case CallerTurn() | AgentTurn():
                self.turns[turn.item_id].of_caller = isinstance(turn, CallerTurn)
                self.turns[turn.item_id].wholes.add(turn.text)
            case ToolTurn():
                self.turns[turn.call_id].of_tool, self.turns[turn.call_id].tool = True, turn.name
                self.turns[turn.call_id].wholes |= {turn.arguments, turn.output or ""}
            case KeysTurn():
                self.keys.take_all(turn.digits)

    def take(self, index: int, step: Step) -> None:
        """Take one step."""
        received = step.received
        if received is not None and received.way == "phone":
            self._take_phone(index, step.now_ms, received.text)
        elif received is not None and find_audio(received.way, received.text) is None:
            self._take_words(received)
        if any(_connects(entry) for entry in step.sent):
            self.clock.begin_session()
        self.clock.appended(sum(_appended(entry) for entry in step.sent))

    def _take_phone(self, index: int, now_ms: int, text: str) -> None:
        try:
            message = twilio.parse(text)
        except PeerError:
            return
        if isinstance(message, twilio.Media) and message.media.track == "inbound":
            self.clock.frame(index, message.media.timestamp, len(message.media.payload) // _PHONE_BYTES_PER_MS)
        elif isinstance(message, twilio.Dtmf):
            self.keys.take(now_ms, message.dtmf.digit)
            self.clock.key()

    def _take_words(self, entry: Entry) -> None:
        try:
            value = msgspec.json.decode(entry.text)
        except (msgspec.DecodeError, UnicodeEncodeError):
            return
        if entry.way == "model":
            self._take_speech(entry.text)
        for item, kind, field, words in _words_in(value, "", ""):
            turn = self.turns[item]
            if field == "name":
                turn.tool = words
                continue
            turn.of_caller = turn.of_caller or "input_audio_transcription" in kind
            turn.of_tool = turn.of_tool or field in _FIELDS_OF_TOOLS
            if field == "delta" or kind.endswith(".segment"):
                turn.pieces[kind] += words
            else:
                turn.wholes.add(words)

    def _take_speech(self, text: str) -> None:
        try:
            message = realtime.parse(text)
        except PeerError:
            return
        if isinstance(message, realtime.SpeechStarted):
            turn = self.turns[message.item_id]
            turn.of_caller, turn.session = True, self.clock.session
            started_ms = message.audio_start_ms
            turn.began_ms = started_ms if turn.began_ms is None else min(turn.began_ms, started_ms)
        elif isinstance(message, realtime.SpeechStopped):
            turn = self.turns[message.item_id]
            turn.ended_ms = max(message.audio_end_ms, turn.ended_ms or 0)

    def joined(self) -> Iterator[tuple[str, list[tuple[str, int, int]]]]:
        """Join the words of the caller, of the agent, and of both, with the place of each turn.

        A number that is dictated in pieces, or read back in between, stands in several turns.
        """
        for speakers in ({True}, {False}, {True, False}):
            joined, places = "", []
            for item, turn in self.turns.items():
                if turn.of_caller in speakers and turn.words and not turn.of_tool:
                    places.append((item, len(joined), len(joined) + len(turn.words)))
                    joined += turn.words + "\n"
            yield joined, places

    def texts(self) -> Iterator[str]:
        """Give everything that was said, turn by turn and joined."""
        yield from (text for turn in self.turns.values() for text in turn.texts)
        yield from (joined for joined, _ in self.joined())


class _Keys:
    """Keys that were pressed, by the numbers that they are."""

    def __init__(self) -> None:
        self.numbers = [""]
        self._last_ms = 0

    def take(self, now_ms: int, key: str) -> None:
        """Take the next key."""
        if now_ms > self._last_ms + BETWEEN_KEYS_MS or self.numbers[-1].endswith(("#", "*")):
            self.numbers.append("")
        self.numbers[-1] += key
        self._last_ms = now_ms

    def take_all(self, keys: str) -> None:
        """Take what was pressed in one go."""
        self.numbers += [keys, ""]

    @property
    def known(self) -> set[str]:
        """Give the digits of each, and of all, for nobody knows where people pause."""
        return {digits_of(keys) for keys in (*self.numbers, "".join(self.numbers))}


class _Plan:
    """What goes and what stays."""

    def __init__(self, recording: Recording, wanted: Wanted) -> None:
        header = recording.header
        survey = _Survey(header)
        for index, step in enumerate(recording.steps()):
            survey.take(index, step)
        pressing = {item: keys for item, turn in survey.turns.items() if (keys := _pressed_by(header, turn))}
        numbers = _known_numbers(header) | survey.keys.known | {digits_of(keys) for keys in pressing.values()}
        words = (*wanted.words, *_given(header))
        finder = Finder(msgspec.structs.replace(wanted, words=words), numbers)
        # What was told once in full is known from then on in parts.
        finder = finder.knowing({number for text in survey.texts() for number in finder.numbers_in(text)})
        turns = survey.turns
        secret = {item for item, turn in turns.items() if any(map(finder.matches, turn.texts))}
        secret |= {item for item, turn in turns.items() if turn.texts and not turn.is_known}
        secret |= pressing.keys()
        for joined, places in survey.joined():
            for start, end in finder.spans(joined):
                secret |= {item for item, begins, ends in places if begins < end and start < ends}
        self._kept = {item for item, turn in turns.items() if turn.is_known} - secret
        spans = {item: _span(turn) for item, turn in turns.items() if turn.began_ms is not None}
        tones = survey.clock.keys()
        heard = {item for item in spans if not any(_touches(tone, spans[item]) for tone in tones)} & self._kept
        self._kept_frames = survey.clock.inside(
            [span for item, span in spans.items() if item in heard],
            [span for item, span in spans.items() if item not in heard],
        )
        model_silence = b"\0" if header.setup.model.audio == "pcm24k" else bytes([SILENCE])
        self._redactor = Redactor(
            finder,
            secret,
            keys=any(survey.keys.numbers),
            model_silence=model_silence,
            names=_names(header),
            pressing=pressing.keys(),
        )
        self.header = self._redactor.header(header)

    def redacted(self, recording: Recording) -> Iterator[Step]:
        """Give the steps with redacted inputs and no outputs."""
        for index, step in enumerate(recording.steps()):
            received = step.received
            if received is not None:
                if received.way in {"phone", "model"}:
                    received = describe(input_of(received, recording.header))  # with silence for what was not kept
                received = self._redactor.entry(received, silent=not self._keeps(index, received))
            yield Step(step.now_ms, received)

    def _keeps(self, index: int, received: Entry) -> bool:
        if received.way == "phone":
            return index in self._kept_frames
        if received.way != "model" or find_audio("model", received.text) is None:
            return False
        try:
            message = realtime.parse(received.text)
        except PeerError:
            return False
        return isinstance(message, realtime.AudioDelta) and message.item_id in self._kept


_Span = tuple[int, float, float]
"""A session, and from when to when on its clock."""


def _lies_in(place: _Span, span: _Span) -> bool:
    return place[0] == span[0] and span[1] <= place[1] and place[2] <= span[2]


def _touches(place: _Span, span: _Span) -> bool:
    return place[0] == span[0] and place[1] < span[2] and span[1] < place[2]


class _FrameClock:
    """Brings the session's audio clock and the carrier's frames together.

    The session counts what was appended; a frame is appended in the step that brings it, or waits for the session. One
    that takes a call over is given what the former one had not understood once more: such a frame lies on both clocks.
    """

    def __init__(self, bytes_per_ms: int) -> None:
        self._bytes_per_ms = bytes_per_ms
        self._appended = 0
        self.session = 0
        """The number of the session that there is."""
        self._waiting: list[tuple[int, int, int]] = []
        self._given: list[tuple[int, int, int]] = []
        """The frames that a former session was given, once there is another."""
        self._frames: deque[tuple[int, int, int]] = deque(maxlen=GIVEN_AGAIN_FRAMES)
        self._placed: dict[int, list[_Span]] = defaultdict(list)
        """By step: where its frame lies on the clocks of sessions."""
        self._at_keys: list[int] = []
        """The steps of the frames behind which keys came."""

    def frame(self, index: int, timestamp_ms: int, length_ms: int) -> None:
        """A frame came in this step."""
        frame = (index, timestamp_ms, timestamp_ms + length_ms)
        self._waiting.append(frame)
        self._frames.append(frame)

    def key(self) -> None:
        """A key came."""
        if self._frames:
            self._at_keys.append(self._frames[-1][0])

    def keys(self) -> list[_Span]:
        """Give where the tones of keys may lie."""
        return [
            (session, start - KEY_BEFORE_MS, end + KEY_AFTER_MS)
            for index in self._at_keys
            for session, start, end in self._placed.get(index, ())
        ]

    def begin_session(self) -> None:
        """Another session begins, which counts from nothing."""
        self.session += 1
        self._appended = 0
        self._given = [frame for frame in self._frames if frame not in self._waiting]

    def appended(self, count: int) -> None:
        """So many bytes went to the session in this step, those of the last frame at their end."""
        if not count:
            return
        self._appended += count
        if self._waiting:
            behind_ms = self._appended / self._bytes_per_ms - self._waiting[-1][2]
            for index, start, end in (*self._given, *self._waiting):
                if end + behind_ms > 0:
                    self._placed[index].append((self.session, start + behind_ms, end + behind_ms))
            self._given.clear()
            self._waiting.clear()

    def inside(self, kept: list[_Span], others: list[_Span]) -> set[int]:
        """Give the steps whose frames lie in one of the first and touch none of the others."""
        return {
            index
            for index, places in self._placed.items()
            if any(_lies_in(place, span) for place in places for span in kept)
            and not any(_touches(place, span) for place in places for span in others)
        }


def _names(header: Header) -> set[str]:
    """Name those that a call can be handed over to, or transferred, and the keys that can be pressed."""
    agents = (header.setup.agent, *header.setup.others)
    lists = [tool.transfer.to for agent in agents for tool in agent.tools if tool.transfer is not None]
    lists += _keys_by_tool(header).values()
    return {agent.name for agent in agents} | {name for names in lists for name in names}


def _pressed_by(header: Header, turn: _Turn) -> str:
    """Give the keys that a tool call had pressed, or would have, had the model not made them up; empty: none."""
    named = _keys_by_tool(header).get(turn.tool)
    if named is None or not turn.of_tool:
        return ""
    for text in turn.texts:
        try:
            keys = msgspec.json.decode(text, type=_Pressing).digits
        except (ValueError, RecursionError):  # an answer; or no JSON, no Unicode, nested beyond reason
            continue
        if keys and keys not in named:
            return keys
    return ""


class _Pressing(msgspec.Struct):
    digits: str = ""


def _keys_by_tool(header: Header) -> dict[str, dict[str, str]]:
    """Give the names that keys have, by the tools that press them."""
    agents = (header.setup.agent, *header.setup.others)
    return {tool.name: tool.keys.named for agent in agents for tool in agent.tools if tool.keys is not None}


def _given(header: Header) -> set[str]:
    """Give what a call was placed with, or was found while it rang, if it looks like a name or a number, and its parts.

    What is in small letters is a word of everybody's, such as what stands there for callers whom nobody knows.
    """
    agents = (header.setup.agent, *header.setup.others)
    looked_up = [name for agent in agents if agent.lookup is not None for name in agent.lookup.variables]
    asked = {*looked_up, *header.setup.given}  # older recordings do not tell what was given
    found = {agent.variables[name] for agent in agents for name in asked if name in agent.variables}
    names = {text for text in found if re.search(r"\w", text) and text != text.lower()}
    numbers = {digits for text in found for digits in (digits_of(text), *re.findall(r"\d+", text))}
    parts = {part for name in names if name.istitle() for part in re.findall(r"[^\W\d_]{3,}", name)}
    return names | parts | {digits for digits in numbers if len(digits) >= SHORTEST_KNOWN}


def _known_numbers(header: Header) -> set[str]:
    setup = header.setup
    agents = (setup.agent, *setup.others)
    named = [setup.caller, setup.called, *(number for agent in agents for number in agent.numbers)]
    named += [value for name, value in header.webhook.items() if name in {"From", "To", "Caller", "Called"}]
    named += [keys for by_name in _keys_by_tool(header).values() for keys in by_name.values()]
    return {digits_of(number) for number in named}


def _span(turn: _Turn) -> _Span:
    assert turn.began_ms is not None, "asked only of the caller's turns"
    return turn.session, turn.began_ms - BEFORE_MS, float("inf") if turn.ended_ms is None else turn.ended_ms


def _connects(sent: Entry) -> bool:
    return sent.way == "fact" and '"ConnectModel"' in sent.text[:40]


def _appended(sent: Entry) -> int:
    """Say how many bytes of sound an output gave to the session."""
    sealed = sealed_length(sent.way, sent.text) if sent.way == "model" else None
    return 0 if sealed is None else sealed[2]


_FIELDS_OF_TOOLS = ("arguments", "output", "cause")
_FIELDS = ("delta", "transcript", "text", *_FIELDS_OF_TOOLS)


def _words_in(value: Any, kind: str, item: str) -> Iterator[tuple[str, str, str, str]]:
    """Give what a message says of items: item, type of event, field, words."""
    if isinstance(value, list):
        for part in value:
            yield from _words_in(part, kind, item)
    elif isinstance(value, dict):
        item = item_of(value) or item
        own = value.get("type")
        kind = kind or (own if isinstance(own, str) else "")
        for field, part in value.items():
            if field in (*_FIELDS, "name") and isinstance(part, str) and item:
                yield item, kind, field, part
            elif isinstance(part, dict | list):
                yield from _words_in(part, kind, item)
