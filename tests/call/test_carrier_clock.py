"""The carrier's clock."""

from hypothesis import given
from hypothesis import strategies as st

from voice_agent.call.carrier_clock import STALL_MS, CarrierClock


def running(until_ms: int = 200) -> CarrierClock:
    """Frames of 20 ms, each arriving as it ends."""
    clock = CarrierClock()
    for timestamp_ms in range(0, until_ms, 20):
        clock.frame(timestamp_ms + 20, timestamp_ms, 20)
    return clock


def test_it_stands_at_the_end_of_the_newest_frame() -> None:
    assert running(200).carrier_ms == 200


def test_a_timestamp_that_runs_backwards_does_not_turn_it_back() -> None:
    clock = running(200)
    clock.frame(220, 0, 20)

    assert clock.carrier_ms == 200


def test_what_stands_between_two_frames_happened_where_they_meet_however_late_it_came() -> None:
    clock = running(200)
    stamp = clock.stamp(5000)
    clock.frame(5000, 200, 20)

    assert stamp.settled
    assert (stamp.carrier_ms, stamp.by_clock) == (200, False)


def test_in_a_gap_our_clock_says_where_it_happened() -> None:
    clock = running(200)
    stamp = clock.stamp(500)
    clock.frame(600, 580, 20)

    assert (stamp.carrier_ms, stamp.by_clock) == (480, True)


def test_a_gap_is_a_frame_that_is_missing() -> None:
    whole, missing = running(200), running(200)
    before_a_frame, before_a_gap = whole.stamp(205), missing.stamp(205)
    whole.frame(240, 219, 20)
    missing.frame(240, 220, 20)

    assert (before_a_frame.by_clock, before_a_gap.by_clock) == (False, True)


def test_in_a_gap_it_happened_after_the_one_frame_and_before_the_other() -> None:
    clock = running(200)
    early, late = clock.stamp(200), clock.stamp(599)
    clock.frame(2000, 300, 20)

    assert (early.carrier_ms, late.carrier_ms) == (200, 200)


def test_where_frames_have_stopped_time_goes_on_by_our_clock_and_a_late_frame_is_no_stop() -> None:
    clock = running(200)

    assert (clock.time(299), clock.time(300), clock.time(5000)) == (200, 300, 5000)
    assert CarrierClock().time(300) == 300


def test_an_echo_is_known_to_the_longest_frame() -> None:
    clock = running(200)
    clock.frame(240, 200, 40)
    clock.frame(260, 240, 20)

    assert clock.frame_ms == 40


def test_a_frame_that_is_missing_shows_after_its_own_length() -> None:
    clock = running(200)
    soon, later = clock.stamp(219), clock.stamp(220)
    clock.settle(221)

    assert (soon.carrier_ms, soon.by_clock) == (200, False)
    assert (later.carrier_ms, later.by_clock) == (220, True)


def test_a_stamp_waits_for_the_next_frame() -> None:
    assert not running().stamp(200).settled


def test_without_a_next_frame_our_clock_goes_on_from_the_last_one() -> None:
    clock = running(200)
    soon, later = clock.stamp(205), clock.stamp(500)
    clock.settle(500)

    assert (soon.settled, soon.carrier_ms, soon.by_clock) == (True, 205, True)
    assert (later.settled, later.carrier_ms, later.by_clock) == (True, 500, True)


def test_what_stands_behind_the_last_frame_is_in_its_gap_if_frames_have_stopped_since() -> None:
    flowing, stopped = running(200), running(200)
    in_flow, in_gap = flowing.stamp(213), stopped.stamp(213)
    flowing.settle(213 + STALL_MS - 1)
    stopped.settle(213 + STALL_MS)

    assert (in_flow.carrier_ms, in_flow.by_clock) == (200, False)
    assert (in_gap.carrier_ms, in_gap.by_clock) == (213, True)


def test_without_any_frame_our_clock_is_all_there_is() -> None:
    clock = CarrierClock()
    stamp = clock.stamp(300)
    clock.settle(300)

    assert (stamp.carrier_ms, stamp.by_clock) == (300, True)


def echoes(*delays_ms: int) -> CarrierClock:
    """One played mark after every frame, so many milliseconds behind it."""
    clock = running(200)
    for index, delay_ms in enumerate(delays_ms):
        at_ms = 220 + 20 * index
        clock.frame(at_ms, at_ms - 20, 20)
        clock.stamp_played(at_ms + delay_ms)
    return clock


def test_a_carrier_that_sends_every_echo_with_a_frame_is_recognised() -> None:
    assert echoes(0, 1, 0, 0).echoes_at_edges
    assert not echoes(0, 0, 0).echoes_at_edges
    assert not echoes(2, 2, 2, 2).echoes_at_edges
    assert echoes(*[0] * 10, 8).echoes_at_edges
    assert not echoes(*[0] * 9, 8).echoes_at_edges
    assert not echoes(*[0] * 19, 8, 8).echoes_at_edges
    assert not echoes(0, 8, 0, 12, 0, 0).echoes_at_edges


def test_only_the_first_echo_between_two_frames_tells_how_the_carrier_sends_them() -> None:
    clock = running(200)
    for _ in range(4):
        clock.stamp_played(200)

    assert not clock.echoes_at_edges


def test_an_echo_before_any_frame_tells_nothing() -> None:
    clock = CarrierClock()
    stamp = clock.stamp_played(300)
    clock.settle(300)

    assert not clock.echoes_at_edges
    assert stamp.carrier_ms == 300


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=20))
def test_later_stamps_are_never_earlier(steps: list[tuple[int, int]]) -> None:
    """Each step: the carrier's time and ours go on, a stamp, a frame."""
    clock = running(200)
    now_ms = timestamp_ms = 200
    stamps = []
    for later_ms, carrier_later_ms in steps:
        now_ms += later_ms
        timestamp_ms += carrier_later_ms
        stamps.append(clock.stamp(now_ms))
        clock.frame(now_ms, timestamp_ms, 20)

    placed = [stamp.carrier_ms for stamp in stamps]
    assert placed == sorted(placed)
    assert all(stamp.settled for stamp in stamps)
