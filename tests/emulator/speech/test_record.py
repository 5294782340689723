import pytest

from voice_agent.emulator.speech.record import word_error_rate


@pytest.mark.parametrize(
    ("said", "heard", "rate"),
    [
        ("Hello there.", "hello there", 0),
        ("Goodbye.", "Good-bye!", 0),
        ("one two three four", "one three four", 0.25),
        ("one two three four", "one two three four five", 0.25),
        ("one two", "", 1),
    ],
)
def test_words_that_are_wrong_missing_or_too_many_count(said: str, heard: str, rate: float) -> None:
    assert word_error_rate(said, heard) == rate
