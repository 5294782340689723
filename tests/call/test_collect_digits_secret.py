"""Secret numbers: who may know them, and from when until when keys are hidden."""

from tests.support.collecting import Conversing, answers, ask, collecting, pause, press, told
from tests.support.script import Script, an_agent
from voice_agent.agent import DigitCollection, Tool
from voice_agent.call.collect_digits import HABIT_MS, CollectDigits
from voice_agent.call.commands import (
    AddToolOutput,
    HideKeys,
    KeepDigits,
    Note,
    ShowKeys,
    ToolAnswered,
)
from voice_agent.call.conversation import Conversation, KeysTurn, Resumption, ToolTurn
from voice_agent.call.events import KeyPressed, ResponseCreated, ResponseDone, TimerFired, ToolRequested
from voice_agent.call.facts import AgentChanged, CollectionEnded, LineToolAnswered, LineToolCalled, SecrecyEnded
from voice_agent.call.hidden_audio import BEFORE_MS


def kept(script: Script) -> list[tuple[str, str]]:
    return [(order.name, order.digits) for order in script.ordered(KeepDigits)]


def test_of_a_secret_number_the_model_learns_the_length_and_a_name() -> None:
    script = collecting(length=4, secret=True)
    script.wait(300)
    press(script, "1204")

    assert answers(script) == [{"received": 4, "digits": "${digits_1}", "ended_by": "length"}]
    assert kept(script) == [("digits_1", "1204")]
    assert [answered.output for answered in script.ordered(ToolAnswered)] == [script.ordered(AddToolOutput)[0].output]


def test_a_second_secret_number_has_a_name_of_its_own_and_an_empty_one_has_none() -> None:
    script = collecting(secret=True, timeout_seconds=2)
    script.wait(300)
    press(script, "12#")
    pause(script, 2000)
    ask(script, "c2", "pin", "r2")
    pause(script, 2500)
    ask(script, "c3", "pin", "r3")
    pause(script, 300)
    press(script, "34#")

    assert [answer.get("digits") for answer in answers(script)] == ["${digits_1}", None, "${digits_2}"]
    assert [answer["received"] for answer in answers(script)] == [2, 0, 2]
    assert kept(script) == [("digits_1", "12"), ("digits_2", "34")]


def test_secrecy_lasts_until_nobody_types_any_more() -> None:
    script = collecting(length=2, secret=True)
    script.wait(300)
    press(script, "12")
    press(script, "3456#", 1400)
    before = script.ordered(ShowKeys)
    pause(script, 100)
    press(script, "7")
    pause(script, 2000)

    assert before == []
    assert len(script.ordered(ShowKeys)) == 1
    assert told(script) == ["The caller pressed these keys: 7"]


def test_secrecy_ends_at_once_when_nothing_was_typed() -> None:
    script = collecting(secret=True, timeout_seconds=2)
    script.wait(2000)

    assert len(script.ordered(HideKeys)) == len(script.ordered(ShowKeys)) == 1


def test_keys_from_before_a_secret_number_are_no_part_of_it_and_not_told() -> None:
    script = Conversing(collecting(length=2, secret=True).agent)
    script.begin()
    press(script, "9", 100)
    ask(script)
    press(script, "8", 190)  # so soon that its sound began before
    pause(script, 100)
    press(script, "12")
    pause(script, 3000)

    assert kept(script) == [("digits_1", "12")]
    assert told(script) == []
    assert [note.what for note in script.ordered(Note)] == ["keys before a secret number are dropped"]


def test_a_plain_collection_behind_a_secret_one_hides_nothing() -> None:
    script = collecting(length=2, secret=True)
    script.wait(300)
    press(script, "12")
    ask(script, "c2", "birthday", "r2")
    press(script, "24121990")

    assert [type(order).__name__ for order in script.said if isinstance(order, HideKeys | ShowKeys)] == [
        "HideKeys",
        "ShowKeys",
    ]
    assert answers(script)[-1] == {"digits": "24121990", "ended_by": "length"}
    assert len(kept(script)) == 1


def test_the_names_of_a_former_stream_are_not_given_again() -> None:
    output = '{"received":4,"digits":"${digits_1}","ended_by":"length"}'
    turns = (
        ToolTurn("c0", "pin", "{}", output),
        ToolTurn("c8", "look_up", "{}", "42"),
        ToolTurn("c9", "look_up", "{}", None),
        KeysTurn("1"),
    )
    tool = Tool("pin", "", {}, "collect_digits", digits=DigitCollection(secret=True))
    part = CollectDigits(an_agent(tools=(tool,)), Resumption(Conversation("test", turns), "They are back."))
    list(part.feed(0, LineToolCalled("c1", "pin", "{}")))
    outputs = [output for key in "12#" for output in part.feed(300, KeyPressed(key))]

    assert [order for order in outputs if isinstance(order, KeepDigits)] == [KeepDigits("digits_2", "12")]


def test_a_key_counts_from_the_moment_at_which_its_sound_is_held_back() -> None:
    script = collecting(length=2, secret=True)
    script.wait(BEFORE_MS)
    press(script, "12")

    assert kept(script) == [("digits_1", "12")]


def test_a_secret_number_right_behind_another_is_hidden_to_its_end() -> None:
    script = collecting(length=2, secret=True)
    script.wait(300)
    press(script, "12", 100)
    ask(script, "c2", "pin", "r2")
    asked_ms = script.now_ms
    pause(script, HABIT_MS + 500)
    shown_between = len(script.ordered(ShowKeys))
    press(script, "34")

    assert script.now_ms > asked_ms + HABIT_MS
    assert shown_between == 1  # when the first was over and the second began
    assert kept(script) == [("digits_1", "12"), ("digits_2", "34")]


def test_a_call_that_goes_on_gives_no_name_of_a_secret_number_twice() -> None:
    former = Conversation("test", (ToolTurn("c0", "pin", "{}", '{"received":4,"digits":"${digits_1}"}'),))
    tool = Tool("pin", "The PIN.", {}, "collect_digits", digits=DigitCollection(length=4, secret=True))
    script = Script(an_agent(tools=(tool,)), resumed=Resumption(former, "The line was lost.")).begin()
    script.feed(
        ResponseCreated("r1", None), ToolRequested("r1", "i1", "c1", "pin", "{}"), ResponseDone("r1", "completed")
    )
    script.wait(300)
    script.feed(*map(KeyPressed, "1204"))

    assert kept(script) == [("digits_2", "1204")]


def test_who_types_a_secret_number_during_a_hand_over_types_it_to_its_end_in_secret() -> None:
    tool = Tool("pin", "", {}, "collect_digits", digits=DigitCollection(length=4, secret=True))
    part = CollectDigits(an_agent(tools=(tool,)))
    list(part.feed(0, LineToolCalled("c1", "pin", "{}")))
    list(part.feed(500, KeyPressed("1")))

    assert list(part.feed(900, AgentChanged(an_agent()))) == [
        KeepDigits("digits_1", "1"),
        CollectionEnded(),
        LineToolAnswered("c1", '{"received":1,"digits":"${digits_1}","ended_by":"hand-over","wanted":4}'),
    ]
    assert part.deadline() == 900 + HABIT_MS
    assert [list(part.feed(900 + 400 * more, KeyPressed("2"))) for more in range(1, 4)] == [[], [], []]
    assert part.deadline() == 2100 + HABIT_MS
    assert list(part.feed(2100 + HABIT_MS, TimerFired())) == [ShowKeys(), SecrecyEnded()]
