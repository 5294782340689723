"""Playback as a part alone: what it waits for, and what it has done with when that comes."""

from voice_agent.call.commands import ClearPlayback, Command, SendMark, TruncateItem
from voice_agent.call.events import (
    CallerAudio,
    Event,
    MarkEchoed,
    ModelAudio,
    ResponseDone,
    SpeechStopped,
    StreamStarted,
)
from voice_agent.call.facts import (
    BargeIn,
    ClipWanted,
    Fact,
    ItemHeard,
    LineClosing,
    PlaybackIdle,
    SoundHeard,
    SoundWanted,
)
from voice_agent.call.playback import CUT_WAIT_MS, LOST_MARKS_MS, SOUND_WAIT_MS, Playback

TONES = SoundWanted(b"\x10" * 800)


def words(response: str = "r1", item: str = "a", *, done: bool = True) -> ModelAudio:
    """100 ms of the model's."""
    return ModelAudio(response, item, 0, b"\x10" * 800, 100, done=done)


class Alone:
    """The part, and what came out of it."""

    def __init__(self) -> None:
        self.playback = Playback({"moment": b"\x81" * 400})
        self.said: list[Command | Fact] = []
        self.feed(StreamStarted("MZ1", "CA1"))

    def feed(self, *events: Event | Fact, at_ms: int = 0) -> list[Command | Fact]:
        new = [output for event in events for output in self.playback.feed(at_ms, event)]
        self.said += new
        return new

    def marks(self, kind: str) -> list[MarkEchoed]:
        return [MarkEchoed(one.name) for one in self.said if isinstance(one, SendMark) and one.name.startswith(kind)]

    def frame(self, at_ms: int) -> list[Command | Fact]:
        return self.feed(CallerAudio(at_ms - 20, b"\xff" * 160), at_ms=at_ms)


def test_its_marks_are_waited_for_until_all_was_heard() -> None:
    alone = Alone()
    alone.feed(words(done=False))
    waits = alone.playback.deadline()
    alone.feed(*alone.marks("start"))
    alone.frame(100)
    alone.feed(*alone.marks("play"), at_ms=100)

    assert (waits, alone.playback.deadline()) == (100 + LOST_MARKS_MS, None)
    assert alone.feed(ResponseDone("r1", "completed"), at_ms=100) == [ItemHeard("a", 100, 100, interrupted=False)]


def test_the_measure_of_a_cut_is_waited_for_until_it_is_there() -> None:
    alone = Alone()
    alone.feed(words())
    alone.feed(*alone.marks("start"))
    alone.frame(20)
    alone.feed(BargeIn("r1"), at_ms=20)
    waits = alone.playback.deadline()
    alone.feed(*alone.marks("cut"), at_ms=25)
    alone.frame(40)

    assert (waits, alone.playback.deadline()) == (20 + CUT_WAIT_MS, None)


def test_a_cut_is_measured_at_once_when_the_caller_stops_or_cuts_again() -> None:
    for then in (SpeechStopped("u1", 500), BargeIn("r2")):
        alone = Alone()
        alone.feed(words())
        alone.feed(*alone.marks("start"))
        alone.frame(20)
        alone.feed(BargeIn("r1"), at_ms=20)
        alone.feed(*alone.marks("cut"), words("r2", "b"), at_ms=25)

        (cut,) = (one for one in alone.feed(then, at_ms=30) if isinstance(one, TruncateItem))
        assert (cut.item_id, cut.basis) == ("a", "mark")


def test_a_mark_that_was_flushed_tells_when_the_clear_arrived() -> None:
    alone = Alone()
    for sent_ms in (100, 200, 300):
        alone.feed(ModelAudio("r1", "a", 0, b"\x10" * 800, sent_ms))
    first, *rest = alone.marks("")
    alone.feed(first)
    for at_ms in range(20, 120, 20):
        alone.frame(at_ms)
    alone.feed(BargeIn("r1"), at_ms=100)
    alone.feed(*rest, at_ms=105)
    for at_ms in range(120, 300, 20):
        alone.frame(at_ms)
    alone.feed(*alone.marks("cut"), at_ms=285)
    alone.frame(300)

    (cut,) = (one for one in alone.said if isinstance(one, TruncateItem))
    assert cut.audio_end_ms == 100


def test_a_sound_is_waited_for_and_cuts_what_lies_behind_it_only_if_a_voice_came_into_it() -> None:
    heard = []
    alone = Alone()
    for turn, voice in enumerate((False, True, False)):
        at_ms = 1000 * turn
        before = len(alone.marks(""))
        alone.feed(TONES, words(f"r{turn}", f"i{turn}"), at_ms=at_ms)
        assert alone.playback.deadline() == at_ms + 100 + SOUND_WAIT_MS
        start, sound, *behind = alone.marks("")[before:]
        alone.feed(start, *((BargeIn(f"r{turn}"),) if voice else ()), at_ms=at_ms)
        alone.frame(at_ms + 100)
        heard.append([type(one) for one in alone.feed(sound, at_ms=at_ms + 100)][:2])
        assert alone.playback.deadline() == at_ms + (100 + CUT_WAIT_MS if voice else 200 + LOST_MARKS_MS)
        alone.frame(at_ms + 200)
        alone.feed(*behind, *alone.marks("cut"), at_ms=at_ms + 200)
        alone.frame(at_ms + 220)
        assert alone.playback.deadline() is None

    assert heard == [[SoundHeard], [SoundHeard, ClearPlayback], [SoundHeard]]


def test_on_a_line_that_is_being_closed_nothing_of_ours_is_played() -> None:
    alone = Alone()
    alone.feed(LineClosing())

    assert alone.feed(ClipWanted("moment"), TONES) == []
    assert PlaybackIdle() not in alone.said
