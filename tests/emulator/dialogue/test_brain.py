import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import voice_agent
from voice_agent.emulator.brain import Thought, ToolCall
from voice_agent.emulator.dialogue.brain import DialogueBrain
from voice_agent.emulator.dialogue.file import Dialogue, Intent, load_dialogues
from voice_agent.sim.realtime import Line, Think

EXAMPLES = Path(voice_agent.__file__).parent / "examples"
BRAIN = DialogueBrain(load_dialogues(EXAMPLES))
RECEPTION, TABLE = ("opening_hours", "hang_up"), ("free_table", "hang_up")
INSTRUCTIONS = "You answer the phone. Today is Sunday, 22 November 2026.\n\n- Say a short goodbye and call hang_up."


def think(
    *lines: Line,
    tools: tuple[str, ...] = RECEPTION,
    instructions: str = INSTRUCTIONS,
    tool_choice: str = "auto",
    brain: DialogueBrain = BRAIN,
) -> list[Thought]:
    order = Think("resp_1", lines, instructions, tuple({"name": name} for name in tools), tool_choice)

    async def collect() -> list[Thought]:
        return [thought async for thought in brain.think(order)]

    return asyncio.run(collect())


def heard(*texts: str, tools: tuple[str, ...] = RECEPTION) -> str:
    """What is said or called after the caller said these, one after the other."""
    return " ".join(str(thought) for thought in think(*(Line("user", text) for text in texts), tools=tools))


def answered(output: Any, name: str = "opening_hours", arguments: str = '{"day": "Monday"}') -> list[Thought]:
    return think(Line("call", arguments, name, "c"), Line("output", json.dumps(output), call_id="c"))


def call(name: str, **arguments: Any) -> str:
    return str(ToolCall(name, json.dumps(arguments)))


def test_a_question_is_answered_by_a_call_with_its_slots() -> None:
    assert heard("What are your opening hours on Saturday?") == call("opening_hours", day="Saturday")


def test_what_is_missing_is_asked_for() -> None:
    assert heard("When are you open?") == "Which day do you mean?"
    assert heard("When are you open?", "On Friday.") == call("opening_hours", day="Friday")


def test_slots_are_filled_in_any_order_over_several_turns() -> None:
    turns = ["I would like to book a table", "tomorrow", "at half past seven", "two"]

    assert heard(*turns[:1], tools=TABLE) == "For which day?"
    assert heard(*turns[:2], tools=TABLE) == "And at what time?"
    assert heard(*turns[:3], tools=TABLE) == "How many people will you be?"
    assert heard(*turns, tools=TABLE) == call("free_table", day="Monday", people=2, time="19:30")


def test_another_day_repeats_the_question() -> None:
    assert heard("Are you open on Saturday?", "And on Sunday?") == call("opening_hours", day="Sunday")


def test_a_change_of_mind_begins_anew() -> None:
    assert heard("When are you open?", "Where are you?").startswith("We are at 12 Alder Street")
    assert heard("When are you open?", "Where are you?", "at seven").startswith("Sorry")


def test_goodbye_is_said_before_hanging_up() -> None:
    thoughts = think(Line("user", "Great, thank you very much. Goodbye."))

    assert thoughts[0] == "Thank you for calling Alder Dental."
    assert thoughts[-1] == ToolCall("hang_up", "{}")


def test_where_no_call_is_allowed_none_is_made() -> None:
    thoughts = think(Line("user", "Goodbye."), tool_choice="none")

    assert not any(isinstance(thought, ToolCall) for thought in thoughts)


def test_the_tools_answer_is_put_into_words() -> None:
    assert answered({"day": "Monday", "open": "from 8 to 6"})[0] == "On Monday we are open from 8 to 6."
    assert answered({"open": "closed all day"})[0] == "On Monday we are closed all day."


def test_the_first_answer_that_fits_is_given() -> None:
    taken = {"free": False, "reason": "all tables are taken then", "next_free": "21:00"}
    order = Line("call", "{}", "free_table", "c"), Line("output", json.dumps(taken), call_id="c")

    assert think(*order, tools=TABLE)[:2] == [
        "I am sorry, all tables are taken then.",
        "The next free table is at 9 p.m. Shall I look for another day?",
    ]


def test_a_tool_that_failed_is_admitted() -> None:
    sorry = ["I am sorry, I cannot look that up now."]

    assert answered({"error": "timeout"}) == answered("broken") == answered({"other": 1}) == sorry
    assert think(Line("call", "{}", "opening_hours", "c"), Line("output", "{", call_id="c")) == sorry
    assert answered({}, name="unknown") == sorry


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ('["9:00", "14:30"]', "I have 9 a.m., 2:30 p.m."),
        ("nothing on Monday", "I have nothing on Monday."),
        ("3", "I have 3."),
        ("true", "It is so."),
    ],
)
def test_an_output_that_is_no_object_is_answered_by_its_name(output: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "slots.dialogue.yaml").write_text(
        "tools: [free]\nintents:\n  - examples: [Any time free.]\n    call: {name: free}\n    answers:\n"
        '      - {when: {output: true}, say: It is so.}\n      - {when: {output: "*"}, say: "I have {output}."}\n',
        encoding="utf-8",
    )
    lines = (Line("call", "{}", "free", "c"), Line("output", output, call_id="c"))

    assert think(*lines, tools=("free",), brain=DialogueBrain(load_dialogues(tmp_path))) == [said]


def test_after_hanging_up_nothing_is_said() -> None:
    assert answered({"ok": True}, name="hang_up") == []
    assert think(Line("output", "{}", call_id="nobody")) == []


def test_what_was_not_understood_is_told_in_other_words_each_time() -> None:
    first = think(Line("user", "blue cheese"))
    second = think(Line("user", "blue cheese"), Line("assistant", "Sorry"), Line("user", ""))

    assert first != second


def test_instructions_to_say_something_are_followed_to_the_letter() -> None:
    greeting = f'{INSTRUCTIONS}\n\nThe call has just begun. Say exactly: "Hi, I am "Al". How are you?"'

    assert think(instructions=greeting) == ['Hi, I am "Al".', "How are you?"]
    assert think(tools=(), instructions='Say exactly: "Hi."') == ["Hi."]


def test_stage_directions_of_the_bridge_are_followed() -> None:
    silent = f"{INSTRUCTIONS}\n\nThe caller has been silent for a while. Ask whether they are still there."
    ending = f"{INSTRUCTIONS}\n\nThe time for this call is over. Say so and say goodbye."

    resumed = f"{INSTRUCTIONS}\n\nThe call goes on. Tell the caller in a sentence what happened, and go on."

    assert think(Line("user", "Ana?"), Line("system", "She is out."), instructions=resumed) == [
        "I am sorry, that did not work.",
        "Is there anything else that I can do for you?",
    ]
    assert think(Line("user", "Where are you?"), instructions=silent) == ["Are you still there?"]
    assert think(instructions=ending) == ["Thank you for calling Alder Dental.", "Goodbye."]


@pytest.mark.parametrize(
    "own",
    [
        "You answer the phone.\nThe caller's number is +14255550123.",
        "You answer the phone.\n\nThe call may be recorded.",
        "You answer the phone.\nThe times are those of Seattle.",
        'When they ask for your name, Say exactly: "I am Bo."',
    ],
)
def test_what_an_agent_s_own_instructions_end_with_is_no_direction(own: str) -> None:
    greeting = f'{own}\n\nThe call has just begun. Say exactly: "Hello."'

    assert (
        think(Line("user", "Where are you?"), instructions=own)[0]
        == "We are at 12 Alder Street, right behind the library."
    )
    assert think(instructions=greeting) == ["Hello."]


def test_without_a_word_it_greets() -> None:
    assert think() == ["Thanks for calling Alder Dental, how can I help?"]


def test_a_session_without_its_tools_is_echoed() -> None:
    assert think(Line("user", "hello"), tools=("other",)) == ["You said: hello"]
    assert think(Line("user", "hello"), Line("system", "She is out."), tools=("other",)) == ["She is out."]


def test_one_dialogue_may_serve_every_session() -> None:
    texts = ("One for {name}.", "Two.")
    brain = DialogueBrain([], Dialogue([], [Intent(["hello"], say=texts)]))

    assert think(Line("user", "hello"), tools=(), brain=brain) == ["One for {name}."]
    assert think(Line("assistant", "One."), Line("user", "hello"), tools=(), brain=brain) == ["Two."]


def test_arguments_that_are_no_slot_are_passed_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.dialogue.yaml").write_text(
        "tools: [f]\nintents: [{examples: [hello], call: {name: f, arguments: {a: 1, b: 'x {y}', c: '{y}'}}, "
        "answers: [{say: done}]}]"
    )
    brain = DialogueBrain(load_dialogues(tmp_path))

    assert think(Line("user", "hello"), tools=("f",), brain=brain) == [
        ToolCall("f", '{"a": 1, "b": "x {y}", "c": "{y}"}')
    ]


def test_an_output_may_lead_to_a_further_call_whose_output_is_answered_in_turn() -> None:
    brain = DialogueBrain(load_dialogues(EXAMPLES / "parcel"))
    tools = ("parcel_number", "where_is", "handoff", "hang_up")
    typed = (
        Line("call", "{}", "parcel_number", "c"),
        Line("output", '{"digits":"4417","ended_by":"length"}', call_id="c"),
    )
    found = (
        Line("call", '{"number": "4417"}', "where_is", "d"),
        Line("output", '{"number":"4417","known":false}', call_id="d"),
    )

    assert think(*typed, tools=tools, brain=brain) == [ToolCall("where_is", '{"number": "4417"}')]
    assert think(*typed, *found, tools=tools, brain=brain) == [
        "I know no parcel with the number 4417.",
        "Shall we try again?",
    ]


def test_of_two_questions_for_one_tool_the_one_that_was_asked_is_answered(tmp_path: Path) -> None:
    (tmp_path / "shop.dialogue.yaml").write_text("""
tools: [hours]
intents:
  - {examples: ["When do you open?"], call: {name: hours}, answers: [{say: "We open at {open}."}]}
  - {examples: ["When do you close?"], call: {name: hours}, answers: [{say: "We close at {close}."}]}
""")
    shop = DialogueBrain(load_dialogues(tmp_path))
    hours = Line("call", "{}", "hours", "c"), Line("output", '{"open": "8:00", "close": "18:00"}', call_id="c")

    def answer(*said: str) -> list[Thought]:
        return think(*(Line("user", text) for text in said), *hours, tools=("hours",), brain=shop)

    assert answer("When do you open?") == ["We open at 8 a.m."]
    assert answer("When do you open?", "And when do you close?") == ["We close at 6 p.m."]
    assert answer() == ["We open at 8 a.m."]


@pytest.mark.parametrize("name", ["handoff", "pass_on"])
def test_who_takes_over_says_so_and_answers_what_the_caller_wants(name: str) -> None:
    told = json.dumps({"you_are_now": "reception", "because": "hours"})
    lines = (Line("call", "{}", name, "c"), Line("output", told, call_id="c"))
    (hello, asked) = think(Line("user", "What are your opening hours on Monday?"), *lines)

    assert (hello, str(asked)) == ("Hello, I am taking over.", call("opening_hours", day="Monday"))
    assert think(Line("user", "Rhubarb."), *lines) == ["Hello, I am taking over."]
    refused = Line("output", '{"error": "no"}', call_id="c")
    assert think(lines[0], refused) == ["I am sorry, I cannot look that up now."]
