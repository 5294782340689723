"""What the operator reads and the caller hears when the model's service fails: each row of the notes' three tables.

The rows are those of the refusals at the upgrade, of a response's endings and of the error codes. They are injected in
the simulated world by the faults that the local Realtime server offers to everybody.
"""

import random

import pytest

from tests.support.faulty_calls import ANSWER, FaultyCall
from tests.support.scenes import Interrupter, an_agent
from voice_agent.agent import Agent, BargeIn
from voice_agent.call.commands import AgentSaid, CallerSaid, Interrupted
from voice_agent.call.conversation import AgentTurn, CallerTurn
from voice_agent.sim.realtime import Think, ThoughtText
from voice_agent.wire.texts import ModelText

LONG_ANSWER = (
    "This is an answer that takes its time, and when it has said all that there is to say it goes on a little."
)


def interrupted(*faults: str, agent: Agent | None = None) -> FaultyCall:
    """Hold a call whose caller never lets the agent finish, and hangs up in the end."""

    def mind(asked: Think) -> list[ThoughtText]:
        return [ThoughtText(asked.response_id, 3 * LONG_ANSWER)]

    return FaultyCall(*faults, caller=Interrupter(random.Random(3), 3, 900), agent=agent, mind=mind)


# --- refused at the upgrade, or closed afterwards --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "read"),
    [
        (400, "the endpoint did not understand the request"),
        (401, "the key was refused"),
        (403, "the key was refused"),
    ],
)
def test_a_refusal_that_stays_is_apologised_for_at_once(status: int, read: str) -> None:
    call = FaultyCall(f"status-{status}")

    assert call.ends_with_an_apology()
    assert f"HTTP {status}: {read}" in call.notes[0][2]
    assert len(call.notes) == 1


@pytest.mark.parametrize(
    ("fault", "read"),
    [
        ("status-404", "HTTP 404: no such model or address"),
        ("status-429,retry-after=2", "HTTP 429: the quota is exhausted"),
        ("status-500", "HTTP 500: the service failed"),
        ("status-503,retry-after=1", "HTTP 503: the service failed"),
    ],
)
def test_a_refusal_that_may_pass_is_tried_once_more(fault: str, read: str) -> None:
    passed, stayed = FaultyCall(fault), FaultyCall(fault, fault)

    assert passed.goes_on()
    assert stayed.ends_with_an_apology()
    for call in (passed, stayed):
        assert call.notes[0][:2] == ("warning", "the model refused, and is asked again")
        assert read in call.notes[0][2]


def test_a_quota_that_is_exhausted_for_long_is_apologised_for_at_once() -> None:
    call = FaultyCall("status-429,retry-after=20")

    assert call.ends_with_an_apology()
    assert len(call.notes) == 1


@pytest.mark.parametrize("fault", ["close=4000@0.1", "close=4000@4"])
def test_a_session_that_is_closed_for_good_is_apologised_for(fault: str) -> None:
    call = FaultyCall(fault)

    assert call.ends_with_an_apology()
    assert "the preview dialect is switched off there" in call.notes[-1][2]


@pytest.mark.parametrize(
    ("fault", "read"),
    [
        ("close=1001@4", "the session reached the API's longest duration"),
        ("close=1011@4", "the server failed; a new session may work at once"),
        ("drop@4", "close 1006: the connection broke"),
        ("error=session_expired@4", "session_expired: "),
    ],
)
def test_a_session_that_is_lost_is_opened_anew_and_not_heard_of(fault: str, read: str) -> None:
    call = FaultyCall(fault)

    assert call.goes_on()
    assert [note[:2] for note in call.notes] == [
        ("warning", "the model's session is opened anew"),
        ("info", "the model is back"),
    ]
    assert read in call.notes[0][2]


def test_a_session_that_is_lost_again_and_again_is_apologised_for() -> None:
    call = FaultyCall("drop@4", "drop@0.5", "drop@0.5")

    assert call.ends_with_an_apology()


def test_a_server_that_accepts_and_says_nothing_is_given_up_in_time() -> None:
    call = FaultyCall("silence")

    assert call.ends_with_an_apology()
    assert call.heard("moment")
    assert "was not set up within 6 s" in call.notes[-1][2]


# --- how responses end -----------------------------------------------------------------------------------------------


def test_completed_responses_are_nothing_to_read_of() -> None:
    call = FaultyCall()

    assert call.goes_on()
    assert call.notes == []


@pytest.mark.parametrize(("after_ms", "reason"), [(0, "turn_detected"), (300, "client_cancelled")])
def test_a_cancelled_response_is_cut_and_nothing_to_read_of(after_ms: int, reason: str) -> None:
    call = interrupted(agent=an_agent(barge_in=BargeIn(after_ms=after_ms)))
    received = [event.text for _, event, _ in call.world.log if isinstance(event, ModelText)]

    assert any(reason in text for text in received)
    assert any(isinstance(report, Interrupted) for report in call.reports)
    assert call.notes == []
    assert call.ended is not None
    assert call.ended.outcome == "caller_hung_up"


@pytest.mark.parametrize("midway", ["", ",midway"])
def test_an_answer_that_is_cut_by_its_limit_is_told_and_the_call_goes_on(midway: str) -> None:
    call = FaultyCall(f"incomplete=max_output_tokens*1{midway}")

    assert ("warning", "a response was left incomplete", "max_output_tokens") in call.notes
    assert not call.heard("withheld")
    assert call.answers == 2
    assert call.ended is None


@pytest.mark.parametrize("midway", ["", ",midway"])
def test_an_answer_that_is_filtered_is_excused_by_a_fixed_line(midway: str) -> None:
    call = FaultyCall(f"incomplete=content_filter*2{midway}")

    assert call.notes.count(("warning", "a response was left incomplete", "content_filter")) == 2
    assert call.heard("withheld")
    assert not call.heard("apology")
    # Words come before their sound: of an answer that is stopped midway only those count that its sound can hold.
    assert call.answers == 1
    assert call.ended is None


FAILURES = ["rate_limit_exceeded", "inference_rate_limit_exceeded", "server_error", "insufficient_quota"]


@pytest.mark.parametrize("midway", ["", ",midway"])
@pytest.mark.parametrize("code", FAILURES)
def test_a_failed_response_is_asked_for_again(code: str, midway: str) -> None:
    call = FaultyCall(f"fail={code}*1{midway}")

    assert call.goes_on()
    assert call.notes[0][:2] == ("warning", "a response failed")
    assert call.notes[0][2].startswith(f"{code}: ")


@pytest.mark.parametrize("code", FAILURES)
def test_responses_that_keep_failing_are_apologised_for(code: str) -> None:
    call = FaultyCall(*[f"fail={code}"] * 3)

    assert call.ends_with_an_apology()
    assert call.ended is not None
    assert call.ended.reason.startswith(f"responses keep failing: {code}")


def test_a_session_that_begins_and_says_nothing_is_covered_and_opened_anew() -> None:
    call = FaultyCall("mute", asks=0)

    assert call.ended is None
    assert call.heard("moment")
    assert not call.heard("apology")
    assert "go on with a response for 8 s" in call.notes[0][2]


# --- error codes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["conversation_already_has_active_response", "response_cancel_not_active"])
def test_a_race_that_the_protocol_allows_is_not_even_told(code: str) -> None:
    call = FaultyCall(f"error={code}@4")

    assert call.goes_on()
    assert call.notes == []


def test_a_greeting_that_came_second_is_said_after_the_first() -> None:
    call = FaultyCall("refuse=response.create:conversation_already_has_active_response*1")

    assert call.goes_on()


LOGGED = [
    "invalid_value",
    "item_truncate_invalid_item_id",
    "item_retrieve_invalid_item_id",
    "input_audio_buffer_commit_empty",
    "unknown_parameter",
    "missing_required_parameter",
    "invalid_event",
    "invalid_parameter",
    "rate_limit_exceeded",
]


@pytest.mark.parametrize("code", [*LOGGED, "server_error"])
def test_an_error_in_the_middle_is_read_by_the_operator_and_not_heard(code: str) -> None:
    call = FaultyCall(f"error={code}@4")

    assert call.goes_on()
    assert [note[:2] for note in call.notes] == [("warning", "the model refused a request")]
    assert call.notes[0][2].startswith(f"{code}: ")


@pytest.mark.parametrize(
    "code", ["unknown_parameter", "missing_required_parameter", "invalid_event", "invalid_parameter"]
)
def test_a_session_that_is_not_understood_is_apologised_for(code: str) -> None:
    call = FaultyCall(f"refuse=session.update:{code}")

    assert call.ends_with_an_apology()
    assert f"{code}: " in call.notes[-1][2]


FATAL = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "billing_hard_limit_reached",
    "account_deactivated",
    "invalid_api_key",
    "beta_api_shape_disabled",
]


@pytest.mark.parametrize("at", ["0.1", "4"])
@pytest.mark.parametrize("code", FATAL)
def test_an_error_that_ends_the_session_is_apologised_for(code: str, at: str) -> None:
    call = FaultyCall(f"error={code}@{at}")

    assert call.ends_with_an_apology()
    assert call.notes[-1][2].startswith(f"{code}: ")


def test_a_truncation_that_is_refused_is_read_and_the_call_goes_on() -> None:
    call = interrupted("refuse=conversation.item.truncate:item_truncate_invalid_item_id")

    assert ("warning", "the model refused a request") in [note[:2] for note in call.notes]
    assert call.ended is not None
    assert call.ended.outcome == "caller_hung_up"


# --- strange, late, in pieces ----------------------------------------------------------------------------------------


def test_words_that_were_not_understood_are_read_and_answered() -> None:
    call = FaultyCall("deaf")

    assert call.goes_on()
    assert {note[1] for note in call.notes} == {"a turn of the caller was not transcribed"}


@pytest.mark.parametrize(
    ("fault", "read"), [("unknown@3", "unknown event type emulator.fault.unknown"), ("malformed@3", "")]
)
def test_a_message_that_nobody_knows_is_told_once(fault: str, read: str) -> None:
    call = FaultyCall(fault)

    assert call.goes_on()
    ((level, what, details),) = call.notes
    assert (level, what) == ("warning", "a message of the model was skipped")
    assert read in details


def test_words_that_come_behind_their_answer_stand_before_it() -> None:
    call = FaultyCall("late-words=4000")
    told = [type(report) for report in call.reports if isinstance(report, CallerSaid | AgentSaid)]
    conversation = call.world.bridge.call.conversation()
    turns = [turn.text for turn in conversation.turns if isinstance(turn, AgentTurn | CallerTurn)]

    assert call.goes_on()
    assert call.notes == []
    assert told == [AgentSaid, AgentSaid, CallerSaid, AgentSaid, CallerSaid]
    assert turns == ["Hello, who is it?", "hello", ANSWER, "hello", ANSWER]


@pytest.mark.parametrize("fault", ["delay=400", "chunks=7", "chunks=4801", "late-audio=150", "delay=200,chunks=999"])
def test_a_slow_or_chopped_answer_is_heard_whole(fault: str) -> None:
    call = FaultyCall(fault)

    assert call.goes_on()
    assert call.notes == []
