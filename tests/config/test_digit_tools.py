import pytest

from tests.support.agent_files import agent_of, faults_of
from voice_agent.agent import DigitCollection, DigitsToSend, Tool


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


# --- send_digits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("added", ["[send_digits]", "[{send_digits: {}}]"])
def test_without_more_the_model_writes_what_is_sent(added: str) -> None:
    tool = agent_of(f"tools: {added}\n").tools[0]

    assert (tool.name, tool.kind, tool.keys) == ("send_digits", "send_digits", DigitsToSend())
    assert tool.parameters["required"] == ["digits"]
    assert "enum" not in tool.parameters["properties"]["digits"]


def test_of_named_digits_the_model_chooses_one_and_sees_none() -> None:
    tool = agent_of(
        'tools:\n- send_digits: {name: open, description: Opens., digits: {front: "1w2#", back: 007}}\n'
    ).tools[0]

    assert tool.keys == DigitsToSend(named={"front": "1w2#", "back": "007"})
    assert tool.parameters["properties"]["digits"]["enum"] == ["front", "back"]
    assert (tool.name, tool.description) == ("open", "Opens.")


def test_the_carrier_may_be_the_one_that_presses() -> None:
    tool = agent_of("tools:\n- send_digits: {by: call}\n").tools[0]

    assert tool.keys == DigitsToSend(by="call")


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("{digits: {front: A1}}", '"A1" is nothing to press; write at most 32 of 0-9, *, #, w and W, in quotes'),
        ('{digits: {front door: "1"}}', '"front door" is no name for digits; use letters, digits and "_"'),
        ("{digits: {}}", '"digits" is empty; leave it out where the model writes them'),
        ("{digits: 12}", '"digits" must be a mapping, not "12"; write e.g. {front_door: "12#"}'),
        ("{keys: 12}", 'unknown key "keys"; known are name, description, digits, by'),
        ("{by: voice}", '"by" cannot be "voice"; known are tones, call'),
        ("12", '"send_digits" must be a mapping, not "12"; write e.g. {digits: {front_door: "12#"}}'),
    ],
)
def test_a_fault_of_what_is_sent_is_one_line_too(lines: str, fault: str) -> None:
    found = [line.partition(": ")[2] for line in faults_of(f"tools:\n- send_digits: {lines}\n")]

    assert found == [fault]
