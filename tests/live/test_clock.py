from datetime import UTC

from voice_agent.live.clock import CallClock, seconds, utc_now, wall_seconds


def test_a_call_is_as_old_as_the_milliseconds_that_are_full() -> None:
    times = iter([7_000_000_123, 7_000_999_999, 7_001_000_123, 7_250_000_122])
    clock = CallClock(lambda: next(times))

    assert [clock.now_ms() for _ in range(3)] == [0, 1, 249]


def test_a_call_begins_now_unless_told_otherwise() -> None:
    assert CallClock().now_ms() < 1000


def test_the_time_of_day_knows_its_offset() -> None:
    assert utc_now().tzinfo is UTC
    assert abs(wall_seconds() - utc_now().timestamp()) < 5


def test_ages_are_measured_with_a_clock_that_is_never_set_back() -> None:
    assert seconds() <= seconds()
