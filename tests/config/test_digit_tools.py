import pytest

from tests.support.agent_files import agent_of, faults_of
from voice_agent.agent import DigitCollection, Tool


def tool_of(lines: str) -> Tool:
    return agent_of(f"tools:\n- collect_digits: {lines}\n").tools[0]


@pytest.mark.parametrize("added", ["[collect_digits]", "[{collect_digits: {}}]"])
def test_without_more_it_takes_any_number_of_keys_up_to_a_hash_or_a_pause(added: str) -> None:
    tool = agent_of(f"tools: {added}\n").tools[0]

    assert (tool.name, tool.kind) == ("collect_digits", "collect_digits")
    assert tool.digits == DigitCollection(length=None, terminator="#", timeout_seconds=8)
    assert tool.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    assert "any number of them, or fewer that end with #" in tool.description


def test_a_tool_is_read_as_it_is_written() -> None:
    tool = tool_of('{name: pin, description: Waits for the PIN., length: 4, terminator: "*", timeout_seconds: 15}')

    assert tool.name == "pin"
    assert tool.digits == DigitCollection(length=4, terminator="*", timeout_seconds=15)
    assert tool.description.startswith("Waits for the PIN. The caller types them on the phone's keypad: 4 of them, or")


def test_nothing_but_length_and_time_need_end_a_number() -> None:
    tool = tool_of("{length: 4, terminator: none}")

    assert tool.digits == DigitCollection(length=4, terminator="")
    assert "keypad: 4 of them. Ask" in tool.description


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("{length: 0}", '"length" must be a whole number from 1 to 64, not "0"'),
        ("{length: four}", '"length" must be a whole number from 1 to 64, not "four"'),
        ("{terminator: 5}", '"terminator" cannot be "5"; known are #, *, none'),
        ("{timeout_seconds: 0}", '"timeout_seconds" must be a whole number from 1 to 120, not "0"'),
        ("{timeout: 5}", 'unknown key "timeout"; write "timeout_seconds"'),
        ("{name: my pin}", '"my pin" is no name of a tool; use at most 64 letters, digits and "_", a letter first'),
        ("4", '"collect_digits" must be a mapping, not "4"; write e.g. {length: 4}'),
    ],
)
def test_a_fault_is_one_line_with_its_remedy(lines: str, fault: str) -> None:
    found = [line.partition(": ")[2] for line in faults_of(f"tools:\n- collect_digits: {lines}\n")]

    assert found == [fault]
