from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings

from tests.support.any_yaml import any_yaml
from voice_agent.call.commands import (
    AgentBegan,
    AgentSaid,
    CallEnded,
    CallerBegan,
    CallerSaid,
    Interrupted,
    Report,
    ResponseUsed,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.call.events import Usage
from voice_agent.config.expectations import Expectations, read_expectations
from voice_agent.errors import ConfigError
from voice_agent.replay.expectations import expected_of, path_beside, unmet
from voice_agent.replay.held_call import HeldCall, changes

CALL = HeldCall(
    [
        (1000, AgentBegan("item_1", -1)),
        (2000, AgentSaid("item_1", "Hello, how can I help?", 900, 900, interrupted=False)),
        (3000, CallerSaid("item_2", "When are you open on Saturday?")),
        (3100, ToolStarted("call_1", "opening_hours", '{"day": "Saturday", "weeks": 2}')),
        (3200, ToolAnswered("call_1", '{"open": "9"}', failed=False, took_ms=100)),
        (3900, AgentBegan("item_3", 900)),
        (5000, Interrupted(1100, "item_3", "mark")),
        (5001, AgentSaid("item_3", "On Saturday we are", 1100, 4000, interrupted=True)),
        (7000, CallerSaid("item_4", "No, at noon?")),
        (8000, AgentBegan("item_5", 1700)),
        (9000, ToolStarted("call_2", "hang_up", "not JSON")),
        (9000, ResponseUsed(Usage(input_tokens=2000, cached_tokens=1000, output_tokens=500))),
        (9000, ResponseUsed(Usage(input_tokens=3000, output_tokens=500))),
        (9500, CallEnded("completed", "the agent hung up", 9500)),
    ],
    "gpt-realtime-2.1",
)


def missed(tmp_path: Path, text: str, call: HeldCall = CALL) -> list[str]:
    path = tmp_path / "a.expect.yaml"
    path.write_text(text, encoding="utf-8")
    return [str(one) for one in unmet(read_expectations(path), call)]


def faults(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigError) as raised:
        missed(tmp_path, text)
    return str(raised.value).replace(f"{tmp_path}/", "")


def test_a_call_that_is_as_expected_misses_nothing(tmp_path: Path) -> None:
    text = """
        heard: [when, are, "open on SATURDAY", "no at noon"]
        said: [how can I help, On Saturday]
        never_said: [a discount, help on, satur, When are you open]
        tools:
          - opening_hours: {day: saturday, weeks: 2}
          - hang_up
        interruptions: 1
        responses: {slowest_ms: 1700, median_ms: 1300}
        cost: {money: 0.0405, tokens: 6000}
        ended: completed
    """
    assert missed(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("heard: [noon, Saturday]", 'at 00:07.000 the caller was not understood to say "Saturday", from there on but '),
        ("heard: [night]", 'at 00:03.000 the caller was not understood to say "night"'),
        ("heard: [Saturday, when are you]", 'was not understood to say "when are you", from there on but "When are'),
        ("said: [help, help]", 'at 00:02.000 the caller did not hear "help"'),
        ("said: [on sun]", 'at 00:02.000 the caller did not hear "on sun"'),
        (
            "never_said: [noon, how can i help]",
            'at 00:02.000 the caller heard "how can i help", expected never: "Hello, how',
        ),
        ("tools: [hang_up]", 'at 00:03.100 tool 1 was opening_hours {"day":"Saturday","weeks":2}, expected hang_up'),
        ("tools: []", "at 00:09.000 tool 2 was hang_up"),
        ("tools: [opening_hours, hang_up, hang_up]", "at 00:09.500 tool 3 was no tool, expected hang_up"),
        ("tools: [opening_hours: {day: sunday}, hang_up]", 'expected opening_hours {"day":"sunday"}'),
        ("tools: [opening_hours, hang_up: {now: 'yes'}]", 'tool 2 was hang_up "not JSON"'),
        ("interruptions: 0", "at 00:05.000 1 interruptions, expected 0"),
        ("responses: {slowest_ms: 1000}", "at 00:08.000 the answer began after 1700 ms, expected at most 1000"),
        ("responses: {median_ms: 1000}", "at 00:09.500 the median response time is 1300 ms, not 1000"),
        ("cost: {tokens: 5999}", "at 00:09.500 6000 tokens were used, expected at most 5999"),
        ("cost: {money: 0.04}", "at 00:09.500 the call cost 0.0404 USD, expected at most 0.0400"),
        ("ended: stopped", "at 00:09.500 the call ended as completed, expected stopped"),
    ],
)
def test_what_was_missed_is_told_with_the_second_of_the_call(tmp_path: Path, text: str, told: str) -> None:
    assert told in "\n".join(missed(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("hear: [a]", 'a.expect.yaml:1:1: unknown key "hear"; write "heard"'),
        ("ended: complete", 'a.expect.yaml:1:8: "ended" cannot be "complete"; write "completed"'),
        ("responses: {slowest: 3}", 'a.expect.yaml:1:13: unknown key "slowest"; write "slowest_ms"'),
        ("cost: {usd: 3}", 'a.expect.yaml:1:8: unknown key "usd"; known are money, tokens'),
        ("cost: {money: much}", '"money" must be a number from 0'),
        ("cost: 0.05", '"cost" must be a mapping, not'),
        ("said: goodbye", '"said" must be a list'),
        ("said: [[a]]", 'an entry of "said" must be a text, not a list'),
        ("said: ['?']", 'a.expect.yaml:1:8: an entry of "said" has no word, and words are what is compared'),
        ("tools: [{a: {}, b: {}}]", "a tool is one name"),
        ("tools: [a: {b: [c]}]", 'the argument "b" must be a plain value, not a list'),
        ("tools: [a: b]", '"a" must be a mapping'),
        ("interruptions: many", '"interruptions" must be a whole number'),
        ("", 'the file is empty; begin with e.g. "ended: completed"'),
    ],
)
def test_a_file_that_is_no_good_is_told_with_its_line_and_what_to_write(tmp_path: Path, text: str, told: str) -> None:
    assert told in faults(tmp_path, text)


def held(*reports: tuple[int, Report]) -> HeldCall:
    return HeldCall(reports, "")


ASKED: list[tuple[int, Report]] = [(1000, CallerBegan()), (2500, CallerSaid("item_1", "Are you open?"))]


@pytest.mark.parametrize("text", ["responses: {slowest_ms: 1500}", "responses: {median_ms: 1500}"])
def test_no_answer_is_no_fast_one(tmp_path: Path, text: str) -> None:
    never = held((500, AgentBegan("item_0", -1)), *ASKED, (9500, CallEnded("completed", "", 9500)))

    assert missed(tmp_path, text, never) == ["at 00:09.500 no answer began, expected at most 1500 ms"]


def test_who_hangs_up_because_no_answer_comes_has_waited_for_it(tmp_path: Path) -> None:
    once: list[tuple[int, Report]] = [(100, AgentBegan("item_0", 900))]
    gone = (9500, CallEnded("caller_hung_up", "", 9500))
    cut = (1100, AgentSaid("item_0", "Hello, this", 800, 2000, interrupted=True))

    def slow(*reports: tuple[int, Report]) -> list[str]:
        return missed(tmp_path, "responses: {slowest_ms: 1500}", held(*once, *reports))

    waited = ["at 00:09.500 no answer began within 7000 ms of the last turn, expected at most 1500"]
    assert slow(*ASKED, gone) == waited
    assert slow(ASKED[0], cut, ASKED[1], gone) == waited
    # The answer, or what was being said anyhow, came; its words may be known before the caller's.
    assert slow(*ASKED, (3000, AgentBegan("item_2", 900)), gone) == []
    assert slow(ASKED[0], (2400, AgentBegan("item_2", 900)), ASKED[1], gone) == []
    assert slow(*ASKED, (3000, AgentSaid("item_0", "Hello.", 800, 800, interrupted=False)), gone) == []
    # No words were understood, or there was no time left for an answer, or nobody waited for one.
    assert slow(ASKED[0], (2500, CallerSaid("item_1", "")), gone) == []
    assert slow(*ASKED, (3900, CallEnded("caller_hung_up", "", 3900))) == []
    assert slow(*ASKED, (9500, CallEnded("transferred", "", 9500))) == []


def test_an_empty_list_expects_that_nothing_was_said(tmp_path: Path) -> None:
    talked = held(ASKED[1], (3000, AgentSaid("item_2", "Yes.", 500, 500, interrupted=False)))

    assert missed(tmp_path, "heard: []\nsaid: []", talked) == [
        'at 00:02.500 the caller was understood to say "Are you open?", expected nothing',
        'at 00:03.000 the caller heard "Yes.", expected nothing',
    ]
    assert missed(tmp_path, "heard: []\nsaid: []", held((0, CallerSaid("item_1", " ")), *ASKED[:1])) == []


@pytest.mark.parametrize(
    ("value", "given", "fits"),
    [
        ("4", 4.0, True),
        ("-5", -5, True),
        ("5", -5, False),
        ("1.5", 15, False),
        ("four", 4, False),
        ("true", True, True),
        ("9 am", "9 A.M.", False),
        ("9 a.m.", "9 A.M.", True),
        ("'+'", "+", True),
        ("'+'", "-", False),
        ("''", "?", False),
    ],
)
def test_numbers_of_a_tool_are_compared_by_their_value(tmp_path: Path, value: str, given: object, fits: bool) -> None:
    path = tmp_path / "a.expect.yaml"
    path.write_text(f"tools: [pay: {{it: {value}}}]", encoding="utf-8")
    call = HeldCall([(0, ToolStarted("1", "pay", msgspec.json.encode({"it": given}).decode()))], "")

    assert (unmet(read_expectations(path), call) == []) == fits


@pytest.mark.parametrize(
    ("said", "text", "heard"),
    [
        ("दो बजे", "दो", True),
        ("दे बजे", "दो", False),
        ("Das Cafe\u0301!", "caf\u00e9", True),
        ("Das Cafe!", "caf\u00e9", False),
    ],
)
def test_what_stands_above_or_below_a_letter_belongs_to_the_word(
    tmp_path: Path, said: str, text: str, heard: bool
) -> None:
    call = held((0, AgentSaid("item_1", said, 500, 500, interrupted=False)))

    assert (missed(tmp_path, f"said: ['{text}']", call) == []) == heard


def test_a_file_that_cannot_be_read_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.expect\.yaml: cannot be read"):
        read_expectations(tmp_path / "gone.expect.yaml")
    (tmp_path / "latin.expect.yaml").write_bytes(b"heard:\n  - caf\xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.expect\.yaml:2: not UTF-8"):
        read_expectations(tmp_path / "latin.expect.yaml")


def test_a_call_without_a_price_cannot_be_cheap_enough(tmp_path: Path) -> None:
    path = tmp_path / "a.expect.yaml"
    path.write_text("cost: {money: 5}", encoding="utf-8")
    expected = read_expectations(path)

    (unknown,) = unmet(expected, HeldCall([(100, ResponseUsed(Usage(input_tokens=1)))], "gpt-unheard-of"))
    assert str(unknown) == "at 00:00.100 the call has no price: PRICES has none of its model, gpt-unheard-of"
    assert unmet(expected, HeldCall([(100, ResponseUsed(Usage(input_tokens=1)))], "")) == []


def test_expectations_stand_beside_their_call(tmp_path: Path) -> None:
    (tmp_path / "refund.expect.yaml").write_text("interruptions: 2", encoding="utf-8")

    assert path_beside(Path("calls/refund.call")) == Path("calls/refund.expect.yaml")
    assert expected_of(tmp_path / "refund.call") == Expectations(interruptions=2)
    assert expected_of(tmp_path / "other.call") is None


@pytest.mark.parametrize("name", ["refund.expect.yml", "refund.call.expect.yaml"])
def test_expectations_of_a_name_that_nobody_reads_are_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("interruptions: 2", encoding="utf-8")

    with pytest.raises(ConfigError, match=rf"{name}: is not read: name it refund\.expect\.yaml"):
        expected_of(tmp_path / "refund.call")


def test_what_became_another_is_told_and_a_frame_more_or_less_is_not() -> None:
    def answered(answer_ms: int, heard_ms: int, word: str, tool: str) -> HeldCall:
        return HeldCall(
            [
                (1000, AgentBegan("item_1", answer_ms)),
                (2000, Interrupted(heard_ms, "item_1", "mark")),
                (2000, AgentSaid("item_1", word, heard_ms, 3000, interrupted=True)),
                (2100, ToolStarted("call_1", tool, "{}")),
                (3000, CallEnded("completed", "", 3000)),
            ],
            "",
        )

    then = answered(800, 1000, "On Saturday", "look_up")
    assert changes(then, answered(820, 980, "On Saturday", "look_up")) == []
    assert changes(then, answered(900, 1100, "On Sunday", "find")) == [
        'at 00:02.000 the caller heard "On Sunday", then "On Saturday"',
        "tools: look_up {} -> find {}",
        "at 00:02.000 cut after 1100 ms of the answer, then 1000 ms",
        "at 00:01.000 answered after 900 ms, then 800 ms",
    ]
    assert changes(then, HeldCall([], "")) == [
        'at 00:02.000 the caller heard nothing, then "On Saturday"',
        "tools: look_up {} -> none",
        "interruptions: 1 -> 0",
        "answers with a response time: 1 -> 0",
        "ended: completed -> unknown",
    ]


@settings(max_examples=40)
@given(
    any_yaml(
        "heard", "said", "never_said", "tools", "interruptions", "responses", "slowest_ms", "cost", "money", "ended"
    )
)
def test_any_file_is_expectations_or_lines_that_say_where_it_is_wrong(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.expect.yaml"
    path.write_text(text, encoding="utf-8")
    told = f"{path}:"
    try:
        read_expectations(path)
    except ConfigError as error:
        told = str(error)

    assert all(line.startswith(f"{path}:") for line in told.splitlines())
