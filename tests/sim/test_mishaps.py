"""What a line loses and doubles."""

import random

from voice_agent.sim.mishaps import Gap, Line, Mishaps
from voice_agent.wire.twilio import Mark, MarkBody, Media, MediaBody

FRAME, MARK = Media("MZ1", MediaBody(0, b"\xff" * 160)), Mark("MZ1", MarkBody("play-1"))


def line(**mishaps: object) -> Line:
    return Line(Mishaps(**mishaps), random.Random(1))  # type: ignore[arg-type]


def test_a_sound_line_gives_everything_once() -> None:
    assert {line().copies(at, message) for at in (0, 5000) for message in (MARK, FRAME)} == {1}


def test_nothing_passes_on_a_line_once_it_is_dead() -> None:
    dead = line(dead_at_ms=2000)

    assert [dead.copies(at, FRAME) for at in (1999, 2000, 9000)] == [1, 0, 0]
    assert [dead.dead(at) for at in (1999, 2000)] == [False, True]


def test_a_gap_takes_the_audio_of_its_time_and_no_mark() -> None:
    gappy = line(gaps=(Gap(100, 60), Gap(500, 20)))

    assert [gappy.copies(at, FRAME) for at in (99, 100, 159, 160, 500, 520)] == [1, 0, 0, 1, 0, 1]
    assert gappy.copies(120, MARK) == 1


def test_marks_alone_are_lost_and_doubled() -> None:
    lossy = line(lost_marks_percent=30, doubled_marks_percent=30)
    marks = [lossy.copies(0, MARK) for _ in range(300)]

    assert set(marks) == {0, 1, 2}
    assert all(lossy.copies(0, FRAME) == 1 for _ in range(300))
