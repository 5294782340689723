import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.emulator.dialogue.file import Slot
from voice_agent.emulator.dialogue.slots import (
    WEEKDAYS,
    find_number,
    find_slots,
    find_time,
    find_weekday,
    find_word,
    say_value,
)

SLOTS = {"people": Slot("number", ""), "day": Slot("weekday", ""), "time": Slot("time", "")}


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("on Friday at seven", "19:00"),
        ("at 7.", "19:00"),
        ("7:30", "19:30"),
        ("half past seven", "19:30"),
        ("half-past two in the afternoon", "14:30"),
        ("at quarter to eight", "19:45"),
        ("around 8:15 p.m.", "20:15"),
        ("at seven thirty", "19:30"),
        ("9 a.m.", "09:00"),
        ("at nine in the morning", "09:00"),
        ("six o'clock", "18:00"),
        ("at 19:30", "19:30"),
        ("at noon", None),
        ("at twelve", "12:00"),
        ("12 AM", "00:00"),
        ("eight at night", "20:00"),
        ("for four people", None),
        ("at 24:00", None),
        ("at 7:75", None),
        ("about 120 guests", None),
        ("at 1030", None),
        ("around the nineteenth, at sixty", None),
        ("at 100 Main Street at 7pm", "19:00"),
    ],
)
def test_times_are_found_as_people_say_them(text: str, time: str | None) -> None:
    assert find_time(text)[0] == time


def test_a_bare_hour_is_a_time_only_when_it_was_asked_for() -> None:
    assert find_time("seven")[0] is None
    assert find_time("seven", bare=True)[0] == "19:00"
    assert find_time("the tenants", bare=True)[0] is None


def test_of_several_numbers_the_one_with_a_word_about_time_is_meant() -> None:
    assert find_time("two people at half past seven", bare=True) == ("19:30", "two people  ")
    assert find_slots("four of us, at eight at night", SLOTS, "time", None) == {"people": 4, "time": "20:00"}


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("on Saturdays", "Saturday"),
        ("Friday, no, sunday", "Sunday"),
        ("tomorrow", "Monday"),
        ("tonight", "Sunday"),
        ("soon", None),
    ],
)
def test_days_are_found_also_relative_to_today(text: str, day: str | None) -> None:
    assert find_weekday(text, "Sunday") == day


def test_tomorrow_means_nothing_without_today() -> None:
    assert find_weekday("tomorrow") is None


def test_numbers_and_words() -> None:
    assert (find_number("for 14 people"), find_number("sixteen of us"), find_number("many")) == (14, 16, None)
    assert find_word("the tiny one", {"small": ["little", "tiny"]}) == "small"
    assert find_word("none", {"small": []}) is None


def test_hours_are_no_number_of_people() -> None:
    text = "do you have a table for four on Friday at seven"

    assert find_slots(text, SLOTS, None, None) == {"people": 4, "day": "Friday", "time": "19:00"}


def test_a_bare_number_is_meant_for_what_was_asked() -> None:
    assert find_slots("seven", SLOTS, "time", None) == {"time": "19:00"}
    assert find_slots("seven", SLOTS, "people", None) == {"people": 7}


def test_a_word_slot_has_its_own_words() -> None:
    assert find_slots("a big one", {"size": Slot("word", "", {"large": ["big"]})}, None, None) == {"size": "large"}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("19:30", "7:30 p.m."),
        ("9:00", "9 a.m."),
        ("00:15", "12:15 a.m."),
        ("12:00", "12 p.m."),
        (4, "4"),
        ("25:00", "25:00"),
    ],
)
def test_times_are_said_as_people_say_them(value: object, said: str) -> None:
    assert say_value(value) == said


@given(st.text(), st.sampled_from([None, "time", "people"]), st.sampled_from(WEEKDAYS))
def test_any_text_gives_values_that_tools_can_take(text: str, asked: str | None, today: str) -> None:
    found = find_slots(text, SLOTS, asked, today)

    assert found.get("day", "Monday") in WEEKDAYS
    assert isinstance(found.get("people", 0), int)
    assert len(str(found.get("time", "00:00"))) == 5
