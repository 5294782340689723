from hypothesis import given
from hypothesis import strategies as st

from voice_agent.live.recent_calls import MINUTE_S, MOST_REMEMBERED, ROOM_BYTES, RecentCalls

ANA, BEN, DESK = "+14255550123", "+14255550124", "+14255550100"


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from([ANA, BEN, "", "\ud800"]))))
def test_what_was_called_within_the_minute_is_counted(calls: list[tuple[int, str]]) -> None:
    recent, now_s, called = RecentCalls(), 5, []
    for wait_s, caller in calls:
        now_s += wait_s
        recent.add(caller, DESK, now_s)
        called.append((now_s, caller))

    within = [caller for at_s, caller in called if at_s > now_s - MINUTE_S]
    assert recent.of_caller(ANA, now_s) == within.count(ANA)
    assert recent.to_number(DESK, now_s) == len(within)
    assert recent.to_number(ANA, now_s) == 0


def test_of_too_many_calls_the_oldest_is_forgotten() -> None:
    recent = RecentCalls()
    recent.add(ANA, DESK, 100)
    for _ in range(MOST_REMEMBERED):
        recent.add(BEN, DESK, 101)

    assert (recent.of_caller(ANA, 101), recent.of_caller(BEN, 101)) == (0, MOST_REMEMBERED)


def test_who_shares_the_memory_knows_of_each_others_calls() -> None:
    room = bytearray(ROOM_BYTES)
    one, other = RecentCalls(room), RecentCalls(room)
    one.add(ANA, DESK, 100)

    assert other.of_caller(ANA, 100) == 1
