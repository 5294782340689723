"""Which calls are greeted by what was said before."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.http_server import server
from tests.support.reception import GREETINGS, a_desk
from tests.support.tiny_twilio import CALL_SID, FIELDS
from voice_agent.live.kept_greetings import KeptGreetings

AGENT = """name: reception
default: true
instructions: Be brief.
recording: "off"
variables: {company: Alder}
"""
SOUND = b"\x10" * 8000
LATER = {**FIELDS, "CallSid": CALL_SID[:-1] + "2", "From": "+14255550177"}


def greeted(folder: Path, agent: str) -> bytes | None:
    """What a second call is greeted by when the greeting of a first one was kept."""

    async def main() -> bytes | None:
        async with a_desk(folder, agent) as desk:
            await desk.reception.receive(FIELDS)
            KeptGreetings(folder / GREETINGS).keep(desk.calls[0].setup, SOUND)
            await desk.reception.receive(LATER)
            return desk.calls[1].setup.kept_greeting

    return asyncio.run(main())


@pytest.mark.parametrize("greeting", ["Hello there.", "This is {{ company }}, hello."])
def test_a_greeting_that_is_the_same_for_all_is_played_again(tmp_path: Path, greeting: str) -> None:
    assert greeted(tmp_path, f'{AGENT}greeting: "{greeting}"\n') == SOUND


@pytest.mark.parametrize(
    "more",
    [
        'greeting: "Hello, {{ called }}."\n',
        'greeting: "It is {{ now | time }}."\ntimezone: Europe/Vienna\n',
        "greeting: Hello.\nbarge_in: {greeting: protected}\n",
        "greeting: Hello.\nbarge_in: {after_ms: 300}\n",
        "greeting: none\n",
    ],
)
def test_one_that_is_of_this_call_or_must_not_be_interrupted_is_the_models(tmp_path: Path, more: str) -> None:
    assert greeted(tmp_path, AGENT + more) is None


def test_what_was_looked_up_is_said_by_the_model(tmp_path: Path) -> None:
    agent = f'{AGENT}greeting: "This is {{{{ company }}}}, hello."\n'
    known = greeted(tmp_path, agent)

    async def crm(request: web.Request) -> web.StreamResponse:
        return web.json_response({"company": "Alder"})

    async def main() -> bytes | None:
        async with server(crm) as url:
            lookup = f"lookup: {{url: '{url}/who', allow_private: true, variables: {{company: company}}}}\n"
            async with a_desk(tmp_path, agent + lookup) as desk:
                await desk.reception.receive(LATER)
                return desk.calls[0].setup.kept_greeting

    assert known == SOUND
    assert asyncio.run(main()) is None
