"""What becomes of a request for a response: begun, refused, failed, or not wanted any more."""

import pytest

from tests.support.script import Script, an_agent
from voice_agent.agent import BargeIn, Limits
from voice_agent.call.commands import (
    CancelResponse,
    ConnectModel,
    CreateResponse,
    Note,
    SetTurnFlags,
)
from voice_agent.call.events import (
    CallEvent,
    KeyPressed,
    McpCalled,
    ModelAudio,
    ModelError,
    ResponseCreated,
    ResponseDone,
    SpeechStarted,
    SpeechStopped,
    ToolFinished,
    ToolRequested,
    TurnCommitted,
)
from voice_agent.call.turns import SERVER_ANSWER_MS

BUSY = "conversation_already_has_active_response"


def requests(script: Script) -> list[str]:
    return [command.request for command in script.ordered(CreateResponse)]


@pytest.mark.parametrize(
    "failing",
    [
        (ModelError("server_error", "try again", "goodbye-1"),),
        (ModelError(BUSY, "busy", "goodbye-1"),),
        (ResponseCreated("r2", "goodbye-1"), ResponseDone("r2", "failed", "server_error")),
    ],
)
def test_a_goodbye_that_was_taken_back_is_not_asked_for_again_when_it_fails(failing: tuple[CallEvent, ...]) -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.response_done()
    script.feed(KeyPressed("1"))  # the caller keeps the call
    script.feed(*failing)
    script.wait(2000)
    script.feed(ResponseCreated("r3", "keys-2"))
    script.response_done("r3")

    assert requests(script) == ["goodbye-1", "keys-2"]


def test_a_goodbye_that_is_taken_back_while_it_is_made_is_not_asked_for_again_when_it_fails() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.response_done()
    script.feed(ResponseCreated("r2", "goodbye-1"), KeyPressed("1"), ResponseDone("r2", "failed", "server_error"))
    script.wait(2000)

    assert requests(script) == ["goodbye-1", "keys-2"]


def test_a_silent_caller_is_not_asked_behind_the_servers_own_answer() -> None:
    script = Script(an_agent(limits=Limits(minutes=10, idle_seconds=5))).begin()
    script.wait(5000)
    script.feed(ResponseCreated("r1", None), ModelError(BUSY, "busy", "idle-1"))
    script.response_done()
    script.wait(2000)

    assert requests(script) == ["idle-1"]


# --- refused ---------------------------------------------------------------------------------------------------------


def greeting() -> Script:
    """A call whose greeting was asked for."""
    return Script(an_agent(greeting="Hello.")).begin()


def notes(script: Script) -> list[Note]:
    return script.ordered(Note)


def test_what_was_refused_for_another_response_that_is_not_seen_is_asked_for_2_s_later() -> None:
    script = greeting()
    script.feed(ModelError(BUSY, "busy", "greeting-1"))
    script.wait(1999)
    before = requests(script)
    script.wait(1)

    assert before == ["greeting-1"]
    assert requests(script) == ["greeting-1", "greeting-2"]


def test_a_session_that_refuses_for_a_response_that_is_never_seen_is_given_up() -> None:
    script = greeting()
    script.feed(ModelError(BUSY, "busy", "greeting-1"))
    script.wait(2000)
    script.feed(ModelError(BUSY, "busy", "greeting-2"))
    script.wait(1999)
    before = script.ordered(ConnectModel)[1:]
    script.wait(1)

    assert before == []
    assert len(script.ordered(ConnectModel)) == 2
    assert [note.fields["reason"] for note in notes(script) if note.what == "the model's session is opened anew"] == [
        "responses keep failing: the model says that it makes one, and none is seen"
    ]


def test_what_was_refused_for_another_response_is_asked_for_as_soon_as_that_ends() -> None:
    script = greeting()
    script.feed(ModelError(BUSY, "busy", "greeting-1"), ResponseDone("r1", "completed"))

    assert requests(script) == ["greeting-1", "greeting-2"]


def test_what_was_refused_comes_before_what_waited_behind_it() -> None:
    script = greeting()
    script.feed(KeyPressed("1"))
    script.wait(1500)
    script.feed(ModelError(BUSY, "busy", "greeting-1"), ResponseDone("r1", "completed"))

    assert requests(script) == ["greeting-1", "greeting-2"]


def test_a_key_and_a_result_that_came_into_one_response_are_spoken_of_together() -> None:
    script = Script().begin()
    script.agent_speaks("a", 200, done=False)
    script.feed(KeyPressed("4"))
    script.wait(1600)
    script.feed(ToolRequested("r1", "f1", "c1", "look_up", "{}"), ToolFinished("c1", "42"))
    script.response_done()
    script.agent_speaks("b", 200, response="r2")
    script.response_done("r2")

    assert requests(script) == ["keys-1"]


def test_a_request_that_was_refused_is_not_waited_for() -> None:
    script = greeting()
    script.feed(ResponseCreated("r1", None), ModelError(BUSY, "busy", "greeting-1"))
    script.agent_speaks("a", 6000)
    script.wait(5000)

    assert len(script.ordered(ConnectModel)) == 1


@pytest.mark.parametrize(("code", "reason"), [("server_error", "server_error: oh"), (None, "error: oh")])
def test_a_refusal_is_told_and_the_second_one_loses_the_session(code: str | None, reason: str) -> None:
    script = greeting()
    script.feed(ModelError(code, "oh", "greeting-1"))
    first = [note for note in notes(script) if note.what == "a response failed"]
    script.feed(ModelError(code, "oh", "greeting-2"))

    assert first == [Note("warning", "a response failed", {"reason": reason})]
    assert notes(script)[-1] == Note(
        "warning", "the model's session is opened anew", {"reason": f"responses keep failing: {reason}"}
    )


@pytest.mark.parametrize(
    ("status", "what"), [("failed", "a response failed"), ("incomplete", "a response was left incomplete")]
)
def test_why_a_response_came_to_nothing_is_told(status: str, what: str) -> None:
    script = greeting()
    script.feed(ResponseCreated("r1", "greeting-1"), ResponseDone("r1", status, "oh"))  # type: ignore[arg-type]

    assert notes(script) == [Note("warning", what, {"reason": "oh"})]


def test_an_error_that_has_nothing_to_do_with_the_turn_leaves_the_answer_to_the_server() -> None:
    script = Script().begin()
    script.feed(SpeechStarted("u1", 0), SpeechStopped("u1", 0), TurnCommitted("u1"))
    script.feed(ModelError("invalid_value", "oh", "truncate-a"))
    before = requests(script)
    script.wait(SERVER_ANSWER_MS)

    assert (before, requests(script)) == ([], ["turn-1"])


def test_what_nobody_asked_for_by_that_name_is_not_said_after_a_cough() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=600))).begin()
    script.agent_speaks("a", 3000)
    script.response_done()
    script.caller_speaks()
    script.feed(ResponseCreated("r2", "somebody-1"), ResponseDone("r2", "cancelled"))
    script.wait(200)
    script.caller_stops()

    assert [command.response_id for command in script.ordered(CancelResponse)] == ["r2"]
    assert requests(script) == []


def test_a_protected_greeting_that_is_not_heard_yet_stays_protected_when_another_response_ends() -> None:
    script = Script(an_agent(greeting="Hello.", barge_in=BargeIn(protect_greeting=True))).begin()
    script.feed(ResponseCreated("r1", "greeting-1"), ResponseDone("r0", "cancelled"))

    assert script.ordered(SetTurnFlags) == []


def test_a_refusal_that_names_another_request_changes_nothing() -> None:
    script = greeting()
    script.feed(ModelError("server_error", "oh", "truncate-a"))
    script.wait(3999)
    before = script.ordered(ConnectModel)[1:]
    script.wait(1)

    assert requests(script) == ["greeting-1"]
    assert before == []
    assert len(script.ordered(ConnectModel)) == 2


def test_a_response_that_completes_or_says_something_forgives_the_failure_before_it() -> None:
    script = Script().begin()
    for response, status in (("r1", "failed"), ("r2", "completed"), ("r3", "failed"), ("r4", "incomplete")):
        script.feed(ResponseCreated(response, None))
        if response == "r4":
            script.feed(ModelAudio("r4", "a", 0, b"\x10" * 80, 10))
        script.response_done(response, status)
    script.feed(ResponseCreated("r5", None))
    script.response_done("r5", "failed")

    assert len(script.ordered(ConnectModel)) == 1


@pytest.mark.parametrize("ends", [[], [ModelAudio("r1", "a", 0, b"", 0, done=True)]])
def test_a_response_that_is_left_incomplete_without_a_sound_is_asked_for_once_more(ends: list[CallEvent]) -> None:
    script = Script(an_agent(greeting="Hello.")).begin()
    script.feed(ResponseCreated("r1", "greeting-1"), *ends, ResponseDone("r1", "incomplete", "max_output_tokens"))
    again = requests(script)
    script.feed(ResponseCreated("r2", "greeting-2"), ResponseDone("r2", "incomplete", "max_output_tokens"))

    assert again == ["greeting-1", "greeting-2"]
    assert [note.fields["reason"] for note in notes(script) if note.what == "the model's session is opened anew"] == [
        "responses keep failing: left incomplete: max_output_tokens"
    ]


@pytest.mark.parametrize(
    "came",
    [
        ModelAudio("r1", "a", 0, b"\x10" * 80, 10),
        ToolRequested("r1", "f1", "c1", "look_up", "{}"),
        McpCalled("r1", "m1", "calendar", "free_slots", "{}"),
    ],
)
def test_a_response_that_is_left_incomplete_and_of_which_something_came_is_not(came: CallEvent) -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), came, ResponseDone("r1", "incomplete", "max_output_tokens"))

    assert requests(script) == []


def test_nothing_that_came_of_another_response_counts_for_one_that_is_left_incomplete() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.agent_speaks("a", 10)
    script.feed(ResponseDone("r1", "completed"), SpeechStarted("u1", 0), TurnCommitted("u1"))
    script.feed(ResponseCreated("r2", None), ResponseDone("r2", "incomplete", "max_output_tokens"))

    assert requests(script) == ["retry-1"]


def test_the_end_of_a_response_that_is_not_known_asks_for_nothing() -> None:
    script = Script().begin()
    script.feed(ResponseDone("r7", "incomplete", "max_output_tokens"))

    assert requests(script) == []


def test_why_a_session_is_given_up_is_told() -> None:
    script = greeting()
    for number in (1, 2):
        script.feed(
            ResponseCreated(f"r{number}", f"greeting-{number}"), ResponseDone(f"r{number}", "failed", "no luck")
        )

    assert Note(
        "warning", "the model's session is opened anew", {"reason": "responses keep failing: no luck"}
    ) in notes(script)


def test_a_cancelled_response_that_is_left_incomplete_is_not_asked_for_again() -> None:
    script = Script(an_agent(barge_in=BargeIn(after_ms=400))).begin()
    script.feed(ResponseCreated("r1", None))
    script.caller_speaks()
    script.feed(ResponseDone("r1", "incomplete", "max_output_tokens"))
    script.caller_stops()
    script.feed(ResponseCreated("r2", "turn-1"), ResponseDone("r2", "incomplete", "max_output_tokens"))

    assert requests(script) == ["turn-1", "turn-2"]
