from hypothesis import given
from hypothesis import strategies as st

from voice_agent.emulator.brain import cut_sentences, sentences


def test_a_text_is_cut_where_a_sentence_ends() -> None:
    assert sentences("Hello there. How are you? Fine!") == ["Hello there.", "How are you?", "Fine!"]


def test_hours_and_prices_are_not_cut() -> None:
    assert sentences("At 9 p.m. I eat. It costs $3.50 or so.") == ["At 9 p.m. I eat.", "It costs $3.50 or so."]


def test_lines_are_cut_too() -> None:
    assert sentences("One\nTwo") == ["One", "Two"]


@given(st.text(alphabet="aB .?!\n1"))
def test_nothing_but_space_is_lost(text: str) -> None:
    assert "".join("".join(cut_sentences(text)).split()) == "".join(text.split())
