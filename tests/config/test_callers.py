import pytest

from voice_agent.config.callers import is_number, shown_caller


@pytest.mark.parametrize(
    "caller",
    ["+266696687", "+2562533", "+7378742833", "+86282452253", "+8656696", "anonymous", "", "+", "+123", "client:bob"],
)
def test_a_word_in_the_place_of_a_number_is_none(caller: str) -> None:
    assert not is_number(caller)


@pytest.mark.parametrize("caller", ["+14255550100", "+2666966871", "+442071838750"])
def test_a_number_is_one(caller: str) -> None:
    assert is_number(caller)


@pytest.mark.parametrize("caller", ["+266696687", "+2562533", "anonymous", "Restricted", "unknown", ""])
def test_who_hides_their_number_is_unknown_whatever_the_carrier_says_instead(caller: str) -> None:
    assert shown_caller(caller) == "unknown"


@pytest.mark.parametrize("caller", ["+14255550100", "sip:ana@pbx.example.com", "client:bob"])
def test_who_does_not_is_told_as_the_carrier_tells(caller: str) -> None:
    assert shown_caller(caller) == caller
