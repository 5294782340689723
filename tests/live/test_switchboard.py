import os
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.live.switchboard import MOST_CALLS, Seat, Switchboard

CALL, OTHER = "CA00000000000000000000000000000001", "CA00000000000000000000000000000002"
LATE_MS = 200


def seats(count: int) -> tuple[Switchboard, list[Seat]]:
    board = Switchboard(count)
    found = [Seat(board, number) for number in range(count)]
    for seat in found:
        seat.sit_down()
    return board, found


def test_all_workers_know_who_has_a_call() -> None:
    _, (first, second) = seats(2)
    second.enter(CALL)

    assert [seat.find(CALL) for seat in (first, second)] == [1, 1]
    assert first.find(OTHER) is None


def test_a_call_that_comes_to_another_worker_is_there_from_then_on() -> None:
    _, (first, second) = seats(2)
    first.enter(CALL)
    second.enter_new(CALL)
    before = first.find(CALL)
    second.enter(CALL)

    assert (before, first.find(CALL)) == (0, 1)


def test_a_worker_that_died_has_no_calls_nor_has_the_next_in_its_place() -> None:
    board, (first, second) = seats(2)
    second.enter(CALL)
    second.tell(5, 0)
    board.clear(1)
    gone = first.find(CALL), first.calls_of_others, first.others_take
    Seat(board, 1).sit_down()

    assert gone == (None, 0, False)
    assert (first.find(CALL), first.calls_of_others, first.others_take) == (None, 0, True)


def test_what_one_does_for_all_the_first_does_that_takes_calls() -> None:
    _, (first, second) = seats(2)
    firsts = [first.first]
    for does in (first.close, second.leave, second.sit_down, first.sit_down):
        does()
        firsts.append(second.first)

    assert firsts == [0, 1, 0, 1, 0]


def test_a_worker_that_has_left_is_asked_for_nothing() -> None:
    _, (first, second) = seats(2)
    second.enter(CALL)
    second.close()
    closed = first.find(CALL), first.others_take
    second.leave()

    assert (closed, first.find(CALL)) == ((1, False), None)


def test_so_many_calls_are_remembered_and_then_the_oldest_is_forgotten() -> None:
    _, (first,) = seats(1)
    first.enter(CALL)
    for number in range(MOST_CALLS - 1):
        first.enter(str(number))
    assert first.find(CALL) == 0
    first.enter(OTHER)

    assert (first.find(CALL), first.find(OTHER)) == (None, 0)


# --- who gets a new call ---------------------------------------------------------------------------------------------


def test_a_new_call_is_for_the_worker_with_the_fewest() -> None:
    _, (first, second, third) = seats(3)
    first.tell(2, 0)
    second.tell(1, 0)
    third.tell(3, 0)

    assert third.offer(LATE_MS) == 1


@given(st.integers(1, 4), st.integers(1, 40))
def test_calls_that_come_at_once_are_spread_evenly_before_any_is_counted(workers: int, calls: int) -> None:
    _, found = seats(workers)
    offered = [found[number % workers].offer(LATE_MS) for number in range(calls)]

    each = [offered.count(number) for number in range(workers)]
    assert max(each) - min(each) <= 1


def test_a_call_that_is_offered_twice_at_once_counts_twice_and_then_no_more() -> None:
    _, (first, second) = seats(2)
    second.tell(1, 0)
    for _ in range(2):
        assert first.offer(LATE_MS) == 0  # the second time both have one
        first.decide(CALL)
    assert first.emptiest(LATE_MS) == 1
    first.decided(CALL)
    first.decided(CALL)

    assert first.emptiest(LATE_MS) == 0


def test_what_a_worker_that_died_has_offered_counts_no_more() -> None:
    board, (first, second) = seats(2)
    second.tell(1, 0)
    assert second.offer(LATE_MS) == 0
    assert second.offer(LATE_MS) == 0
    board.clear(1)
    second.sit_down()
    second.tell(1, 0)

    assert first.emptiest(LATE_MS) == 0


def test_a_call_on_offer_counts_until_it_is_decided_once() -> None:
    _, (first, second) = seats(2)
    assert first.offer(LATE_MS) == 0
    first.decide(CALL)
    first.tell(1, 0)
    first.decided(CALL)
    first.decided(CALL)
    assert first.offer(LATE_MS) == 1
    first.withdraw(1)
    first.withdraw(1)

    assert first.offer(LATE_MS) == 1
    assert second.offer(LATE_MS) == 0


def test_a_worker_that_is_late_or_stops_gets_no_call_while_another_may_have_it() -> None:
    _, (first, second) = seats(2)
    first.tell(0, LATE_MS + 1)
    second.tell(9, 0)
    late = first.offer(LATE_MS)
    second.close()

    assert (late, second.offer(LATE_MS)) == (1, 0)
    first.close()
    assert second.offer(LATE_MS) == 1  # there is nobody, so that whoever is asked says so


# --- money -----------------------------------------------------------------------------------------------------------


def test_what_all_workers_spend_on_a_day_counts_also_when_one_has_died() -> None:
    board, (first, second) = seats(2)
    first.spend(1.5, 7)
    second.spend(2.25, 7)
    board.clear(1)
    third = Seat(board, 1)
    third.sit_down()
    third.spend(1.0, 7)
    spent = first.spent(7)
    third.spend(0.5, 8)

    assert (spent, first.spent(8)) == (4.75, 0.5)


def test_what_was_spent_before_is_counted_once() -> None:
    _, (first, second) = seats(2)
    assert first.must_count
    assert second.must_count
    first.counted(3.0, 7)
    second.counted(3.0, 7)

    assert not first.must_count
    assert (second.spent(7), second.spent(8)) == (3.0, 0.0)


# --- processes -------------------------------------------------------------------------------------------------------


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no workers without it")


def fork(work: Callable[[], None]) -> int:
    """Do this in another process, which then ends as one that is killed; gives its id."""
    process_id = os.fork()
    if process_id == 0:
        try:
            work()
        finally:
            os._exit(0)
    return process_id


@forks
def test_only_one_process_holds_the_lock() -> None:
    board, (_, counted) = seats(2)

    def count() -> None:
        for _ in range(200):
            with board.alone():
                before = int(board.rows[1]["calls"])
                os.sched_yield()  # whoever is not kept out comes now
                counted.tell(before + 1, 0)

    for process_id in [fork(count) for _ in range(3)]:
        os.waitpid(process_id, 0)

    assert board.rows[1]["calls"] == 600


@forks
def test_who_dies_lets_go_of_the_lock() -> None:
    board, (first, _) = seats(2)

    def die() -> None:
        with board.alone():
            Seat(board, 1).tell(9, 0)
            os._exit(0)

    os.waitpid(fork(die), 0)
    with board.alone():
        told = first.calls_of_others

    assert told == 9
