from datetime import datetime
from textwrap import dedent

import pytest
from hypothesis import given, settings

from tests.support.agent_files import MINIMAL, faults_of
from tests.support.any_yaml import any_yaml
from voice_agent.config.agent_file import read_agent
from voice_agent.config.expectations import Expectations, ExpectedTool
from voice_agent.config.scenario_keys import GivenAnswer, Scenario, Turn


def scenarios_of(text: str) -> tuple[Scenario, ...]:
    return read_agent(MINIMAL + dedent(text), "a.yaml").scenarios


def faults(caller: str = "[Hello.]", expect: str = "{said: [hello]}", name: str = "greets") -> list[str]:
    """What is wrong with a scenario that begins on line 4, with `caller` on line 5 and `expect` on line 6."""
    return faults_of(f"scenarios:\n  - name: {name}\n    caller: {caller}\n    expect: {expect}\n")


def test_a_scenario_is_what_the_caller_does_and_what_is_expected() -> None:
    (scenario,) = scenarios_of(
        """
        scenarios:
          - name: the hours of
              a Saturday
            caller:
              - Are you open on Saturday?
              - {say: "Sorry, on Sunday.", interrupt_ms: 1500}
              - {keys: "12#"}
              - {silence_ms: 22000}
            expect:
              said: [closed all day]
              tools: [opening_hours: {day: sunday}, hang_up]
              ended: completed
        """
    )

    assert scenario == Scenario(
        name="the hours of a Saturday",
        place="a.yaml:5:5",
        caller=(
            Turn(says="Are you open on Saturday?"),
            Turn(says="Sorry, on Sunday.", interrupt_ms=1500),
            Turn(keys="12#"),
            Turn(silent_ms=22000),
        ),
        expect=Expectations(
            said=("closed all day",),
            tools=(ExpectedTool("opening_hours", {"day": "sunday"}), ExpectedTool("hang_up")),
            ended="completed",
        ),
    )


def test_an_agent_needs_none_and_a_call_never_knows_them() -> None:
    assert scenarios_of("") == ()
    text = 'scenarios: [{name: a, caller: ["Hi."], expect: {said: [hi]}}]\n'

    assert read_agent(MINIMAL + text, "a.yaml").agent == read_agent(MINIMAL, "a.yaml").agent


@pytest.mark.parametrize(
    ("caller", "fault"),
    [
        ("[]", 'a.yaml:5:13: "caller" is empty; write e.g. ["When are you open?"]'),
        ("Hello.", 'a.yaml:5:13: "caller" must be a list, not "Hello."; write e.g. ["When are you open?"]'),
        ('[Hello., ""]', "a.yaml:5:22: the caller says nothing; write {silence_ms: 1000} for a silence"),
        ("[[Hello.]]", "a.yaml:5:14: what the caller says must be a text, not a list"),
        ("[{sya: Hello.}]", 'a.yaml:5:15: unknown key "sya"; write "say"'),
        ("[{say: ''}]", 'a.yaml:5:20: "say" is empty; write what the caller says'),
        (
            '[{say: Hello., keys: "1"}]',
            'a.yaml:5:14: a turn is one of "say", "keys" and "silence_ms", e.g. {say: Hello., interrupt_ms: 1500}',
        ),
        ('[{keys: "1a"}]', 'a.yaml:5:21: "1a" cannot be pressed; write e.g. "12#"'),
        ("[{silence_ms: 5}]", 'a.yaml:5:27: "silence_ms" must be a whole number from 100 to 600000, not "5"'),
        (
            "[{silence_ms: 500, interrupt_ms: 9}]",
            'a.yaml:5:46: silence interrupts nobody; take "interrupt_ms" out',
        ),
        (
            "[{say: Hello., interrupt_ms: soon}]",
            'a.yaml:5:42: "interrupt_ms" must be a whole number from 0 to 60000, not "soon"',
        ),
    ],
)
def test_a_wrong_turn_is_told_with_its_place_and_what_to_write(caller: str, fault: str) -> None:
    assert fault in faults(caller=caller)


@pytest.mark.parametrize(
    ("expect", "fault"),
    [
        ("{}", 'a.yaml:6:13: "expect" is empty; write e.g. {said: [9 in the morning]}'),
        ("[hello]", 'a.yaml:6:13: "expect" must be a mapping, not a list; write e.g. {said: [9 in the morning]}'),
        ("{sayd: [hello]}", 'a.yaml:6:14: unknown key "sayd"; write "said"'),
        ("{ended: complete}", 'a.yaml:6:21: "ended" cannot be "complete"; write "completed"'),
        ("{responses: {slowst_ms: 900}}", 'a.yaml:6:26: unknown key "slowst_ms"; write "slowest_ms"'),
    ],
)
def test_wrong_expectations_are_told_as_in_a_file_of_their_own(expect: str, fault: str) -> None:
    assert fault in faults(expect=expect)


def test_what_is_missing_is_told() -> None:
    assert faults_of("scenarios: [{}]") == [
        'a.yaml:3:13: key "name" is missing; write e.g. "name: the hours of a Saturday"',
        'a.yaml:3:13: key "caller" is missing; write e.g. "caller: ["When are you open?"]"',
        'a.yaml:3:13: key "expect" is missing; write e.g. "expect: {said: [9 in the morning]}"',
    ]
    assert faults(name='" "')[0] == 'a.yaml:4:11: "name" is empty; say what happens in the scenario'
    assert faults_of("scenarios: [hours]") == [
        'a.yaml:3:13: a scenario has name, caller and expect, it cannot be "hours"'
    ]


def test_a_name_is_there_once() -> None:
    one = '{name: a, caller: ["Hi."], expect: {said: [hi]}}'

    assert faults_of(f"scenarios: [{one}, {one}]") == [
        'a.yaml:3:63: a scenario "a" is there already; give it another name'
    ]


def test_a_scenario_may_say_when_the_call_comes() -> None:
    text = 'scenarios: [{name: a, caller: ["Hi."], given: {now: 2026-11-29 10:00}, expect: {said: [hi]}}]\n'
    (scenario,) = scenarios_of(text)

    assert scenario.given.now == datetime(2026, 11, 29, 10, 0)  # noqa: DTZ001 - the zone is the agent's


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{now: tomorrow}", '"tomorrow" is no time; write it like 2026-11-29 10:00'),
        ("{now: 2026-11-29}", "is no time"),
        ("{now: [a]}", '"now" must be a text'),
        ("{then: 2026-11-29 10:00}", 'unknown key "then"'),
        ("now", '"given" must be a mapping'),
        ("{tools: [find]}", '"tools" must be a mapping'),
        ("{callees: {'+14255550101': buzy}}", 'write "busy"'),
        ("{answered_by: robot}", '"answered_by" cannot be "robot"'),
        ("{tool_ms: soon}", '"tool_ms" must be a whole number from 0 to 120000'),
    ],
)
def test_what_is_given_must_be_known(given: str, told: str) -> None:
    lines = faults_of(f'scenarios: [{{name: a, caller: ["Hi."], given: {given}, expect: {{said: [hi]}}}}]\n')

    assert any(told in line for line in lines), lines


def test_a_scenario_may_say_what_tools_answer_and_how_late() -> None:
    given = "{tools: {find: {free: '14:30', left: 2}, book: gone}, tool_ms: 4000}"
    (scenario,) = scenarios_of(f'scenarios: [{{name: a, caller: ["Hi."], given: {given}, expect: {{said: [hi]}}}}]\n')

    assert scenario.given.tools == {
        "find": GivenAnswer({"free": "14:30", "left": 2}, 4000),
        "book": GivenAnswer("gone", 4000),
    }


def test_a_scenario_may_say_who_does_not_answer() -> None:
    given = "{callees: {'+14255550101': no-answer}}"
    (scenario,) = scenarios_of(f'scenarios: [{{name: a, caller: ["Hi."], given: {given}, expect: {{said: [hi]}}}}]\n')

    assert scenario.given.callees == {"+14255550101": "no-answer"}


def test_a_scenario_may_be_a_call_of_ours() -> None:
    text = 'scenarios: [{name: a, caller: ["Hi."], given: {answered_by: machine}, expect: {said: [hi]}}]\n'
    (scenario,) = scenarios_of(text)

    assert scenario.given.answered_by == "machine"


@settings(max_examples=40)
@given(
    any_yaml(
        "name", "caller", "given", "expect", "say", "interrupt_ms", "silence_ms", "keys", "now", "tools", "tool_ms",
        "callees", "answered_by",
    )
)  # fmt: skip
def test_anything_is_scenarios_or_lines_that_say_where_they_are_wrong(text: str) -> None:
    inner = "".join(f"  {line}\n" for line in text.splitlines())

    assert all(line.startswith("a.yaml:") for line in faults_of(f"scenarios:\n- \n{inner}"))
