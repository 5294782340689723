from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.call.events import Usage
from voice_agent.config.prices import PACKAGED, Price, load_prices
from voice_agent.errors import ConfigError

EACH = Price(text_input=1, text_cached=10, text_output=100, audio_input=1000, audio_cached=10_000, audio_output=100_000)
"""A digit of its own for each kind of token."""


def test_each_kind_of_token_has_its_price_and_cached_ones_are_counted_once() -> None:
    usage = Usage(
        input_tokens=9,
        input_audio_tokens=5,
        cached_tokens=6,
        cached_audio_tokens=3,
        output_tokens=7,
        output_audio_tokens=6,
    )

    assert EACH.cost(usage) * 1_000_000 == pytest.approx(632_131)


def test_a_call_costs_what_the_vendor_s_page_says() -> None:
    usage = Usage(input_tokens=1_000_000, input_audio_tokens=1_000_000, cached_tokens=0)
    cached = Usage(
        input_tokens=1_000_000, input_audio_tokens=1_000_000, cached_tokens=1_000_000, cached_audio_tokens=1_000_000
    )
    prices = load_prices()

    assert prices.told("gpt-realtime-2.1-2026-07-07", usage) == "32.0000 USD"
    assert prices.told("gpt-realtime-2.1", cached) == "0.4000 USD"
    assert prices.short("gpt-realtime-2.1", cached) == "0.4000"


def test_what_has_no_price_is_said_so() -> None:
    prices = load_prices()

    assert prices.told("reception", Usage()) == 'price unknown (PRICES has no "reception")'
    assert prices.short("reception", Usage()) == "?"
    assert prices.told("", Usage()) == "nothing (the local Realtime server)"
    assert prices.short("", Usage()) == "-"


@given(st.lists(st.integers(0, 10**6), min_size=6, max_size=6))
def test_nothing_that_a_server_counts_costs_less_than_nothing(numbers: list[int]) -> None:
    text, audio, cached_text, cached_audio, said, spoken = numbers
    usage = Usage(
        input_tokens=text + audio,
        input_audio_tokens=audio,
        cached_tokens=cached_text + cached_audio,
        cached_audio_tokens=cached_audio,
        output_tokens=said + spoken,
        output_audio_tokens=spoken,
    )

    assert EACH.cost(usage) >= 0


OWN = """
[models.mine]
text_input = 1
text_cached = 1
text_output = 1
audio_input = 1
audio_cached = 1
audio_output = 1
"""
MILLION = Usage(input_tokens=1_000_000)


def test_own_prices_stand_beside_the_packaged_ones(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(OWN + OWN.replace("mine", '"gpt-realtime"'), encoding="utf-8")
    prices = load_prices(path)

    assert prices.told("mine", MILLION) == "1.0000 USD"
    assert prices.told("gpt-realtime", MILLION) == "1.0000 USD"
    assert prices.told("gpt-realtime-2.1", MILLION) == "4.0000 USD"


def test_another_currency_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('currency = "EUR"\n' + OWN, encoding="utf-8")
    prices = load_prices(path)

    assert prices.told("mine", MILLION) == "1.0000 EUR"
    assert prices.of("gpt-realtime-2.1") is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models = [", "is not TOML: "),
        ("[models.mine]\ntext_input = 1\n", "Object missing required field `text_cached` - at `$.models[...]`; see "),
        (OWN.replace("= 1", '= "1"', 1), "Expected `float`, got `str` - at `$.models[...].text_input`; see "),
        ("price = 1\n", "Object contains unknown field `price`; see "),
    ],
)
def test_a_table_that_cannot_be_read_is_told_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(ConfigError) as raised:
        load_prices(path)

    assert str(raised.value).startswith(f"PRICES: {path}")
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_table_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"cannot be read .No such file or directory.; name a file like {PACKAGED}"):
        load_prices(tmp_path / "none.toml")
