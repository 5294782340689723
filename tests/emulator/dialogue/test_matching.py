from pathlib import Path

import pytest

import voice_agent
from voice_agent.emulator.dialogue.file import Intent, load_dialogue
from voice_agent.emulator.dialogue.matching import nearest_intent, similarity

EXAMPLES = Path(voice_agent.__file__).parent / "examples"
RECEPTION = load_dialogue(EXAMPLES / "reception.dialogue.yaml")


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Hi, what services do you offer?", "services"),
        ("what kind of things can you do for my teeth", "services"),
        ("Sorry, what are your opening hours on Saturday?", "opening"),
        ("are you open on Wednesday afternoon", "opening"),
        ("when do you close on friday", "opening"),
        ("Great, thank you very much. Good-bye.", "Goodbye"),
        ("Okay, bye.", "Goodbye"),
        ("that's all, thank you", "Goodbye"),
        ("could I make an appointment for Tuesday", "appointment"),
        ("how much is a filling", "cost"),
        ("where can I park", "parking"),
        ("My tooth hurts really badly.", "tooth hurts"),
        ("Hello.", "Hello"),
        ("thank you", "Thank you."),
        ("am I speaking with a human", "real person"),
    ],
)
def test_paraphrases_find_their_intent(text: str, intent: str) -> None:
    found = nearest_intent(text, RECEPTION.intents)

    assert found is not None
    assert any(intent in example for example in found.examples)


@pytest.mark.parametrize("text", ["", "the moon is made of green cheese", "?", "lorem ipsum dolor sit amet", "No."])
def test_what_resembles_nothing_is_not_understood(text: str) -> None:
    assert nearest_intent(text, RECEPTION.intents) is None


def test_no_intents_no_match() -> None:
    assert nearest_intent("hello", []) is None


def test_a_keyword_counts_however_it_is_spelt() -> None:
    intent = Intent(examples=["What does it cost?"], keywords=["Check-up", "can't", "\u20ac"])

    assert similarity("a check-up", intent) - similarity("an apple", intent) >= 0.2
    assert similarity("I can't", intent) - similarity("an apple", intent) >= 0.2
    assert similarity("an apple", intent) < 0.2
