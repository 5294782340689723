"""Keys that the caller presses."""

from tests.support.script import Script
from voice_agent.call.commands import AddUserText, CreateResponse, KeysPressed
from voice_agent.call.conversation import KeysTurn
from voice_agent.call.events import KeyPressed, ModelClosed, ModelError, StreamStopped
from voice_agent.call.facts import KeyLeft, LineClosing
from voice_agent.call.keys import Keys


def pressed(script: Script) -> list[str]:
    return [report.digits for report in script.ordered(KeysPressed)]


def test_keys_are_given_as_one_text_once_the_caller_has_stopped_pressing() -> None:
    script = Script().begin()
    for digit in "42#":
        script.feed(KeyPressed(digit))
        script.wait(1400)
    before = pressed(script)
    script.wait(100)

    assert before == []
    assert pressed(script) == ["42#"]
    assert [c.text for c in script.ordered(AddUserText)] == ["The caller pressed these keys: 4 2 #"]
    assert len(script.ordered(CreateResponse)) == 1
    assert script.call.conversation().turns == (KeysTurn("42#"),)


def test_keys_wait_for_the_session() -> None:
    script = Script()
    script.begin_stream()
    script.feed(KeyPressed("1"))
    script.wait(4000)
    before = script.ordered(AddUserText)
    script.begin_session()
    script.wait(1500)

    assert before == []
    assert pressed(script) == ["1"]


def test_a_number_that_is_begun_before_the_session_is_there_is_given_whole() -> None:
    script = Script()
    script.begin_stream()
    script.feed(KeyPressed("1"))
    script.wait(2000)
    script.begin_session()
    script.wait(900)
    script.feed(KeyPressed("2"))
    script.wait(1499)
    before = pressed(script)
    script.wait(1)

    assert before == []
    assert pressed(script) == ["12"]


def test_each_number_is_given_once_and_by_a_name_of_its_own() -> None:
    script = Script().begin()
    for digit in "12":
        script.feed(KeyPressed(digit))
        script.wait(1500)

    assert script.ordered(AddUserText) == [
        AddUserText("pressed-1", "The caller pressed these keys: 1"),
        AddUserText("pressed-2", "The caller pressed these keys: 2"),
    ]
    assert pressed(script) == ["1", "2"]


def test_keys_pressed_while_the_agent_speaks_cut_nothing_and_are_answered_after_its_response() -> None:
    script = Script().begin()
    script.agent_speaks("a", 5000, done=False)
    script.feed(KeyPressed("1"))
    script.wait(2000)
    before = script.ordered(CreateResponse)
    script.response_done()

    assert pressed(script) == ["1"]
    assert before == []
    assert len(script.ordered(CreateResponse)) == 1


def test_the_text_and_the_request_that_follows_it_bear_different_names() -> None:
    script = Script().begin()
    script.feed(KeyPressed("1"))
    script.wait(1500)
    (text,), (request,) = script.ordered(AddUserText), script.ordered(CreateResponse)
    script.feed(ModelError("invalid_value", "no such thing", text.event_id))
    script.wait(100)

    assert text.event_id != request.request
    assert len(script.ordered(CreateResponse)) == 1  # only the text was refused


def test_keys_go_nowhere_once_the_model_is_gone() -> None:
    script = Script().begin()
    script.feed(KeyPressed("1"), ModelClosed(4000))
    script.feed(KeyPressed("2"))
    script.wait(2000)

    assert pressed(script) == []


def test_keys_that_were_not_given_yet_are_dropped_when_the_call_ends() -> None:
    script = Script().begin()
    script.feed(KeyPressed("1"), StreamStopped())

    assert script.wait(2000) == []


def test_keys_into_a_line_that_is_being_closed_are_given_to_nobody() -> None:
    part = Keys()
    for fact in (LineClosing(), KeyLeft("1")):
        list(part.feed(0, fact))

    assert part.deadline() is None
