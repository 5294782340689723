from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.agent_files import agent_of, faults_of
from voice_agent.agent import Agent, Hours, Span
from voice_agent.config.agents import load_agents
from voice_agent.config.hours import WEEKDAYS, is_open
from voice_agent.config.render import render
from voice_agent.errors import ConfigError

ZONE = ZoneInfo("America/Los_Angeles")
HEAD = "timezone: America/Los_Angeles\nhours:\n"


def hours_of(lines: str, closed: str = "We are closed.") -> Hours:
    hours = agent_of(f"{HEAD}  closed: {closed}\n{lines}").hours
    assert hours is not None
    return hours


def opens(lines: str, *moments: str) -> list[bool]:
    agent = agent_of(f"{HEAD}  closed: We are closed.\n{lines}")
    return [is_open(agent, datetime.fromisoformat(moment).replace(tzinfo=ZONE)) for moment in moments]


def test_hours_are_read_as_they_are_written() -> None:
    hours = hours_of(
        "  open: {monday-wednesday: '08:00-12:00, 13:00-18:30', saturday: 9:00 - 24:00}\n"
        "  days: {2026-12-25: closed, 2026-12-24: 08:00-12:00}\n"
    )

    day = (Span(480, 720), Span(780, 1110))
    assert hours.week == {"monday": day, "tuesday": day, "wednesday": day, "saturday": (Span(540, 1440),)}
    assert hours.days == {"2026-12-25": (), "2026-12-24": (Span(480, 720),)}
    assert (hours.message, hours.agent) == ("We are closed.", "")


def test_a_range_of_days_may_go_round_the_week() -> None:
    assert set(hours_of("  open: {saturday-monday: 08:00-12:00}\n").week) == {"saturday", "sunday", "monday"}


def test_an_agent_is_open_from_the_first_minute_to_before_the_last() -> None:
    # 2026-11-23 is a Monday.
    moments = "2026-11-23 07:59", "2026-11-23 08:00", "2026-11-23 11:59:59", "2026-11-23 12:00", "2026-11-24 09:00"

    assert opens("  open: {monday: 08:00-12:00}\n", *moments) == [False, True, True, False, False]


def test_a_span_into_the_night_belongs_to_the_day_on_which_it_begins() -> None:
    lines = "  open: {friday: 22:00-02:00}\n  days: {2026-12-25: closed}\n"
    moments = "2026-11-27 23:00", "2026-11-28 01:59", "2026-11-28 02:00", "2026-12-26 01:00"

    assert opens(lines, *moments) == [True, True, False, False]


def test_a_date_of_the_calendar_wins_over_the_week() -> None:
    lines = "  open: {monday-sunday: 08:00-18:00}\n  days: {2026-12-24: 08:00-12:00, 2026-12-25: closed}\n"
    moments = "2026-12-23 13:00", "2026-12-24 11:00", "2026-12-24 13:00", "2026-12-25 09:00"

    assert opens(lines, *moments) == [True, True, False, False]


def test_the_clock_is_that_of_the_agents_wall() -> None:
    agent = agent_of(f"{HEAD}  closed: Closed.\n  open: {{monday: 08:00-12:00}}\n")

    assert is_open(agent, datetime(2026, 11, 23, 16, 0, tzinfo=UTC))  # 08:00 in winter
    assert not is_open(agent, datetime(2026, 11, 23, 15, 59, tzinfo=UTC))
    assert is_open(agent, datetime(2026, 7, 20, 15, 0, tzinfo=UTC))  # 08:00 in summer


def test_without_hours_an_agent_is_always_open() -> None:
    assert is_open(agent_of(), datetime(2026, 11, 23, 3, 0, tzinfo=UTC))


SPANS = st.lists(
    st.builds(lambda begin, length: Span(begin, begin + length), st.integers(0, 1439), st.integers(1, 1439)),
    max_size=3,
).map(tuple)


@given(
    week=st.dictionaries(st.sampled_from(WEEKDAYS), SPANS),
    days=st.dictionaries(st.integers(0, 9).map(lambda day: (date(2026, 6, 1) + timedelta(day)).isoformat()), SPANS),
    minute=st.integers(0, 9 * 1440),
)
def test_an_agent_is_open_in_a_span_of_today_or_in_the_rest_of_yesterdays(
    week: dict[str, tuple[Span, ...]], days: dict[str, tuple[Span, ...]], minute: int
) -> None:
    agent = Agent(name="a", instructions="x", timezone="UTC", hours=Hours(week=week, days=days))
    first = datetime(2026, 6, 1, tzinfo=UTC)
    open_minutes: set[int] = set()
    for number in range(-1, 10):
        day = first + timedelta(number)
        spans = days.get(day.date().isoformat(), week.get(WEEKDAYS[day.weekday()], ()))
        open_minutes |= {number * 1440 + at for span in spans for at in range(span.begin, span.end)}

    assert is_open(agent, first + timedelta(minutes=minute)) == (minute in open_minutes)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("hours: {open: {monday: 08:00-12:00}, closed: x}", '"hours" needs a time zone'),
        ("timezone: UTC\nhours: {closed: x}", 'key "open" is missing'),
        (
            "timezone: UTC\nhours: {open: {}, monday-friday: 08:00-12:00, closed: x}",
            '4:19: "monday-friday" stands below "open"; write "open: {monday-friday: ...}"',
        ),
        ("timezone: UTC\nhours: {open: {monday: 08:00-12:00}}", 'key "closed" is missing'),
        ("timezone: UTC\nhours: {open: {moday: 08:00-12:00}, closed: x}", 'did you mean "monday"?'),
        ("timezone: UTC\nhours: {open: {monday: 8-12}, closed: x}", '"8-12" are no hours; write e.g.'),
        ("timezone: UTC\nhours: {open: {monday: 08:00-25:00}, closed: x}", "are no hours"),
        ("timezone: UTC\nhours: {open: {monday: 08:60-09:00}, closed: x}", "are no hours"),
        ("timezone: UTC\nhours: {open: {monday: 08:00-08:00}, closed: x}", "are no hours"),
        ("timezone: UTC\nhours: {open: {monday: ''}, closed: x}", "are no hours"),
        ("timezone: UTC\nhours: {open: {monday: [a]}, closed: x}", "a day's hours must be a text"),
        ("timezone: UTC\nhours: {open: {monday-friday: closed, tuesday: closed}, closed: x}", "tuesday is there twice"),
        ("timezone: UTC\nhours: {open: {}, days: {2026-13-01: closed}, closed: x}", '"2026-13-01" is no date'),
        ("timezone: UTC\nhours: {open: {}, days: {20261201: closed}, closed: x}", '"20261201" is no date'),
        ("timezone: UTC\nhours: {open: {}, days: {2026-W52-5: closed}, closed: x}", '"2026-W52-5" is no date'),
        ("timezone: UTC\nhours: {open: {}, closed: ''}", '"closed" is empty'),
        ("timezone: UTC\nhours: {open: {}, closed: {agent: 'no name'}}", "is no agent's name"),
        ("timezone: UTC\nhours: {open: {}, closed: {agnet: night}}", 'write "agent"'),
        ("timezone: UTC\nhours: {open: {}, closed: '{{ compny }}'}", 'unknown variable "compny"'),
    ],
)
def test_what_is_wrong_with_hours_is_told_in_a_line(lines: str, told: str) -> None:
    faults = faults_of(lines)

    assert any(told in fault for fault in faults), faults


def test_what_is_said_when_it_is_closed_may_hold_variables() -> None:
    agent = agent_of(f"variables: {{company: Alder}}\n{HEAD}  closed: '{{{{ company }}}} is closed.'\n  open: {{}}\n")
    rendered = render(agent, "+14255550123", "+14255550100", datetime(2026, 11, 23, tzinfo=UTC))

    assert rendered.hours is not None
    assert rendered.hours.message == "Alder is closed."


def write(folder: Path, name: str, lines: str = "") -> None:
    (folder / f"{name}.yaml").write_text(f"name: {name}\ninstructions: Speak.\n{lines}")


def test_outside_its_hours_an_agent_leaves_the_call_to_another(tmp_path: Path) -> None:
    write(tmp_path, "day", "default: true\n" + HEAD + "  open: {monday: 08:00-12:00}\n  closed: {agent: night}\n")
    write(tmp_path, "night")
    agents = load_agents(tmp_path)
    day = agents.named("day")
    assert day is not None

    names = [
        found.name if (found := agents.on_duty(day, datetime(2026, 11, 23, hour, tzinfo=ZONE))) else ""
        for hour in (7, 9, 13)
    ]
    assert names == ["night", "day", "night"]


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ("nigt", 'day.yaml:7:11: no agent is named "nigt"; did you mean "night"?'),
        ("zz", 'no agent is named "zz"; its file must stand beside this one'),
        ("day", '"closed" names the agent itself'),
    ],
)
def test_an_agent_that_is_not_there_cannot_be_left_a_call(tmp_path: Path, agent: str, told: str) -> None:
    write(tmp_path, "day", HEAD + f"  open: {{}}\n  days: {{}}\n  closed: {{agent: {agent}}}\n")
    write(tmp_path, "night")

    with pytest.raises(ConfigError) as error:
        load_agents(tmp_path)
    assert told in str(error.value)
