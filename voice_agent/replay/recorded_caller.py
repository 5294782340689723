"""The caller of a recorded call as a part that can be played again: what was said and pressed, and when.

Utterances are cut out by the session's own speech events. Where the agent could be heard when one began, it is an
interruption, at that distance into the answer; where the agent had answered before, it waits for an answer again.
It must not know who will answer.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping

import msgspec

from voice_agent.agent import ServerVad
from voice_agent.audio.levels import rms_dbfs
from voice_agent.call.commands import Interrupted
from voice_agent.emulator.caller import Move, Part, into_answer_ms
from voice_agent.emulator.twilio.hearing import Hearing
from voice_agent.errors import PeerError
from voice_agent.recording.cutting import find_audio, sealed_length
from voice_agent.recording.entries import Entry
from voice_agent.recording.reader import Recording
from voice_agent.recording.telling import clock
from voice_agent.replay.parts import BYTES_PER_MS, Parts, parts_of
from voice_agent.review.sound import sound
from voice_agent.sim.track import Track
from voice_agent.wire import realtime, twilio

BEFORE_MS = 200
"""Kept of what lies before `audio_start_ms`, which itself lies before the voice by the session's prefix padding."""

BEHIND_MS = 200
"""Kept of the silence by which the session knew that a turn had ended."""

KEYS_APART_MS = 2000
"""Keys that follow each other more quickly are pressed in one go."""

FAREWELL_S = 10.0
"""So much longer than then a caller waits for an agent that ended the call when it was recorded."""

SILENT_DBFS = -60.0
"""A turn that is no louder holds no voice: it was redacted."""

OVERLAP_MS = 300
"""Who falls silent so soon behind the caller's first sound had not finished."""

CUT_MS = 500
"""A cut that comes no later behind a turn is that turn's."""

_MODEL_BYTES_PER_MS = {"pcm24k": 48, "g711": 8}


class RecordedCaller(msgspec.Struct, frozen=True):
    """Who calls, and the part."""

    caller: str
    called: str
    part: Part
    remarks: tuple[str, ...]
    """What cannot be said again."""


def recorded_caller(recording: Recording, clips: Mapping[str, bytes]) -> RecordedCaller:
    """Take the caller out of a recording, as far as that can be read.

    Raises `PeerError` when it holds no call, `CommandError` when it holds no sound.
    """
    parts = parts_of(recording)
    if parts.stream is None:
        raise PeerError("the recording holds no stream, so nobody spoke in it")
    channels = sound(recording, clips)
    acts = sorted(_acts(recording, parts, len(channels.caller) // BYTES_PER_MS), key=lambda act: act.begin_ms)
    cuts_ms = [ms - parts.origin_ms for ms, report in parts.reports if isinstance(report, Interrupted)]
    listener = _Listener(channels.agent, cuts_ms)
    moves, remarks = [], []
    for act in acts:
        spoken = not act.keys and not act.leaves
        said = channels.caller[act.begin_ms * BYTES_PER_MS : act.end_ms * BYTES_PER_MS] if spoken else b""
        move = listener.move(act, said)
        if spoken and rms_dbfs(move.sound) < SILENT_DBFS:
            remarks.append(f"{move.name} is silent in the recording, as redacted turns are")
        moves.append(move)
    left = bool(moves) and moves[-1].leaves
    # An agent that ends a call may have waited for long, e.g. for a caller who says nothing.
    idle_ms = len(channels.caller) // BYTES_PER_MS - (acts[-1].end_ms if acts else 0)
    setup = recording.header.setup
    part = Part(moves=tuple(moves), linger_s=0 if left else FAREWELL_S + idle_ms / 1000)
    return RecordedCaller(setup.caller, setup.called, part, tuple(remarks))


class _Act(msgspec.Struct):
    """Something that the caller did, on the carrier's clock."""

    name: str
    begin_ms: int
    end_ms: int
    voice_ms: int
    """When it could be noticed: of an utterance the beginning of the voice."""
    keys: str = ""
    leaves: bool = False


def _acts(recording: Recording, parts: Parts, length_ms: int) -> Iterator[_Act]:
    yield from _utterances(recording, length_ms)
    keys: _Act | None = None
    for came_ms, digit in parts.keys:
        at_ms = max(0, came_ms - parts.origin_ms)
        if keys is not None and at_ms - keys.end_ms <= KEYS_APART_MS:
            keys.keys, keys.end_ms = keys.keys + digit, at_ms
            continue
        if keys is not None:
            yield keys
        keys = _Act(f"keys at {clock(came_ms)}", at_ms, at_ms, at_ms, keys=digit)
    if keys is not None:
        yield keys
    if parts.left is not None:
        at_ms = max(0, parts.left.ms - parts.origin_ms, length_ms)
        yield _Act("hanging up", at_ms, at_ms, at_ms, leaves=True)


def _utterances(recording: Recording, length_ms: int) -> Iterator[_Act]:
    """Find what the session took for speech."""
    setup = recording.header.setup
    detection = setup.agent.turn_detection
    usual = ServerVad()
    padding_ms = detection.prefix_padding_ms if isinstance(detection, ServerVad) else usual.prefix_padding_ms
    silence_ms = detection.silence_duration_ms if isinstance(detection, ServerVad) else 0
    spoken = _Spoken(_MODEL_BYTES_PER_MS[setup.model.audio])
    try:
        for step in recording.steps():
            spoken.take(step.now_ms, step.received, step.sent)
    except PeerError:
        pass  # up to the damage
    ended_ms = 0
    for number, span in enumerate(spoken.spans(), 1):
        end_ms = length_ms if span.end_ms is None else span.end_ms - max(0, silence_ms - BEHIND_MS)
        voice_ms = min(span.begin_ms + padding_ms, end_ms)
        begin_ms = max(span.begin_ms - BEFORE_MS, ended_ms)
        if begin_ms < end_ms:
            yield _Act(f"turn {number} ({clock(span.came_ms)})", begin_ms, end_ms, max(voice_ms, begin_ms))
            ended_ms = end_ms


class _Span(msgspec.Struct):
    """A stretch of speech on the carrier's clock."""

    came_ms: int
    """When the session told of it, in ms of the call."""
    begin_ms: int
    end_ms: int | None = None
    """`None`: it never ended."""


class _Spoken:
    """Reads the session's speech events and brings its clock, which counts what was appended, to the carrier's."""

    def __init__(self, bytes_per_ms: int) -> None:
        self._bytes_per_ms = bytes_per_ms
        self._appended = 0
        self._frame_end_ms: int | None = None
        self._anchors: list[tuple[int, int]] = []
        """The session's time behind an appended frame, and the carrier's."""
        self._spans: dict[str, _Span] = {}

    def take(self, now_ms: int, received: Entry | None, sent: tuple[Entry, ...]) -> None:
        """Take one step."""
        if received is not None and received.way == "phone":
            self._take_frame(received.text)
        elif received is not None and received.way == "model" and find_audio("model", received.text) is None:
            self._take_event(now_ms, received.text)
        count = sum(_appended(entry) for entry in sent)
        self._appended += count
        if count and self._frame_end_ms is not None:
            self._anchors.append((self._appended // self._bytes_per_ms, self._frame_end_ms))
            self._frame_end_ms = None

    def spans(self) -> list[_Span]:
        """Give all of it, in order; what never ended has no end."""
        return sorted(self._spans.values(), key=lambda span: span.begin_ms)

    def _take_frame(self, text: str) -> None:
        try:
            message = twilio.parse(text)
        except PeerError:
            return
        if isinstance(message, twilio.Media) and message.media.track == "inbound":
            self._frame_end_ms = message.media.timestamp + len(message.media.payload) // BYTES_PER_MS

    def _take_event(self, now_ms: int, text: str) -> None:
        try:
            message = realtime.parse(text)
        except PeerError:
            return
        if isinstance(message, realtime.SpeechStarted):
            begin_ms = self._on_carrier(message.audio_start_ms)
            self._spans.setdefault(message.item_id, _Span(now_ms, begin_ms)).end_ms = None
        elif isinstance(message, realtime.SpeechStopped) and message.item_id in self._spans:
            self._spans[message.item_id].end_ms = self._on_carrier(message.audio_end_ms)
        elif isinstance(message, realtime.SessionCreated):
            self._appended = 0
            self._anchors.clear()
            # What was open when a session was lost is heard by the next one, from its beginning.
            self._spans = {item_id: span for item_id, span in self._spans.items() if span.end_ms is not None}

    def _on_carrier(self, session_ms: int) -> int:
        if not self._anchors:
            return session_ms
        place = min(bisect_left(self._anchors, (session_ms, 0)), len(self._anchors) - 1)
        behind_ms, carrier_ms = self._anchors[place]
        return max(0, carrier_ms - (behind_ms - session_ms))


def _appended(entry: Entry) -> int:
    sealed = sealed_length(entry.way, entry.text) if entry.way == "model" else None
    return 0 if sealed is None else sealed[2]


class _Listener:
    """Turns acts into moves, by what of the agent could be heard when each began."""

    def __init__(self, agent: bytes, cuts_ms: list[int]) -> None:
        self._agent = Track()
        self._agent.put(0, agent)
        self._hearing = Hearing(lambda _: None, lambda _: None)
        self._cuts_ms = cuts_ms
        self._since_ms = 0

    def move(self, act: _Act, sound: bytes) -> Move:
        """Take the next act."""
        hearing, since_ms = self._hearing, self._since_ms
        hearing.listen(self._agent, act.begin_ms)
        answered = hearing.last_sound_ms is not None and hearing.last_sound_ms > since_ms
        into_ms = into_answer_ms(hearing, since_ms)
        into = self._is_heard(act) or any(act.voice_ms <= cut_ms <= act.end_ms + CUT_MS for cut_ms in self._cuts_ms)
        self._since_ms = act.end_ms
        return Move(
            name=act.name,
            sound=sound,
            keys=act.keys,
            leaves=act.leaves,
            into_ms=into_ms if into else None,
            after_ms=None if into or answered else max(0, act.begin_ms - since_ms),
        )

    def _is_heard(self, act: _Act) -> bool:
        """Say whether the agent was speaking when the act could be noticed."""
        noticed_ms = act.voice_ms - (OVERLAP_MS if act.leaves else 0)
        self._hearing.listen(self._agent, noticed_ms + OVERLAP_MS)
        last_ms = self._hearing.last_sound_ms
        return last_ms is not None and last_ms > max(noticed_ms, self._since_ms)
