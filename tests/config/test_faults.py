import pytest

from voice_agent.config.faults import instead, nearest, raise_all
from voice_agent.errors import ConfigError, ConfigErrors


def test_the_nearest_word_is_found_without_regard_to_case() -> None:
    assert nearest("AUDOI", ["audio", "text"]) == "audio"
    assert nearest("audio", ["AUDIO"]) == "AUDIO"


def test_the_beginning_of_a_word_is_near_it() -> None:
    assert nearest("near", ["near_field", "far_field"]) == "near_field"
    assert nearest("ne", ["near_field", "far_field"]) == ""


def test_where_no_word_is_near_all_are_named() -> None:
    assert instead("xyz", ["audio", "text"]) == "known are audio, text"
    assert instead("txt", ["audio", "text"]) == 'write "text"'


def test_nothing_is_raised_for_no_errors() -> None:
    raise_all([])


def test_one_error_is_raised_as_it_is() -> None:
    error = ConfigError("wrong", "a:1:1")
    with pytest.raises(ConfigError) as raised:
        raise_all([error, ConfigError("wrong", "a:1:1")])

    assert raised.value is error or str(raised.value) == "a:1:1: wrong"


def test_several_errors_are_raised_together_a_line_each() -> None:
    with pytest.raises(ConfigErrors) as raised:
        raise_all([ConfigError("wrong", "a:1:1"), ConfigError("wrong", "a:2:1")])

    assert str(raised.value) == "a:1:1: wrong\na:2:1: wrong"
    assert len(raised.value.errors) == 2
