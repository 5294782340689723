from datetime import date

import pytest

from voice_agent.call.commands import CallStarted, ResponseUsed
from voice_agent.call.events import Usage
from voice_agent.config.prices import Price
from voice_agent.live.spending import SPENT, Spending

PRICE = Price(text_input=1, text_cached=0, text_output=1, audio_input=10, audio_cached=0, audio_output=100)
A_CENT = ResponseUsed(Usage(output_tokens=100, output_audio_tokens=100))
"""At a hundred for a million."""


def test_a_call_that_has_cost_enough_is_asked_once_to_say_goodbye() -> None:
    told: list[str] = []
    observe = Spending(per_call=0.025).of_call(told.append, lambda: PRICE)
    seen = []
    for _ in range(5):
        observe(0, A_CENT)
        seen.append(len(told))

    assert seen == [0, 0, 1, 1, 1]
    assert told == [SPENT]


def test_calls_are_limited_one_by_one_and_counted_together() -> None:
    told: list[str] = []
    spending = Spending(per_call=0.025, per_day=0.04)
    calls = [spending.of_call(told.append, lambda: PRICE) for _ in range(2)]
    for observe in calls * 2:
        observe(0, A_CENT)

    assert told == []
    assert spending.today == pytest.approx(0.04)
    assert spending.is_exhausted


def test_what_a_gateway_counts_below_nothing_pays_nothing_back() -> None:
    spending = Spending(per_day=1.0)
    observe = spending.of_call(print, lambda: PRICE)

    observe(1, A_CENT)
    before = spending.today
    observe(2, ResponseUsed(Usage(output_tokens=-100, output_audio_tokens=-100)))

    assert spending.today == before > 0


def test_the_next_day_begins_with_nothing() -> None:
    days = iter([date(2026, 11, 27)] * 3 + [date(2026, 11, 28)] * 9)
    spending = Spending(per_day=1, today=lambda: next(days))
    spending.add(2)
    before = spending.is_exhausted

    assert (before, spending.is_exhausted, spending.today) == (True, False, 0)


def test_what_costs_nothing_reaches_no_limit() -> None:
    told: list[str] = []
    spending = Spending(per_call=0.001, per_day=0.001)
    spending.of_call(told.append, lambda: None)(0, A_CENT)

    assert (told, spending.is_exhausted) == ([], False)


def test_other_reports_cost_nothing_and_without_a_limit_nothing_is_reached() -> None:
    told: list[str] = []
    spending = Spending()
    observe = spending.of_call(told.append, lambda: PRICE)
    observe(0, CallStarted(5))
    observe(0, A_CENT)

    assert (told, spending.is_exhausted) == ([], False)
    assert spending.today == pytest.approx(0.01)


def test_tokens_cost_what_the_model_takes_that_has_made_them() -> None:
    prices = iter([PRICE, None, PRICE])
    spending = Spending()
    observe = spending.of_call(lambda _: None, lambda: next(prices))
    for _ in range(3):
        observe(0, A_CENT)

    assert spending.today == pytest.approx(0.02)
