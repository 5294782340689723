"""Sound on a clock: queued end to end, cut, read and rendered."""

from hypothesis import given
from hypothesis import strategies as st

from voice_agent.sim.track import Track


def test_audio_begins_at_once_when_nothing_plays_and_else_behind_what_does() -> None:
    track = Track()

    first = track.put(80, b"a" * 16)
    second = track.put(90, b"b" * 8)
    third = track.put(200, b"c" * 8)

    assert [(piece.start, piece.end) for piece in (first, second, third)] == [(80, 96), (96, 104), (200, 208)]


def test_a_cut_takes_what_was_not_played_yet_and_nothing_else() -> None:
    track = Track()
    pieces = [track.put(0, b"a" * 10), track.put(0, b"b" * 10), track.put(0, b"c" * 10)]

    track.cut(14)

    assert [piece.played(1000) for piece in pieces] == [10, 4, 0]
    assert track.end == 14
    assert track.render(20) == b"a" * 10 + b"b" * 4 + b"\xff" * 6


def test_a_cut_of_an_idle_track_changes_nothing() -> None:
    track = Track()
    track.put(0, b"a" * 10)

    track.cut(50)

    assert (track.end, track.render(10)) == (10, b"a" * 10)


def test_reading_fills_pauses_with_silence_and_says_when_there_is_nothing() -> None:
    track = Track()
    track.put(2, b"ab")
    track.put(6, b"cd")

    assert track.read(0, 8) == b"\xff\xffab\xff\xffcd"
    assert track.read(8, 16) is None


@given(
    steps=st.lists(st.tuples(st.integers(0, 30), st.one_of(st.binary(max_size=40), st.none())), max_size=20),
    frame=st.integers(1, 30),
)
def test_reading_frame_by_frame_gives_the_same_as_rendering(steps: list[tuple[int, bytes | None]], frame: int) -> None:
    track = Track()
    read = bytearray()
    now = 0
    for wait, audio in steps:
        now += wait
        while len(read) + frame <= now:
            read += track.read(len(read), len(read) + frame) or b"\xff" * frame
        if audio is None:
            track.cut(now)
        else:
            track.put(now, audio)

    assert bytes(read) == track.render(len(read))


def test_audio_queued_after_a_cut_is_read_although_it_begins_before_what_was_cut_would_have() -> None:
    track = Track()
    track.put(0, b"a" * 10)
    track.put(0, b"b" * 10)
    track.cut(2)
    track.put(4, b"c" * 2)

    assert track.read(0, 8) == b"aa\xff\xffcc\xff\xff"
