from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.live.admission import Refusal
from voice_agent.live.capacity import RANG_S, Capacity, Limits, usual_most_calls
from voice_agent.live.loop_lag import SAMPLES, LoopLag
from voice_agent.live.spending import Spending
from voice_agent.live.switchboard import Seat, Switchboard

ANA, BEN, DESK, OTHER = "+14255550123", "+14255550124", "+14255550100", "+14255550101"


class Server:
    """A capacity whose calls and clock are numbers."""

    def __init__(self, *, seat: Seat | None = None, **limits: int) -> None:
        self.seat = seat
        self.taken = 0
        self.now_s = 1000
        self.lag = LoopLag()
        self.spending = Spending(per_day=10)
        self.capacity = Capacity(
            Limits(**{"calls": 3, "lag_ms": 100} | limits),
            lambda: self.taken,
            self.lag,
            self.spending,
            lambda: self.now_s,
            seat=seat,
        )

    def call(self, caller: str = ANA, called: str = DESK) -> Refusal | None:
        return self.capacity.refusal(caller, called)

    def calls(self, *whom: tuple[str, str]) -> list[Refusal | None]:
        return [self.call(caller, called) for caller, called in whom]


def test_there_are_so_many_calls_at_once() -> None:
    server = Server(calls=3)
    server.taken = 2
    room = server.call()
    server.taken = 3

    assert (room, server.call()) == (None, Refusal.TOO_MANY_CALLS)


def test_a_call_that_was_placed_has_its_room_until_it_is_answered_or_over() -> None:
    server = Server(calls=2)
    with server.capacity.placing():
        server.taken = 1
        assert server.call() is Refusal.TOO_MANY_CALLS
        server.capacity.placed("CA1")
    assert server.call() is Refusal.TOO_MANY_CALLS
    server.capacity.arrived("CA1")
    server.capacity.arrived("CA1")
    assert server.call() is None


def test_a_call_that_was_placed_and_never_heard_of_gives_its_room_back() -> None:
    server = Server(calls=1)
    server.capacity.placed("CA1")
    full = server.call()
    server.now_s += RANG_S

    assert (full, server.call()) == (Refusal.TOO_MANY_CALLS, None)


def test_a_loop_that_is_late_takes_nobody() -> None:
    server = Server(lag_ms=100)
    for _ in range(SAMPLES):
        server.lag.note(0.1)
    in_time = server.call()
    for _ in range(SAMPLES):
        server.lag.note(0.3)

    assert (in_time, server.call()) == (None, Refusal.TOO_BUSY)


def test_a_day_whose_money_is_spent_takes_nobody() -> None:
    server = Server()
    server.spending.add(9.99)
    before = server.call()
    server.spending.add(0.01)

    assert (before, server.call()) == (None, Refusal.DAY_IS_SPENT)


def test_a_caller_who_calls_too_often_waits_for_a_minute_and_others_do_not() -> None:
    server = Server(calls_of_caller=2)
    assert server.calls((ANA, DESK), (ANA, OTHER), (ANA, DESK), (BEN, DESK)) == [
        None,
        None,
        Refusal.CALLER_CALLS_TOO_OFTEN,
        None,
    ]
    server.now_s += 59
    assert server.call() is Refusal.CALLER_CALLS_TOO_OFTEN
    server.now_s += 1
    assert server.call() is None


@pytest.mark.parametrize("caller", ["", "anonymous", "+266696687", "sip:ana@pbx.example.com"])
def test_callers_without_a_number_are_not_one_caller(caller: str) -> None:
    assert Server(calls_of_caller=1).calls((caller, DESK), (caller, DESK)) == [None, None]


def test_a_number_that_is_called_too_often_is_busy_and_others_are_not() -> None:
    server = Server(calls_to_number=1)

    assert server.calls((ANA, DESK), (BEN, DESK), (BEN, OTHER)) == [None, Refusal.NUMBER_CALLED_TOO_OFTEN, None]


@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from([ANA, BEN]), st.sampled_from([DESK, OTHER]))))
def test_within_any_minute_nobody_is_taken_more_often_than_may_be(calls: Iterable[tuple[int, str, str]]) -> None:
    server = Server(calls=9, calls_of_caller=3, calls_to_number=4)
    taken = []
    for wait_s, caller, called in calls:
        server.now_s += wait_s
        if server.call(caller, called) is None:
            taken.append((server.now_s, caller, called))

    for end_s, one_caller, one_called in taken:
        minute = [(caller, called) for at_s, caller, called in taken if end_s - 60 < at_s <= end_s]
        assert sum(caller == one_caller for caller, _ in minute) <= 3
        assert sum(called == one_called for _, called in minute) <= 4


def test_this_machine_holds_some_calls() -> None:
    assert 1 <= usual_most_calls() <= 40


def test_workers_hold_more_calls_than_one() -> None:
    assert usual_most_calls() < usual_most_calls(2) or usual_most_calls() <= 25


def test_workers_keep_to_one_limit_whoever_is_asked_first() -> None:
    board = Switchboard(2)
    servers = [Server(calls=3, seat=Seat(board, number)) for number in range(2)]
    for server in servers:
        assert server.seat is not None
        server.seat.sit_down()
    taken = []
    for turn in (0, 1, 1, 0, 1):
        refusal = servers[turn].call()
        taken.append(refusal)
        servers[turn].taken += refusal is None

    assert taken == [None, None, None, Refusal.TOO_MANY_CALLS, Refusal.TOO_MANY_CALLS]
