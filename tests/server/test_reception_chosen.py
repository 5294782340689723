"""Calls that no carrier brings: whoever brings one has chosen the agent."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from tests.support.http_server import server
from tests.support.reception import Desk, a_desk
from tests.support.tiny_twilio import FIELDS
from voice_agent.agent import Agent
from voice_agent.config.agent_file import read_agent
from voice_agent.config.agents import Agents
from voice_agent.server.reception import Chosen
from voice_agent.wire import twiml

NIGHT = """
name: night
instructions: Tell {{ caller }} the hours of {{ company }}.
variables: {company: Alder Dental}
timezone: America/Los_Angeles
hours: {open: {monday: 08:00-18:00}, closed: We are closed.}
tools:
  - handoff: {to: [day], description: The caller wants to know the prices.}
"""
KNOWING = """
name: knowing
instructions: You speak with {{{{ name }}}}.
variables: {{name: somebody}}
lookup: {{url: "{url}/who", allow_private: true, variables: {{name: name}}}}
"""
DAY = "name: day\ninstructions: Answer {{ caller }}.\n"
HERE = FIELDS | {"From": "a browser", "To": "the console"}


def agent(text: str) -> Agent:
    return read_agent(text, "agent.yaml").agent


def chosen(text: str = NIGHT) -> Chosen:
    return Chosen(agent(text), Agents([agent(text), agent(DAY)]))


def at_desk(folder: Path, script: Callable[[Desk], Awaitable[None]]) -> Desk:
    async def main() -> Desk:
        async with asyncio.timeout(30), a_desk(folder) as desk:
            desk.now = lambda: datetime(2026, 11, 29, tzinfo=UTC)  # a Sunday
            desk.reception.terms = replace(desk.reception.terms, rest=True)
            await script(desk)
        return desk

    return asyncio.run(main())


def test_the_chosen_agent_takes_the_call_at_any_hour_with_those_that_it_may_hand_over_to(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        (connect,) = twiml.parse(await desk.reception.receive(HERE, chosen=chosen()))
        assert isinstance(connect, twiml.Connect)

    (call,) = at_desk(tmp_path, script).calls

    assert call.setup.agent.instructions == "Tell a browser the hours of Alder Dental."
    assert [other.instructions for other in call.setup.others] == ["Answer a browser."]
    assert (call.setup.caller, call.setup.called) == ("a browser", "the console")


def test_the_carrier_is_not_asked_about_a_call_that_it_did_not_bring(tmp_path: Path) -> None:
    async def script(desk: Desk) -> None:
        await desk.reception.receive(HERE, chosen=chosen())

    (call,) = at_desk(tmp_path, script).calls

    assert not call.setup.rest


def test_the_caller_is_looked_up_as_in_any_other_call(tmp_path: Path) -> None:
    async def crm(_: web.Request) -> web.StreamResponse:
        return web.json_response({"name": "Ana"})

    async def script(desk: Desk) -> None:
        async with server(crm) as url:
            asking = KNOWING.format(url=url)
            await desk.reception.receive(HERE, chosen=chosen(asking))

    (call,) = at_desk(tmp_path, script).calls

    assert call.setup.agent.instructions == "You speak with Ana."
