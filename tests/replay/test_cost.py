import pytest

from voice_agent.call.events import Usage
from voice_agent.config.prices import load_prices
from voice_agent.replay.cost import cost_of

USAGE = Usage(input_tokens=1_000_000, cached_tokens=400_000, output_tokens=500_000)


def test_tokens_are_priced_by_their_kinds() -> None:
    cost = cost_of("gpt-realtime-2.1", USAGE)

    assert cost.money == pytest.approx(0.6 * 4 + 0.4 * 0.4 + 0.5 * 24)
    assert (cost.tokens, cost.currency) == (1_500_000, "USD")


def test_the_local_server_costs_nothing_and_an_unknown_model_has_no_price() -> None:
    assert cost_of("", USAGE).money == 0
    assert cost_of("gpt-unheard-of", USAGE).money is None


def test_another_table_can_be_given() -> None:
    assert cost_of("gpt-realtime", USAGE, load_prices()).usage == USAGE
