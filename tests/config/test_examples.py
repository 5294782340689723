from datetime import UTC, datetime

import pytest

from voice_agent.config.agents import load_agents
from voice_agent.config.python_tools import find_function
from voice_agent.config.render import render
from voice_agent.config.settings import PACKAGED_AGENTS

AGENTS = load_agents(PACKAGED_AGENTS)


def call(target: str, **arguments: object) -> object:
    return find_function(target, str(PACKAGED_AGENTS))(**arguments)


def test_the_reception_takes_the_calls_of_a_fresh_machine() -> None:
    agent = AGENTS.for_number("+14255550100")

    assert agent is not None
    assert agent.name == "reception"
    assert [tool.name for tool in agent.tools] == ["opening_hours", "hang_up"]


def test_every_example_renders_and_can_hang_up() -> None:
    for agent in AGENTS.all:
        rendered = render(agent, "+14255550111", "+14255550100", datetime(2026, 11, 22, tzinfo=UTC))

        assert "{{" not in f"{rendered.instructions}{rendered.greeting}"
        assert "hang_up" in [tool.name for tool in rendered.tools]


def test_the_practice_is_open_on_saturday_morning_and_closed_on_sunday() -> None:
    assert call("alder:opening_hours", day="Saturday") == {
        "day": "Saturday",
        "open": "from 9 in the morning to 1 in the afternoon",
    }
    assert call("alder:opening_hours", day="Sunday") == {"day": "Sunday", "open": "closed all day"}


@pytest.mark.parametrize(
    ("day", "people", "time", "free"),
    [
        ("Thursday", 2, "19:30", True),
        ("Thursday", 6, "19:30", True),
        ("Saturday", 2, "20:00", False),
        ("Monday", 2, "19:30", False),
        ("Thursday", 9, "19:30", False),
        ("Thursday", 0, "19:30", False),
        ("Thursday", 2, "9:30", False),
    ],
)
def test_the_restaurant_has_tables_on_most_evenings(day: str, people: int, time: str, free: bool) -> None:
    answer = call("olive:free_table", day=day, people=people, time=time)

    assert isinstance(answer, dict)
    assert answer["free"] is free
    assert free or answer["reason"]
