"""What waits to be asked for."""

from collections.abc import Callable
from typing import get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.call.facts import ResponseWanted
from voice_agent.call.wanted import WITHDRAWN, Requests, queued

TURN, KEYS, MCP = ResponseWanted("turn"), ResponseWanted("keys"), ResponseWanted("mcp")
IDLE = ResponseWanted("idle", "Ask whether they are there.")
GREETING = ResponseWanted("greeting", "Say hello.")
WANTED = st.builds(
    ResponseWanted, st.sampled_from(get_args(get_type_hints(ResponseWanted)["purpose"])), st.none() | st.just("Say so.")
)


def test_plain_requests_are_one_and_come_first() -> None:
    assert queued([IDLE], TURN) == [TURN, IDLE]
    assert queued([TURN, IDLE], KEYS) == [TURN, IDLE]


def test_what_has_words_of_its_own_waits_its_turn_once() -> None:
    assert queued([TURN], IDLE) == [TURN, IDLE]
    assert queued([TURN, IDLE], IDLE) == [TURN, IDLE]


def test_a_result_of_ours_stands_for_one_that_the_server_knows() -> None:
    assert queued([MCP], KEYS) == [KEYS]
    assert queued([KEYS], MCP) == [KEYS]
    assert queued([MCP], TURN) == [MCP]


@given(st.lists(WANTED))
def test_however_many_are_wanted_one_is_plain_and_each_purpose_stands_once(wanted: list[ResponseWanted]) -> None:
    waiting: list[ResponseWanted] = []
    for one in wanted:
        waiting = queued(waiting, one)

    assert sum(one.instructions is None for one in waiting) <= 1
    assert len({one.purpose for one in waiting}) == len(waiting)
    assert bool(waiting) == bool(wanted)


def test_the_greeting_comes_first_whatever_was_wanted_before_and_behind_it() -> None:
    requests = Requests()
    for wanted in (KEYS, GREETING, IDLE):
        requests.want(wanted)
    put_back = Requests()
    put_back.want(KEYS)
    put_back.put_back(GREETING, anyway=True)

    assert requests.waiting == [GREETING, KEYS, IDLE]
    assert put_back.waiting == [GREETING, KEYS]


def test_a_request_is_settled_once_and_by_its_own_name_only() -> None:
    requests = Requests()
    requests.want(TURN)
    name = requests.ask(TURN)

    assert (requests.waiting, name) == ([], "turn-1")
    assert [requests.settle(given) for given in (None, "turn-2", name, name)] == [None, None, TURN, None]


def test_no_two_requests_have_one_name() -> None:
    requests = Requests()
    requests.waiting = [TURN, IDLE]

    assert [requests.ask(TURN), requests.ask(IDLE)] == ["turn-1", "idle-2"]


@pytest.mark.parametrize(("with_open", "again"), [(False, [IDLE]), (True, [TURN, IDLE])])
def test_what_a_lost_session_was_asked_for_waits_again(with_open: bool, again: list[ResponseWanted]) -> None:
    requests = Requests()
    requests.lose(with_open=True)
    requests.want(IDLE)
    requests.ask(IDLE)
    requests.active = TURN
    comes = requests.comes("idle")
    requests.lose(with_open=with_open)

    assert comes
    assert requests.waiting == again
    assert [requests.requested, requests.active] == [None, None]


@pytest.mark.parametrize(
    ("active", "response_id", "again"),
    [(IDLE, "r1", IDLE), (None, "r1", MCP), (None, None, None), (WITHDRAWN, "r1", None)],
)
def test_an_open_response_is_given_up_once_the_servers_own_too(
    active: ResponseWanted | None, response_id: str | None, again: ResponseWanted | None
) -> None:
    requests = Requests()
    requests.active = active

    assert [requests.give_up_open(response_id), requests.give_up_open(response_id)] == [again, None]
    assert requests.active is WITHDRAWN


@pytest.mark.parametrize(
    ("wanted", "anyway", "waits"),
    [(None, True, [MCP]), (None, False, []), (TURN, True, [TURN]), (TURN, False, []), (WITHDRAWN, True, [])],
)
def test_what_must_not_be_heard_now_waits_again_if_it_is_kept_or_no_turn(
    wanted: ResponseWanted | None, anyway: bool, waits: list[ResponseWanted]
) -> None:
    requests = Requests()
    requests.put_back(wanted, anyway=anyway)
    requests.put_back(ResponseWanted("goodbye", "Say goodbye.", keep=True), anyway=False)

    assert requests.waiting == [*waits, ResponseWanted("goodbye", "Say goodbye.", keep=True)]


@pytest.mark.parametrize("withdraw", [lambda requests: requests.withdraw("idle"), Requests.withdraw_all])
def test_what_was_withdrawn_does_not_wait_again_when_the_session_is_lost(withdraw: Callable[[Requests], None]) -> None:
    requests = Requests()
    withdraw(requests)
    nothing = (requests.requested, requests.active)
    requests.want(IDLE)
    name = requests.ask(IDLE)
    requests.active = IDLE
    withdraw(requests)
    known = (requests.requested, requests.active)
    requests.lose(with_open=True)

    assert nothing == (None, None)
    assert known == ((name, WITHDRAWN), WITHDRAWN)
    assert requests.waiting == []


def test_what_was_asked_for_and_is_not_wanted_any_more_is_not_asked_for_again() -> None:
    requests = Requests()
    requests.want(IDLE)
    name = requests.ask(IDLE)
    requests.want(KEYS)
    requests.active = IDLE
    requests.withdraw("idle")

    assert requests.settle(name) is WITHDRAWN
    assert requests.active is WITHDRAWN
    assert requests.comes("keys")
    requests.withdraw_all()
    assert not requests.comes("keys")
