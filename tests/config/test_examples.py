import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from aiohttp import web

from tests.support.http_server import server
from voice_agent.call.events import ToolFinished
from voice_agent.config.agents import load_agents
from voice_agent.config.python_tools import find_function
from voice_agent.config.references import References
from voice_agent.config.render import render
from voice_agent.config.secret import Secret
from voice_agent.config.settings import PACKAGED_AGENTS
from voice_agent.tools.run import ToolRunner

AGENTS = load_agents(PACKAGED_AGENTS)
DENTAL = load_agents(PACKAGED_AGENTS / "dental")
PARCEL = load_agents(PACKAGED_AGENTS / "parcel")


def call(target: str, **arguments: object) -> object:
    return find_function(target, str(PACKAGED_AGENTS))(**arguments)


def test_the_reception_takes_the_calls_of_a_fresh_machine() -> None:
    agent = AGENTS.for_number("+14255550100")

    assert agent is not None
    assert agent.name == "reception"
    assert [tool.name for tool in agent.tools] == ["opening_hours", "hang_up"]


def test_every_example_renders_and_can_hang_up() -> None:
    for agent in (*AGENTS.all, *DENTAL.all, *PARCEL.all):
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


async def calendar(request: web.Request) -> web.StreamResponse:
    """Answer as the dental practice's calendar does."""
    if request.headers["Authorization"] != "Bearer of-the-calendar":
        return web.json_response({}, status=401)
    if request.path == "/slots":
        return web.json_response({"day": request.query["day"], "free": "14:30"})
    return web.json_response({"booked": await request.json()}, status=201)


def test_the_dental_practice_looks_into_a_calendar_over_http_and_books_in_it() -> None:
    async def main() -> tuple[ToolFinished, ToolFinished]:
        dental = DENTAL.named("dental")
        assert dental is not None
        agent = render(dental, "+14255550111", "+14255550100", datetime(2026, 11, 23, tzinfo=UTC))
        async with asyncio.timeout(60), server(calendar) as url:
            # Its calendar is nowhere: one on this machine stands in for it.
            tools = tuple(
                msgspec.structs.replace(
                    tool,
                    http=msgspec.structs.replace(
                        tool.http, url=tool.http.url.replace("https://calendar.example.com", url), allow_private=True
                    ),
                )
                for tool in agent.tools
                if tool.http is not None
            )
            keys = References({"CALENDAR_KEY": Secret("of-the-calendar")})
            runner = ToolRunner(msgspec.structs.replace(agent, tools=tools), "CA1", keys)
            return (
                await runner.run("call_1", "find_slot", '{"day": "Tuesday"}'),
                await runner.run("call_2", "book_slot", '{"day": "Tuesday", "time": "14:30"}'),
            )

    found, booked = asyncio.run(main())
    assert found.output == '{"day":"Tuesday","free":"14:30"}'
    assert booked.output == '{"booked":{"day":"Tuesday","time":"14:30","phone":"+14255550111"}}'


def test_the_dental_practice_leaves_its_calls_to_the_night_outside_of_its_hours() -> None:
    dental = DENTAL.named("dental")
    assert dental is not None
    monday_noon, christmas_noon = (datetime(2026, *day, 20, 0, tzinfo=UTC) for day in ((11, 23), (12, 25)))

    assert DENTAL.on_duty(dental, monday_noon) is dental
    assert DENTAL.on_duty(dental, christmas_noon) is DENTAL.named("night")


def test_an_agent_of_a_real_kind_fits_on_a_page() -> None:
    assert len((PACKAGED_AGENTS / "dental/dental.yaml").read_text(encoding="utf-8").splitlines()) < 80


def test_the_parcel_service_knows_some_parcels() -> None:
    where_is = find_function("parcel:where_is", str(PACKAGED_AGENTS / "parcel"))

    assert where_is(number="2050") == {"number": "2050", "known": True, "place": "at the customs office in Oakland"}
    assert where_is(number="0000") == {"number": "0000", "known": False, "place": "nowhere that we know of"}


def test_what_people_answer_to_a_reminder_is_kept_for_the_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA", str(tmp_path / "data"))

    assert call("reminder:note_answer", answer="comes") == {"noted": "comes"}
    assert call("reminder:note_answer", answer="another time", remark="not\nbefore ten") == {"noted": "another time"}

    lines = (tmp_path / "data" / "reminders.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",", 1)[1] for line in lines] == ["comes,", "another time,not before ten"]


def test_the_reminder_leaves_machines_a_message_of_its_call() -> None:
    agent = AGENTS.named("reminder")
    assert agent is not None
    rendered = render(agent, "+14255550123", "+14255550100", datetime(2026, 11, 22, tzinfo=UTC), {"name": "Ana"})

    assert rendered.on_machine is not None
    assert "seeing Ana tomorrow" in rendered.on_machine.text
