import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_customer import ACCOUNT_SID, CALLED, TOKEN
from tests.support.tiny_twilio import request
from tests.support.twilio_rest import fake_rest
from voice_agent.config.agents import AgentFolder
from voice_agent.config.secret import Secret
from voice_agent.config.settings import Settings
from voice_agent.emulator.twilio import Callee, EmulatedTwilio, IncomingNumber
from voice_agent.server.run import Serving

ANA = "+14255550123"
AGENT = f"""
name: reminder
numbers: ["{CALLED}"]
recording: off
variables: {{name: you}}
instructions: Remind {{{{ name }}}}.
on_machine: hang_up
"""
ORDER = {"to": ANA, "agent": "reminder", "variables": {"name": "Ana"}}
OPEN = {"Authorization": "Bearer secret"}


class Site:
    """A server that places calls at an emulated account where everybody is busy."""

    def __init__(self, serving: Serving, twilio: EmulatedTwilio) -> None:
        self.serving = serving
        self.twilio = twilio

    async def post(self, order: Any, headers: dict[str, str] = OPEN) -> tuple[int, Any]:
        body = order if isinstance(order, bytes) else json.dumps(order).encode()
        status, text = await request(f"{self.serving.url}/calls", headers=headers, body=body)
        return status, json.loads(text)

    async def get(self, sid: str) -> tuple[int, Any]:
        status, text = await request(f"{self.serving.url}/calls/{sid}", headers=OPEN)
        return status, json.loads(text)


@asynccontextmanager
async def a_site(folder: Path, **settings: Any) -> AsyncIterator[Site]:
    (folder / "reminder.yaml").write_text(AGENT)
    numbers = [IncomingNumber(phone_number=CALLED)]
    callee = Callee(becomes="busy")
    async with (
        asyncio.timeout(60),
        EmulatedTwilio(ACCOUNT_SID, TOKEN, numbers=numbers, callees=lambda _: callee) as twilio,
    ):
        usual = Settings(
            port=0,
            data=folder / "data",
            twilio_account_sid=ACCOUNT_SID,
            twilio_auth_token=Secret(TOKEN),
            twilio_api_base_url=twilio.base_url,
            dial_countries=("+1",),
            dial_per_second=100,
            api_token=Secret("secret"),
            realtime_url="ws://127.0.0.1:9/",
        )
        configured = Settings(**{name: getattr(usual, name) for name in usual.__struct_fields__} | settings)
        async with Serving(configured, AgentFolder(folder / "reminder.yaml"), clips={}) as serving:
            yield Site(serving, twilio)


def at_site(folder: Path, work: Callable[[Site], Awaitable[None]], **settings: Any) -> None:
    async def main() -> None:
        async with a_site(folder, **settings) as site:
            await work(site)

    asyncio.run(main())


def test_who_knows_the_token_has_a_call_placed_and_can_follow_it(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        status, placed = await site.post(ORDER)

        assert (status, placed["to"], placed["from"], placed["agent"]) == (201, ANA, CALLED, "reminder")
        call = site.twilio.calls[placed["sid"]]
        assert call.order.detection is not None
        assert call.order.detection.callback == f"{site.serving.url}/twilio/amd"
        await call.ended()
        assert await site.get(placed["sid"]) == (
            200,
            {"sid": placed["sid"], "status": "busy", "answered_by": "", "seconds": 0, "model_failed": False},
        )
        assert (await site.get("CA404"))[0] == 404

    at_site(tmp_path, work)


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"Authorization": "Bearer wrong"}, 401), ({"Authorization": "Basic secret"}, 401)],
)
def test_nobody_else_does(tmp_path: Path, headers: dict[str, str], status: int) -> None:
    async def work(site: Site) -> None:
        assert (await site.post(ORDER, headers))[0] == status
        assert site.twilio.calls == {}

    at_site(tmp_path, work)


def test_without_a_token_nobody_may(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        assert await site.post(ORDER) == (403, {"detail": "API_TOKEN is not set, so nobody may place calls"})

    at_site(tmp_path, work, api_token=None)


@pytest.mark.parametrize(
    ("order", "status", "problem"),
    [
        (b"{", 400, "Input data was truncated; send e.g. "),
        ({}, 400, "Object missing required field `to`; send e.g. "),
        (ORDER | {"agnet": "x"}, 400, "Object contains unknown field `agnet`; send e.g. "),
        (ORDER | {"variables": {"name": 1}}, 400, "Expected `str`, got `int` - at `$.variables[...]`; send e.g. "),
        (b'{"to": "\xff"}', 400, "'utf-8' codec can't decode byte 0xff"),
        (b"x" * 20_000, 413, "more than 16384 bytes"),
        (ORDER | {"to": "+33155550123"}, 400, "+33155550123 begins with none of DIAL_COUNTRIES (+1), so nothing is"),
        (ORDER | {"agent": "nobody"}, 400, 'there is no agent "nobody"'),
        (ORDER | {"variables": {"nme": "Ana"}}, 400, 'agent reminder has no variable "nme"; write "name"'),
        (ORDER | {"to": "+15005550003"}, 422, "Twilio refuses: this account may not call that country: "),
        (ORDER | {"from": "+14255550777"}, 422, "Twilio refuses: the number to call from is neither bought nor "),
    ],
)
def test_what_cannot_be_dialled_is_refused_in_one_line(tmp_path: Path, order: Any, status: int, problem: str) -> None:
    async def work(site: Site) -> None:
        answered, body = await site.post(order)

        assert (answered, body["detail"][: len(problem)]) == (status, problem)
        assert site.twilio.calls == {}

    at_site(tmp_path, work)


def test_without_credentials_nothing_can_be_dialled(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        assert (await site.post(ORDER))[0] == 503
        assert (await site.get("CA1"))[0] == 503

    at_site(tmp_path, work, twilio_account_sid=None)


def test_a_queue_that_is_too_long_says_when_to_come_again(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        dialler = site.serving._placing.dialler
        assert dialler is not None
        dialler._free_at = asyncio.get_running_loop().time() + 60
        status, body = await site.post(ORDER)
        assert (status, body["detail"]) == (429, "too many calls wait: 60 s at DIAL_PER_SECOND")

    at_site(tmp_path, work)


@pytest.mark.parametrize(
    ("unreachable", "status", "problem"),
    [(True, 502, f"{ANA} was not called: "), (False, 504, f"it is not known whether {ANA} was called: ")],
)
def test_a_twilio_that_does_not_answer_is_told_apart_from_one_that_is_not_there(
    tmp_path: Path, unreachable: bool, status: int, problem: str
) -> None:
    with fake_rest() as rest:
        rest.body = "no JSON"
        url = "http://127.0.0.1:9" if unreachable else rest.url

        async def work(site: Site) -> None:
            answered, body = await site.post(ORDER)
            assert (answered, body["detail"][: len(problem)]) == (status, problem)

        at_site(tmp_path, work, twilio_api_base_url=url)


def test_nobody_s_phone_rings_for_a_call_that_could_not_be_held(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        assert site.serving.reception.capacity is not None
        site.serving.reception.capacity.placed("CA1")
        assert await site.post(ORDER) == (503, {"detail": "no room for another call: too many calls"})
        assert site.twilio.calls == {}

    at_site(tmp_path, work, max_calls=1)


def test_nobody_is_called_too_often(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        assert (await site.post(ORDER))[0] == 201
        assert await site.post(ORDER) == (429, {"detail": f"{ANA} was called too often in this minute"})
        assert len(site.twilio.calls) == 1

    at_site(tmp_path, work, caller_calls_per_minute=1)


def test_a_day_whose_money_is_spent_places_no_call(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        site.serving.spending.add(5)
        assert await site.post(ORDER) == (503, {"detail": "SPEND_PER_DAY is reached: no more calls today"})

    at_site(tmp_path, work, spend_per_day=5.0)


def test_a_server_that_stops_places_no_call(tmp_path: Path) -> None:
    async def work(site: Site) -> None:
        site.serving._placing.closing = True
        assert (await site.post(ORDER))[0] == 503

    at_site(tmp_path, work)
