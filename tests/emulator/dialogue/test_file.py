from pathlib import Path

import pytest
from hypothesis import given, settings

import voice_agent
from tests.support.any_yaml import any_yaml
from voice_agent.emulator.dialogue.file import Dialogue, choose_dialogue, load_dialogue, load_dialogues
from voice_agent.errors import ConfigError

EXAMPLES = Path(voice_agent.__file__).parent / "examples"


def test_the_packaged_dialogues_are_good_and_found_by_their_tools() -> None:
    dialogues = load_dialogues(EXAMPLES)
    reception = choose_dialogue(dialogues, ["hang_up", "opening_hours", "other"])
    table = choose_dialogue(dialogues, ["hang_up", "free_table"])
    colleague = choose_dialogue(dialogues, ["take_call", "decline_call"])

    for dialogue, words in ((reception, "Alder"), (table, "Olive"), (colleague, "a caller for you")):
        assert dialogue is not None
        assert words in dialogue.greeting
    assert choose_dialogue(dialogues, ["hang_up"]) is None


def test_of_two_that_fit_the_more_special_one_is_chosen() -> None:
    plain, special = Dialogue([], []), Dialogue(["a", "b"], [])

    assert choose_dialogue([plain, special], ["a", "b"]) is special
    assert choose_dialogue([plain, special], ["a"]) is plain


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("tools: [", r":1:9: is not YAML"),
        ("\x00", "is not YAML"),
        ("greeting: 2026-99-99", "holds a value that is none of its kind .*: put it in quotes"),
        ('greeting: "\\U00110000"', "holds a value that is none of its kind"),
        ("[" * 3000, "is nested without end"),
        ("", ": Expected `object`, got `null`; the format stands in"),
        ("tools: []", ": Object missing required field `intents`; the format stands in"),
        ("tools: []\nintents: []\nmore: 1", "more"),
        ("tools: []\nintents: []\nfallback: []", "fallback must not be empty"),
        ("tools: []\nintents: [{examples: [], say: a}]", "intent 1: examples must not be empty"),
        ("tools: []\nintents: [{examples: [a], say: a, needs: [day]}]", 'needs "day", but slots has only none'),
        ("tools: []\nintents: [{examples: [a], call: {name: f}}]", 'calls "f", which is not among the tools'),
        ("tools: [f]\nintents: [{examples: [a], call: {name: f}}]", "add answers"),
        (
            "tools: [f]\nintents: [{examples: [a], call: {name: f}, answers: [{when: {b: 1}}]}]",
            "an answer neither says",
        ),
        (
            "tools: [f]\nintents: [{examples: [a], call: {name: f}, answers: [{call: {name: g}}]}]",
            'calls "g", which is not among the tools',
        ),
        ("tools: []\nintents: [{examples: [a]}]", "neither says nor calls"),
        ("tools: []\nintents: [{examples: [a], say: a, hang_up: true}]", "tools must contain hang_up"),
    ],
)
def test_a_wrong_file_is_told_in_one_line_with_its_place(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "mine.dialogue.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=fault) as refused:
        load_dialogue(path)

    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_told() -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_dialogue(Path("nowhere.dialogue.yaml"))


@settings(max_examples=40)
@given(
    any_yaml(
        "tools", "greeting", "fallback", "slots", "kind", "ask", "words", "intents", "examples", "keywords", "needs",
        "call", "name", "arguments", "answers", "when", "say", "hang_up",
    )
)  # fmt: skip
def test_any_file_is_a_dialogue_or_a_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.dialogue.yaml"
    path.write_text(text, encoding="utf-8")
    told = str(path)
    try:
        load_dialogue(path)
    except ConfigError as error:
        told = str(error)

    assert told.startswith(str(path))
