from datetime import UTC, datetime

import pytest

from tests.support.agent_files import agent_of, faults_of
from voice_agent.agent import OnMachine
from voice_agent.config.render import render


@pytest.mark.parametrize(
    ("added", "read"),
    [
        ("", None),
        ("on_machine: hang_up\n", OnMachine("hang_up")),
        ("on_machine: continue\n", OnMachine("continue")),
        ("on_machine: {leave: Call us back.}\n", OnMachine("leave", "Call us back.")),
        ("on_machine:\n  leave: |\n    Call us\n    back.\n", OnMachine("leave", "Call us\nback.")),
    ],
)
def test_on_machine_is_a_word_or_what_is_left(added: str, read: OnMachine | None) -> None:
    assert agent_of(added).on_machine == read


def test_the_variables_of_what_is_left_are_filled_in_for_each_call() -> None:
    agent = agent_of('variables: {name: Bo}\non_machine: {leave: "Hello {{ name }}."}\n')

    filled = render(agent, "+14255550123", "+14255550100", datetime(2026, 11, 27, tzinfo=UTC), {"name": "Ana"})

    assert filled.on_machine == OnMachine("leave", "Hello Ana.")


@pytest.mark.parametrize(
    ("added", "fault"),
    [
        ("on_machine: hangup\n", '3:13: "on_machine" cannot be "hangup"; write "hang_up"'),
        (
            "on_machine: leave\n",
            '3:13: "on_machine" cannot be "leave"; write "hang_up", "continue" or {leave: "Hello, ..."}',
        ),
        ("on_machine:\n", '3:12: "on_machine" cannot be nothing; write "hang_up", "continue" or {leave: "Hello, ..."}'),
        (
            "on_machine: [hang_up]\n",
            '3:13: "on_machine" cannot be a list; write "hang_up", "continue" or {leave: "Hello, ..."}',
        ),
        ("on_machine: {say: Hello}\n", '3:14: unknown key "say"; known are leave'),
        ("on_machine: {leave: ''}\n", '3:21: "leave" is empty; say what is left, or write "hang_up"'),
        (
            "on_machine: {leave: 'I am {{ nobody }}'}\n",
            '3:30: unknown variable "nobody"; known are caller, called, now, or declare it under "variables"',
        ),
    ],
)
def test_a_fault_says_where_and_what_to_write_instead(added: str, fault: str) -> None:
    assert f"a.yaml:{fault}" in faults_of(added)
