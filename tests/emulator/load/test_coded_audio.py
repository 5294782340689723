"""The meter itself: it must see every fault, and none where there is none, behind any resampler."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.audio.audioop_import import audioop
from voice_agent.audio.resample import Downsampler, Upsampler
from voice_agent.emulator.load.coded_audio import CALLS, Follower, mulaw_frames, pcm_frames


def frames(numbers: list[int], call: int = 0) -> bytes:
    return b"".join(mulaw_frames(number % 64, 1, call) for number in numbers)


def follow(data: bytes, *, pcm: bool = False, size: int = 160) -> Follower:
    follower = Follower(pcm=pcm)
    for start in range(0, len(data), size):
        follower.hear(data[start : start + size], start)
    return follower


@pytest.mark.parametrize("size", [2, 160, 960, 962, 9600])
@pytest.mark.parametrize("call", [0, 33, CALLS - 1])
def test_every_frame_is_found_behind_our_resampler(size: int, call: int) -> None:
    numbers = list(range(200))
    brought_up = follow(Upsampler().feed(frames(numbers, call)), pcm=True, size=size)
    pcm = b"".join(pcm_frames(number % 64, 1, call) for number in numbers)
    brought_down = follow(Downsampler().feed(pcm), size=size)

    for follower in (brought_up, brought_down):
        assert [number for number, _ in follower.arrived] == numbers
        assert (follower.lost, follower.repeated, follower.call) == (0, 0, call)


def test_every_frame_is_found_behind_audioop() -> None:
    numbers = list(range(200))
    linear = audioop.ulaw2lin(frames(numbers), 2)
    brought_up = follow(audioop.ratecv(linear, 2, 1, 8_000, 24_000, None)[0], pcm=True)
    pcm = b"".join(pcm_frames(number % 64, 1, 0) for number in numbers)
    brought_down = follow(audioop.lin2ulaw(audioop.ratecv(pcm, 2, 1, 24_000, 8_000, None)[0], 2))

    for follower in (brought_up, brought_down):
        assert [number for number, _ in follower.arrived] == numbers
        assert (follower.lost, follower.repeated) == (0, 0)


@given(st.integers(1, 150), st.integers(1, 31))
def test_lost_frames_are_counted(first: int, gap: int) -> None:
    follower = follow(frames([*range(first), *range(first + gap, first + gap + 50)]))

    assert (follower.lost, follower.repeated, follower.expected) == (gap, 0, first + gap + 50)


@given(st.integers(2, 150))
def test_a_repeated_frame_is_counted(first: int) -> None:
    follower = follow(frames([*range(first), first - 2, *range(first, first + 50)]))

    assert (follower.lost, follower.repeated) == (0, 1)


@given(st.integers(2, 150))
def test_two_frames_that_changed_places_are_seen(first: int) -> None:
    follower = follow(frames([*range(first), first + 1, first, *range(first + 2, first + 50)]))

    assert (follower.lost, follower.repeated) == (1, 1)


def test_silence_between_frames_is_no_frame() -> None:
    silence = b"\xff" * 24
    follower = follow(frames([*range(10)]) + silence + frames([*range(10, 20)]) + b"\x7f" * 400)

    assert (len(follower.arrived), follower.lost, follower.repeated) == (20, 0, 0)


def test_a_frame_arrives_with_the_chunk_that_holds_it() -> None:
    assert follow(frames([0, 1, 2]), size=160).arrived == [(0, 0), (1, 160), (2, 320)]
