import pytest

from voice_agent.config.callers import is_number


@pytest.mark.parametrize(
    "caller",
    ["+266696687", "+2562533", "+7378742833", "+86282452253", "+8656696", "anonymous", "", "+", "+123", "client:bob"],
)
def test_a_word_in_the_place_of_a_number_is_none(caller: str) -> None:
    assert not is_number(caller)


@pytest.mark.parametrize("caller", ["+14255550100", "+2666966871", "+442071838750"])
def test_a_number_is_one(caller: str) -> None:
    assert is_number(caller)
