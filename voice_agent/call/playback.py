"""Playback: what the caller hears, as the carrier confirms it.

Every audio of the agent passes here on its way to the phone. A *start mark* goes out before the first audio after an
idle queue, one *play mark* follows each delta, and at a barge-in `clear` is followed by a *cut mark*, whose echo,
by its place among the caller's frames, says how much had been played. From that the model's memory is cut
(`conversation.item.truncate`). Whether to cut is decided in `turns`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, Literal

from voice_agent.call.carrier_clock import CarrierClock, Stamp
from voice_agent.call.commands import (
    AgentBegan,
    ClearPlayback,
    Command,
    Interrupted,
    Note,
    PlayAudio,
    SendMark,
    TruncateItem,
)
from voice_agent.call.deadlines import Deadlines
from voice_agent.call.events import (
    CallerAudio,
    Event,
    MarkEchoed,
    ModelAudio,
    ResponseCreated,
    ResponseDone,
    SpeechStopped,
    StreamStarted,
    TimerFired,
)
from voice_agent.call.facts import (
    BargeIn,
    CallerHolds,
    CallerStopped,
    CallOver,
    ClipWanted,
    Fact,
    ItemHeard,
    LineClosing,
    MachineReached,
    ModelGone,
    OwnSpeechWanted,
    PlaybackBusy,
    PlaybackIdle,
    ResponseDropped,
    SessionLost,
    SoundHeard,
    SoundWanted,
    StopPlaying,
)
from voice_agent.call.part import Handled
from voice_agent.call.playout import BYTES_PER_MS, REACHED_BYTES, Playout

CUT_WAIT_MS = 700
"""Longest wait for the cut mark's echo. One-way delays beyond 350 ms make a call unusable anyway."""

SOUND_WAIT_MS = 700
"""When the mark behind a sound that no voice cuts is this late, the sound counts as heard: what lies behind it may have
been waiting to be cut."""

LOST_MARKS_MS = 3000
"""When the marks of audio that must have been played are this late, they are taken as lost."""

Basis = Literal["mark", "estimate", "clock"]


class _Item:
    """What is known of one item of the model that has audio."""

    __slots__ = (
        "broken_off",
        "content_index",
        "cut",
        "done",
        "heard",
        "queued",
        "response_id",
        "sent_ms",
        "settled",
        "unfinished",
        "unknown",
    )

    def __init__(self, response_id: str, content_index: int) -> None:
        self.response_id = response_id
        self.content_index = content_index
        self.sent_ms = 0
        self.queued = 0
        self.heard = 0
        """Bytes heard in stretches that are over."""
        self.done = False
        self.cut = False
        """Nothing of it may be played any more."""
        self.unknown = False
        """The session does not know it: it is ours, or a former session's."""
        self.unfinished = False
        """Its session was lost before all of it had come."""
        self.broken_off = False
        """Its response was dropped, failed or lost before all of it had come."""
        self.settled = False
        """What was heard of it is final and told."""


class _Cut:
    """A stretch that was cleared and whose last position is not yet known."""

    def __init__(self, playout: Playout, mark: str, cleared_at_ms: int) -> None:
        self.playout = playout
        self.mark = mark
        self.cleared_at_ms = cleared_at_ms
        self.stamp: Stamp | None = None


class Playback:
    """See the module. One stretch of playout at a time, and at most one cut whose measure is awaited."""

    HANDLES: ClassVar[Handled] = (
        StreamStarted,
        CallerAudio,
        MarkEchoed,
        ModelAudio,
        ResponseCreated,
        ResponseDone,
        SpeechStopped,
        TimerFired,
        BargeIn,
        MachineReached,
        ResponseDropped,
        ClipWanted,
        SoundWanted,
        OwnSpeechWanted,
        CallerStopped,
        CallerHolds,
        SessionLost,
        ModelGone,
        StopPlaying,
        LineClosing,
        CallOver,
    )

    def __init__(self, clips: Mapping[str, bytes]) -> None:
        self._clips = clips
        self._clock = CarrierClock()
        self._deadlines = Deadlines()
        self.deadline = self._deadlines.earliest  # not a method: it is asked 50 times a second
        """The earliest of: the cut's measure, the end of a sound, the marks of audio that must have been played."""
        self._playout: Playout | None = None
        self._cut: _Cut | None = None
        self._items: dict[str, _Item] = {}
        self._last: dict[str, str] = {}
        """The last item of each response that is being made: it is not known yet whether that one breaks off."""
        self._dropped: set[str] = set()
        """Responses of which nothing may be played any more, until their `ResponseDone`."""
        self._sound = ""
        """The mark behind a sound that no voice cuts; empty: none plays."""
        self._cut_behind_sound = False
        self._streaming = False
        self._closing = False
        self._model_gone = False
        self._expected_end_ms = 0
        self._caller_stopped_ms: int | None = None
        self._marks = 0

    def feed(self, now_ms: int, event: Event | Fact) -> Iterable[Command | Fact]:
        """Take one event or fact."""
        if type(event) is CallerAudio:
            self._clock.frame(now_ms, event.timestamp_ms, len(event.audio) // BYTES_PER_MS)
            cut = self._cut
            return self._measure_cut(now_ms) if cut is not None and cut.stamp is not None and cut.stamp.settled else ()
        if type(event) is ModelAudio:
            return self._take_audio(now_ms, event)
        if type(event) is MarkEchoed:
            return self._take_echo(now_ms, event.name)
        return self._take(now_ms, event)

    def _take(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        match event:
            case StreamStarted():
                self._streaming = True
            case BargeIn() | MachineReached() | StopPlaying():
                # What plays to a machine is cut at once: the line may be closed in this very step.
                if isinstance(event, BargeIn) and event.response_id is not None:
                    self._dropped.add(event.response_id)
                yield from self._barge_in(now_ms)
            case ResponseCreated() | ResponseDropped() | ResponseDone():
                yield from self._follow_response(event)
            case SpeechStopped():
                yield from self._measure_cut(now_ms)
            case CallerStopped():
                self._caller_stopped_ms = event.carrier_ms
            case CallerHolds() if not event.holds:
                self._caller_stopped_ms = None  # the colleague's time, not an answer's
            case ClipWanted() | SoundWanted() | OwnSpeechWanted() if self._streaming and not self._closing:
                yield from self._play_own(now_ms, event)
            case TimerFired():
                for name in self._deadlines.take_due(now_ms):
                    yield from self._due(now_ms, name)
            case SessionLost():
                yield from self._lose_session()
            case ModelGone():
                self._model_gone = True
                self._last.clear()
                yield from self._end_items(list(self._items))
            case LineClosing():
                self._closing = True
            case CallOver():
                self._closing = True
                yield from self._settle_books(now_ms)

    def _due(self, now_ms: int, name: str) -> Iterator[Command | Fact]:
        match name:
            case "cut":
                yield from self._measure_cut(now_ms)
            case "sound":
                yield from self._end_sound(now_ms, cut=True)
            case _:
                yield from self._give_up_marks()

    # --- playing -----------------------------------------------------------------------------------------------------

    def _take_audio(self, now_ms: int, event: ModelAudio) -> Iterable[Command | Fact]:
        outputs: list[Command | Fact] = []
        item = self._items.get(event.item_id)
        if item is None:
            item = self._items[event.item_id] = _Item(event.response_id, event.content_index)
            before = self._last.get(event.response_id)
            if before is not None:
                self._last[event.response_id] = event.item_id
                if before:
                    outputs += self._settle_if_heard(before, self._items[before])
        if event.sent_ms > item.sent_ms:
            item.sent_ms = event.sent_ms
        if event.done and not item.done:
            item.done = True
            item.broken_off = event.response_id in self._dropped
        if event.response_id in self._dropped or item.cut or item.settled:
            return outputs
        if event.audio and self._streaming and not self._closing:
            item.queued += len(event.audio)
            outputs += self._play(now_ms, event.item_id, event.audio)
        if item.done:
            outputs += self._settle_if_heard(event.item_id, item)
        return outputs

    def _play(self, now_ms: int, item_id: str | None, audio: bytes) -> list[Command | Fact]:
        outputs: list[Command | Fact] = []
        if self._playout is None:
            self._playout = Playout()
            outputs.append(PlaybackBusy())
        if self._playout.nearly_dry(now_ms):
            outputs.append(self._mark("start"))
        self._playout.add(now_ms, item_id, len(audio))
        outputs += PlayAudio(audio), self._mark("play")
        if now_ms > self._expected_end_ms:
            self._expected_end_ms = now_ms
        self._expected_end_ms += len(audio) // BYTES_PER_MS
        self._deadlines.set("marks", self._expected_end_ms + LOST_MARKS_MS)
        return outputs

    def _play_own(self, now_ms: int, fact: ClipWanted | SoundWanted | OwnSpeechWanted) -> Iterator[Command | Fact]:
        match fact:
            case ClipWanted():
                yield from self._play(now_ms, None, self._clips[fact.name])
            case SoundWanted():
                yield from self._play(now_ms, None, fact.audio)
                self._sound = f"play-{self._marks}"
                self._deadlines.set("sound", self._expected_end_ms + SOUND_WAIT_MS)
            case OwnSpeechWanted():
                item = self._items[fact.item_id] = _Item("", 0)
                item.unknown = item.done = True
                item.queued = len(fact.audio)
                item.sent_ms = len(fact.audio) // BYTES_PER_MS
                yield from self._play(now_ms, fact.item_id, fact.audio)

    def _mark(self, kind: str) -> SendMark:
        self._marks += 1
        name = f"{kind}-{self._marks}"
        if self._playout is not None:
            self._playout.add_mark(name, starts=kind == "start")
        return SendMark(name)

    # --- what the carrier says ---------------------------------------------------------------------------------------

    def _take_echo(self, now_ms: int, name: str) -> Iterator[Command | Fact]:
        if self._cut and name == self._cut.mark and self._cut.stamp is None:
            # The next frame settles where this echo stood; a frame is at most 20 ms away.
            self._cut.stamp = self._clock.stamp(now_ms)
        elif self._cut and self._cut.playout.expects(name):
            self._cut.playout.echo_after_clear(name, self._clock.stamp(now_ms))
        elif self._playout and self._playout.expects(name):
            playout = self._playout
            playout.echo(name, self._clock.stamp_played(now_ms))
            for item_id in playout.take_begun():
                yield self._begin(item_id, self._clock.time(now_ms))
            if self._sound and not playout.expects(self._sound):
                yield from self._end_sound(now_ms, cut=not playout.all_played())
            if playout is self._playout and playout.all_played():
                yield from self._end_playout(playout)

    def _end_sound(self, now_ms: int, *, cut: bool) -> Iterator[Command | Fact]:
        """A sound was heard; what came behind it is cut now, if a voice has come meanwhile."""
        self._sound = ""
        self._deadlines.clear("sound")
        wanted, self._cut_behind_sound = self._cut_behind_sound, False
        yield SoundHeard()
        if wanted and cut:
            yield from self._barge_in(now_ms)

    def _begin(self, item_id: str, carrier_ms: int) -> AgentBegan:
        stopped_ms, self._caller_stopped_ms = self._caller_stopped_ms, None
        return AgentBegan(item_id, -1 if stopped_ms is None else max(0, carrier_ms - stopped_ms))

    def _end_playout(self, playout: Playout) -> Iterator[Command | Fact]:
        self._playout = None
        self._deadlines.clear("marks")
        for segment in playout.segments:
            if segment.item_id is not None:
                self._caller_stopped_ms = None  # answered, be it by what was said before
                item = self._items[segment.item_id]
                item.heard += segment.end - segment.start
                yield from self._settle_if_heard(segment.item_id, item)
        yield PlaybackIdle()

    def _give_up_marks(self) -> Iterator[Command | Fact]:
        if self._playout is not None:
            yield Note("warning", "the carrier did not echo the marks of audio that must have been played")
            self._playout.finish()
            yield from self._end_playout(self._playout)

    # --- cutting -----------------------------------------------------------------------------------------------------

    def _barge_in(self, now_ms: int) -> Iterator[Command | Fact]:
        if self._playout is None or self._closing:
            return
        if self._sound:
            self._cut_behind_sound = True
            return
        yield from self._measure_cut(now_ms)
        playout, self._playout = self._playout, None
        self._expected_end_ms = now_ms
        self._deadlines.clear("marks")
        yield ClearPlayback()
        mark = self._mark("cut")
        self._cut = _Cut(playout, mark.name, now_ms)
        yield mark
        self._deadlines.set("cut", now_ms + CUT_WAIT_MS)
        # What belongs to responses that were done generating must not come back either.
        for segment in playout.segments:
            if segment.item_id is not None:
                item = self._items[segment.item_id]
                item.cut = True
                if not item.done:
                    self._dropped.add(item.response_id)
        yield PlaybackIdle()

    def _measure_cut(self, now_ms: int) -> Iterator[Command | Fact]:
        """Decide how much of the cut stretch was heard, with what is known now; does nothing without an open cut."""
        cut, self._cut = self._cut, None
        if cut is None:
            return
        self._deadlines.clear("cut")
        measured = None
        if cut.stamp is not None:
            self._clock.settle(now_ms)
            clock = self._clock
            measured = cut.playout.heard_at(
                cut.stamp,
                cleared_at_ms=cut.cleared_at_ms,
                echoes_at_edges=clock.echoes_at_edges,
                frame_ms=clock.frame_ms,
            )
        basis: Basis = "estimate"
        if measured is None:
            position = cut.playout.estimate(cut.cleared_at_ms)
        else:
            position, by_clock = measured
            basis = "clock" if by_clock else "mark"
        yield from self._settle_cut(cut.playout, position, basis)

    def _settle_cut(self, playout: Playout, position: int, basis: Basis) -> Iterator[Command | Fact]:
        in_the_air = None
        for segment in playout.segments:
            if segment.item_id is None:
                continue
            item = self._items[segment.item_id]
            item.heard += min(max(position - segment.start, 0), segment.end - segment.start)
            if in_the_air is None or position > segment.start:
                in_the_air = segment.item_id
        if in_the_air is not None:
            yield Interrupted(self._items[in_the_air].heard // BYTES_PER_MS, in_the_air, basis)
        for item_id in dict.fromkeys(segment.item_id for segment in playout.segments):
            if item_id is not None:
                yield from self._settle(item_id, basis)

    # --- the books of items ------------------------------------------------------------------------------------------

    def _settle_if_heard(self, item_id: str, item: _Item) -> Iterator[Command | Fact]:
        if item.settled or not item.done or item.heard < item.queued:
            return
        if self._last.get(item.response_id) != item_id:
            yield from self._settle(item_id, "mark")

    def _settle(self, item_id: str, basis: Basis) -> Iterator[Command | Fact]:
        item = self._items[item_id]
        if item.settled:
            return
        item.settled = True
        complete = item.done and not item.unfinished
        whole = complete and item.heard + REACHED_BYTES >= item.sent_ms * BYTES_PER_MS
        heard_ms = item.sent_ms if whole else min(item.heard // BYTES_PER_MS, item.sent_ms)
        if not whole and item.sent_ms > 0 and not (item.unknown or self._model_gone or self._closing):
            # There is a model whose memory can be cut.
            yield TruncateItem(f"truncate-{item_id}", item_id, item.content_index, heard_ms, basis)
        unfinished = item.unfinished or item.broken_off or not item.done
        yield ItemHeard(item_id, heard_ms, item.sent_ms, interrupted=not whole, unfinished=unfinished)

    def _follow_response(self, event: ResponseCreated | ResponseDropped | ResponseDone) -> Iterator[Command | Fact]:
        match event:
            case ResponseCreated():
                self._last[event.response_id] = ""
            case ResponseDropped():
                self._dropped.add(event.response_id)
            case ResponseDone():
                yield from self._end_response(event)

    def _end_response(self, event: ResponseDone) -> Iterator[Command | Fact]:
        item_ids = [key for key, item in self._items.items() if item.response_id == event.response_id]
        for item_id in item_ids:
            item = self._items[item_id]
            if event.status == "completed":
                item.done, item.broken_off = True, False  # the rest came behind the cut
            elif item_id == item_ids[-1] and not item.cut:
                item.broken_off = True
        self._last.pop(event.response_id, None)
        yield from self._end_items(item_ids)
        self._dropped.discard(event.response_id)

    def _lose_session(self) -> Iterator[Command | Fact]:
        """Play on what has come; no model's memory of it can be cut any more."""
        for item in self._items.values():
            item.unfinished = item.unfinished or not item.done
            item.unknown = True
        self._last.clear()
        yield from self._end_items(list(self._items))
        self._dropped.clear()

    def _end_items(self, item_ids: list[str]) -> Iterator[Command | Fact]:
        """No more audio of these comes: what was never queued was never heard."""
        for item_id in item_ids:
            item = self._items[item_id]
            if not item.done:
                item.done = item.broken_off = True
            yield from self._settle_if_heard(item_id, item)

    def _settle_books(self, now_ms: int) -> Iterator[Command | Fact]:
        """The call is over: what was in the air counts as far as it can be known. Truncations go nowhere any more."""
        outputs = list(self._measure_cut(now_ms))
        if self._playout is not None:
            self._cut, self._playout = _Cut(self._playout, "", now_ms), None
            self._cut.stamp = self._clock.stamp(now_ms)
            outputs += self._measure_cut(now_ms)
        for item_id, item in self._items.items():
            if item.queued and not item.settled:
                outputs += self._settle(item_id, "mark")
        yield from (output for output in outputs if isinstance(output, Fact))

    def __repr__(self) -> str:
        return f"<Playback {self._playout or 'idle'}{', cut open' if self._cut else ''}>"
