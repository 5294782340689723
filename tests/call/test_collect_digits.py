"""The tool that waits for keys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.collecting import Conversing, answers, ask, collecting, pause, press, told
from tests.support.script import an_agent
from voice_agent.agent import DigitCollection, Limits, Tool
from voice_agent.call.collect_digits import HABIT_MS, CollectDigits
from voice_agent.call.commands import (
    ClearPlayback,
    CreateResponse,
    RunTool,
    ToolAnswered,
)
from voice_agent.call.events import (
    KeyPressed,
    ModelClosed,
    ResponseCreated,
    ResponseDone,
    StreamStopped,
    TimerFired,
)
from voice_agent.call.facts import (
    AgentChanged,
    CollectionBegan,
    CollectionEnded,
    KeyLeft,
    LineToolAnswered,
    LineToolCalled,
)


def test_a_number_of_its_length_is_the_answer_and_no_text() -> None:
    script = collecting(length=4)
    press(script, "1204")
    pause(script, 3000)

    assert answers(script) == [{"digits": "1204", "ended_by": "length"}]
    assert told(script) == []
    assert script.ordered(RunTool) == []
    assert len(script.ordered(CreateResponse)) == 1  # which speaks of the answer


def test_the_terminator_ends_the_number_and_is_no_part_of_it() -> None:
    script = collecting(terminator="*")
    press(script, "12#7*")

    assert answers(script) == [{"digits": "12#7", "ended_by": "terminator"}]


def test_a_number_that_is_cut_short_says_how_long_it_should_have_been() -> None:
    script = collecting(length=4)
    press(script, "12#")

    assert answers(script) == [{"digits": "12", "ended_by": "terminator", "wanted": 4}]


def test_the_time_begins_anew_with_each_key() -> None:
    script = collecting(timeout_seconds=2)
    press(script, "123", 1900)
    before = answers(script)
    pause(script, 100)

    assert before == []
    assert answers(script) == [{"digits": "123", "ended_by": "timeout"}]


def test_a_caller_who_presses_nothing_is_told_so_to_the_model_once() -> None:
    script = collecting(timeout_seconds=2, length=4)
    pause(script, 1999)
    before = answers(script)
    pause(script, 10_000)

    assert before == []
    assert answers(script) == [{"digits": "", "ended_by": "timeout", "wanted": 4}]
    assert [answered.failed for answered in script.ordered(ToolAnswered)] == [False]


def test_the_question_is_heard_out_before_the_time_begins() -> None:
    script = collecting(timeout_seconds=2)
    script.agent_speaks("a", 5000, response="r2")
    script.response_done("r2")
    pause(script, 6900)
    before = answers(script)
    pause(script, 200)

    assert before == []
    assert answers(script) == [{"digits": "", "ended_by": "timeout"}]


def test_the_time_waits_for_a_caller_who_speaks_and_for_the_answer() -> None:
    script = collecting(timeout_seconds=2)
    pause(script, 1000)
    script.caller_speaks()
    pause(script, 4000)
    script.caller_stops()
    script.feed(ResponseCreated("r2", None))
    pause(script, 4000)
    script.feed(ResponseDone("r2", "completed"))
    pause(script, 1900)
    before = answers(script)
    press(script, "7#")

    assert before == []
    assert answers(script) == [{"digits": "7", "ended_by": "terminator"}]


def test_a_barge_in_loses_no_key() -> None:
    script = collecting(length=3)
    script.agent_speaks("a", 5000, response="r2")
    press(script, "12")
    script.caller_speaks()
    pause(script, 200)
    script.caller_stops()
    press(script, "3")

    assert answers(script) == [{"digits": "123", "ended_by": "length"}]


def test_keys_cut_nothing_of_the_question() -> None:
    script = collecting(length=3)
    script.agent_speaks("a", 5000, response="r2")
    press(script, "123")

    assert script.ordered(ClearPlayback) == []


def test_keys_pressed_shortly_before_the_tool_was_called_are_its_first() -> None:
    script = Conversing(collecting(length=3).agent)
    script.begin()
    press(script, "12", 1000)
    ask(script)
    press(script, "3")
    pause(script, 3000)

    assert answers(script) == [{"digits": "123", "ended_by": "length"}]
    assert told(script) == []


def test_what_is_pressed_beyond_the_length_is_for_the_model() -> None:
    script = Conversing(collecting(length=2).agent)
    script.begin()
    press(script, "123")
    ask(script)
    press(script, "4")
    pause(script, 3000)

    assert answers(script) == [{"digits": "12", "ended_by": "length"}]
    assert told(script) == ["The caller pressed these keys: 3 4"]


def test_a_terminator_pressed_from_habit_behind_a_whole_number_is_nobodys() -> None:
    script = collecting(length=2)
    press(script, "12#")
    pause(script, 3000)
    once = told(script)
    press(script, "#")
    pause(script, 3000)

    assert once == []
    assert told(script) == ["The caller pressed these keys: #"]


@pytest.mark.parametrize("keys", ["13#", "1##"])
def test_only_the_first_key_behind_a_whole_number_may_be_a_habit(keys: str) -> None:
    script = collecting(length=1)
    press(script, keys)
    pause(script, 3000)

    assert told(script) == [f"The caller pressed these keys: {'3 #' if '3' in keys else '#'}"]


def test_a_terminator_long_after_the_number_is_no_habit() -> None:
    script = collecting(length=2)
    press(script, "12")
    pause(script, 1500)
    press(script, "#")
    pause(script, 3000)

    assert told(script) == ["The caller pressed these keys: #"]


def test_without_a_terminator_every_key_counts() -> None:
    script = collecting(length=3, terminator="")
    press(script, "#*1#")
    pause(script, 3000)

    assert answers(script) == [{"digits": "#*1", "ended_by": "length"}]
    assert told(script) == ["The caller pressed these keys: #"]


def test_a_new_collection_ends_the_one_before_and_each_is_answered() -> None:
    script = collecting(length=4)
    press(script, "12")
    ask(script, "c2", "birthday", "r2")
    press(script, "24121990")

    assert answers(script) == [
        {"digits": "12", "ended_by": "another call", "wanted": 4},
        {"digits": "24121990", "ended_by": "length"},
    ]
    assert [answered.call_id for answered in script.ordered(ToolAnswered)] == ["c1", "c2"]


def test_other_tools_run_meanwhile() -> None:
    script = collecting(length=2)
    ask(script, "c2", "look_up", "r2")
    press(script, "12")

    assert [run.call_id for run in script.ordered(RunTool)] == ["c2"]
    assert answers(script) == [{"digits": "12", "ended_by": "length"}]


def test_a_caller_who_types_is_neither_asked_for_a_sign_of_life_nor_whether_they_are_there() -> None:
    tool = Tool("pin", "The PIN.", {}, "collect_digits", digits=DigitCollection(timeout_seconds=30))
    script = Conversing(an_agent(tools=(tool,), limits=Limits(idle_seconds=5)))
    script.begin()
    ask(script)
    script.fresh()
    heard = script.wait(29_000)
    pause(script, 6200)

    assert [command for command in heard if isinstance(command, CreateResponse)] == []
    assert [answer["ended_by"] for answer in answers(script)] == ["timeout"]
    assert [request.request for request in script.ordered(CreateResponse)] == ["tool-1", "idle-2"]


@pytest.mark.parametrize("end", [ModelClosed(4000), StreamStopped()])
def test_nothing_is_answered_once_model_or_caller_are_gone(end: ModelClosed | StreamStopped) -> None:
    script = collecting(length=2)
    press(script, "1")
    script.feed(end)
    press(script, "2")
    pause(script, 20_000)

    assert answers(script) == []


@given(
    st.lists(
        st.sampled_from([*"0123456789*#", "ask", "speak", "agent", "wait", "pause"]),
        max_size=25,
    ),
    st.sampled_from([None, 1, 2, 5]),
    st.sampled_from(["#", "*", ""]),
)
def test_every_call_is_answered_once_and_every_key_goes_one_way(
    acts: list[str], length: int | None, terminator: str
) -> None:
    script = collecting(length=length, terminator=terminator, timeout_seconds=3)
    calls = 1
    for act in acts:
        match act:
            case "ask":
                calls += 1
                ask(script, f"c{calls}", "pin", f"r{calls}")
            case "speak":
                script.caller_speaks(f"u{script.now_ms}")
                pause(script, 100)
                script.caller_stops(f"u{script.now_ms}")
            case "agent":
                script.agent_speaks(f"a{script.now_ms}", 700, response=f"s{script.now_ms}")
                script.response_done(f"s{script.now_ms}")
            case "wait" | "pause":
                pause(script, 4500 if act == "wait" else 400)
            case _:
                press(script, act)
    pause(script, 20_000)

    pressed = "".join(act for act in acts if len(act) == 1)
    collected = "".join(answer["digits"] for answer in answers(script))
    given = "".join(text.partition(": ")[2].replace(" ", "") for text in told(script))
    assert sorted(answered.call_id for answered in script.ordered(ToolAnswered)) == sorted(
        f"c{number}" for number in range(1, calls + 1)
    )
    for key in "0123456789*#":
        counted = collected.count(key) + given.count(key)
        assert counted <= pressed.count(key)
        assert counted == pressed.count(key) or key == terminator
    assert all(length is None or len(answer["digits"]) <= length for answer in answers(script))
    assert all(terminator not in answer["digits"] for answer in answers(script) if terminator)


# --- secret numbers --------------------------------------------------------------------------------------------------


def test_when_a_number_is_whole_nobody_is_waited_for() -> None:
    script = collecting(length=2)
    begun = repr(script.call)
    press(script, "12", 0)
    pause(script, HABIT_MS)

    assert "<CollectDigits collecting, Deadlines({'key': 8000})>" in begun
    assert "<CollectDigits idle, Deadlines({})>" in repr(script.call)


def test_another_agents_tool_collects_from_the_hand_over_on() -> None:
    part = CollectDigits(an_agent())
    called = LineToolCalled("c1", "pin", "{}")
    tool = Tool("pin", "The PIN.", {}, "collect_digits", digits=DigitCollection())

    assert list(part.feed(0, called)) == []
    assert list(part.feed(0, AgentChanged(an_agent(tools=(tool,))))) == []
    assert list(part.feed(0, called)) == [CollectionBegan(secret=False)]


def test_what_one_agent_asked_for_is_answered_when_another_takes_over() -> None:
    part = CollectDigits(an_agent(tools=(Tool("pin", "", {}, "collect_digits", digits=DigitCollection(length=4)),)))
    list(part.feed(0, LineToolCalled("c1", "pin", "{}")))
    list(part.feed(500, KeyPressed("1")))

    assert list(part.feed(900, AgentChanged(an_agent()))) == [
        CollectionEnded(),
        LineToolAnswered("c1", '{"digits":"1","ended_by":"hand-over","wanted":4}'),
    ]
    assert list(part.feed(1000, KeyPressed("2"))) == [KeyLeft("2")]
    assert list(part.feed(60_000, TimerFired())) == []
