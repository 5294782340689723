"""What a recorded call tells of its carrier: each assumption that nobody has confirmed, held against what it did.

The bridge counts on a carrier that echoes marks and sends frames in a certain way; the stand-in does so by default
(`sim.carrier.Switches`). Any recording of a real call shows whether the real one does. It must not know how a call came
to be, nor what was said in it.
"""

from collections.abc import Iterator
from statistics import median
from typing import Any, Literal

import msgspec

from voice_agent.recording.cutting import find_audio, sealed_length
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.reader import Recording

BYTES_PER_MS = 8
FRAME_MS = 20

EXACT_MS = FRAME_MS
"""An echo can be placed among the frames no more exactly than to one of them."""

AT_ONCE_MS = 500
"""An echo of what lies behind nothing takes the way to the carrier and back, and no more."""

LONGEST_NUMBER = 15
"""Digits of a number that a carrier counts with."""

Verdict = Literal["confirmed", "refuted", "not seen"]


class Finding(msgspec.Struct, frozen=True):
    """One assumption."""

    name: str
    """One word, as `Switches` has it where there is a switch for it."""
    assumed: str
    verdict: Verdict
    evidence: str
    """What was counted or measured."""


class _Mark(msgspec.Struct):
    """A mark that was sent."""

    sent_ms: int
    played_ms: int | None
    """Audio before it since the queue was last empty; `None`: it was not empty for sure."""
    cleared_ms: int | None = None
    """When it was thrown away."""


class CarrierFindings:
    """Fed with the steps of one call, in order."""

    def __init__(self) -> None:
        self._format: dict[str, Any] | None = None
        self._frames = self._odd_frames = self._gaps = self._longest_gap_ms = 0
        self._next_ms: int | None = None
        self._chunk: int | None = None
        self._sequence: int | None = None
        self._lost_chunks = self._lost_messages = 0
        self._marks: dict[str, _Mark] = {}
        self._queued_ms: int | None = None
        """Audio since the queue was empty; `None`: unknown."""
        self._at_start: tuple[str, int] | None = None
        """The mark that was echoed where the queue was empty, and the carrier's time there."""
        self._now_ms = 0
        """The carrier's: the end of the last frame."""
        self._starts: list[int] = []
        self._errors: list[int] = []
        self._unplaced: list[int] = []
        """Likewise, of echoes behind which no frame has come yet: in a gap, frames do not tell how much was played."""
        self._cleared = self._flushed = 0
        self._flush_ms: list[int] = []
        self._stops_first: bool | None = None
        self._left = False
        """We closed the socket: the carrier need not say that the call is over."""

    def take(self, step: Step) -> None:
        """Take one step."""
        received = step.received
        if received is not None and received.way == "phone":
            self._receive(step.now_ms, received)
        elif received is not None and self._stops_first is None and '"PhoneClosed"' in received.text:
            self._stops_first = False
        for entry in step.sent:
            if entry.way == "phone":
                self._send(step.now_ms, entry)
            elif self._stops_first is None and '"ClosePhone"' in entry.text:
                self._left = True

    # --- what was sent -----------------------------------------------------------------------------------------------

    def _send(self, now_ms: int, entry: Entry) -> None:
        message = _read(entry.text)
        match message.get("event"):
            case "media":
                if self._queued_ms is not None:
                    self._queued_ms += _audio_ms(entry)
            case "mark":
                self._marks[_name(message)] = _Mark(now_ms, self._queued_ms)
            case "clear":
                for mark in self._marks.values():
                    mark.cleared_ms = now_ms
                self._cleared += len(self._marks)
                self._queued_ms = None

    # --- what came ---------------------------------------------------------------------------------------------------

    def _receive(self, now_ms: int, entry: Entry) -> None:
        message = _read(entry.text)
        self._count_message(message)
        match message.get("event"):
            case "start":
                found = message.get("start")
                self._format = found.get("mediaFormat") if isinstance(found, dict) else None
                self._queued_ms = 0
            case "media":
                self._take_frame(message, entry)
            case "mark":
                self._take_echo(now_ms, _name(message))
            case "stop":
                self._stops_first = True

    def _count_message(self, message: dict[str, Any]) -> None:
        number = _number(message.get("sequenceNumber"))
        if number is not None:
            if self._sequence is not None and number != self._sequence + 1:
                self._lost_messages += 1
            self._sequence = number

    def _take_frame(self, message: dict[str, Any], entry: Entry) -> None:
        media = message.get("media")
        if not isinstance(media, dict):
            return
        began_ms, length_ms = _number(media.get("timestamp")), _audio_ms(entry)
        self._frames += 1
        self._odd_frames += length_ms != FRAME_MS
        chunk = _number(media.get("chunk"))
        if chunk is not None:
            self._lost_chunks += self._chunk is not None and chunk != self._chunk + 1
            self._chunk = chunk
        if began_ms is None:
            return
        # Where the first frame begins is not said; a frame's length from the start is no gap.
        gap_ms = began_ms - (FRAME_MS if self._next_ms is None else self._next_ms)
        if gap_ms > 0:
            self._gaps += 1
            self._at_start = None
            self._unplaced.clear()
            self._longest_gap_ms = max(self._longest_gap_ms, gap_ms)
        self._errors += self._unplaced
        self._unplaced.clear()
        self._next_ms = self._now_ms = began_ms + length_ms

    def _take_echo(self, now_ms: int, name: str) -> None:
        mark = self._marks.pop(name, None)
        if mark is None:
            return
        if mark.cleared_ms is not None:
            self._flushed += 1
            self._flush_ms.append(now_ms - mark.cleared_ms)
        elif mark.played_ms == 0:
            self._starts.append(now_ms - mark.sent_ms)
            self._at_start = (name, self._now_ms)
        elif mark.played_ms is not None and self._at_start is not None:
            self._unplaced.append(self._now_ms - self._at_start[1] - mark.played_ms)
        if not self._marks:
            # All that was sent has been played, or thrown away: what comes next begins at once.
            self._queued_ms = 0

    # --- what it comes to --------------------------------------------------------------------------------------------

    def findings(self) -> Iterator[Finding]:
        """Give every assumption with its verdict."""
        usual = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        yield _finding(
            "format",
            "the stream is mu-law, 8 kHz, one channel",
            None if self._format is None else self._format == usual,
            "" if self._format is None else msgspec.json.encode(self._format).decode(),
        )
        yield _finding(
            "frame_ms",
            f"each message brings {FRAME_MS} ms of the caller",
            None if not self._frames else not self._odd_frames,
            f"{self._frames} frames, {self._odd_frames} of another length",
        )
        yield _finding(
            "silent_gaps",
            "frames come in silence, too",
            None if not self._frames else not self._gaps,
            f"{self._gaps} gaps, the longest of {self._longest_gap_ms} ms",
        )
        yield _finding(
            "numbers",
            "chunks and messages are numbered without a gap",
            None if not self._frames else not self._lost_chunks and not self._lost_messages,
            f"{self._lost_chunks} chunks and {self._lost_messages} messages out of order",
        )
        yield _finding(
            "start_mark",
            "a mark behind nothing is echoed at once",
            None if not self._starts else max(self._starts) <= AT_ONCE_MS,
            _told("ms from mark to echo", self._starts),
        )
        yield _finding(
            "marks",
            "a mark is echoed when the audio before it has been played",
            None if not self._errors else all(abs(error) <= EXACT_MS for error in self._errors),
            _told("ms of the carrier's clock too late", self._errors),
        )
        yield _finding(
            "echo_marks_on_clear",
            "clear echoes the marks that it throws away, at once",
            None if not self._cleared else self._flushed == self._cleared and max(self._flush_ms) <= AT_ONCE_MS,
            f"{self._flushed} of {self._cleared} came back{', ' if self._flush_ms else ''}"
            + _told("ms after it", self._flush_ms),
        )
        first = None if self._left else self._stops_first
        told = "the socket closed without one" if first is False else "it came"
        yield _finding("stop", "a stop tells that the caller has hung up, before the socket closes", first, told)


def findings_of(recording: Recording) -> list[Finding]:
    """Read a whole call."""
    found = CarrierFindings()
    for step in recording.steps():
        found.take(step)
    return list(found.findings())


def told_finding(found: Finding) -> str:
    """Tell one in a line."""
    return f"{found.verdict:<9}  {found.assumed}{found.evidence and f': {found.evidence}'}"


def _finding(name: str, assumed: str, holds: bool | None, evidence: str) -> Finding:
    if holds is None:
        return Finding(name, assumed, "not seen", "")
    return Finding(name, assumed, "confirmed" if holds else "refuted", evidence)


def _told(what: str, values: list[int]) -> str:
    if not values:
        return ""
    return f"{len(values)} times, {median(values):g} {what} (from {min(values)} to {max(values)})"


def _read(text: str) -> dict[str, Any]:
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return {}
    return message if isinstance(message, dict) else {}


def _name(message: dict[str, Any]) -> str:
    mark = message.get("mark")
    return str(mark.get("name", "")) if isinstance(mark, dict) else ""


def _number(value: Any) -> int | None:
    number = str(value)
    return int(number) if number.isdecimal() and len(number) <= LONGEST_NUMBER else None


def _audio_ms(entry: Entry) -> int:
    """Say how long the audio of a message is, kept or sealed."""
    at = find_audio(entry.way, entry.text)
    if at is None:
        return 0
    sealed = sealed_length(entry.way, entry.text)
    if sealed is not None:
        return sealed[2] // BYTES_PER_MS
    payload = entry.text[slice(*at)]
    return (len(payload) * 3 // 4 - payload[-2:].count("=")) // BYTES_PER_MS
