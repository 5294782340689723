"""`voice-agent numbers`: shows where the account's phone numbers lead, lets one lead here, and undoes it.

A number leads to this server by two addresses, the same for all agents; which agent answers is told by the agents'
`numbers`. What was there is kept under `DATA` before it is changed.
"""

import argparse
import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TextIO
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec

from voice_agent.config.agents import Agents, load_agents
from voice_agent.config.render import render
from voice_agent.config.schema_forms import E164
from voice_agent.config.settings import ENV_FILE, Settings, read_settings
from voice_agent.config.variables import is_loopback
from voice_agent.errors import CommandError, RefusedError
from voice_agent.live.clock import utc_now
from voice_agent.server.last_resort import last_net
from voice_agent.store.pointings import FormerPointing, Pointings
from voice_agent.twilio_api.numbers import Number, NumbersApi, Pointing
from voice_agent.twilio_api.rest import open_rest
from voice_agent.wire import twiml

SUMMARY = "show where the account's phone numbers lead, and let one lead here"

TIMEOUT_S = 15.0
"""For one request; nobody is on the line."""

NOTHING = "none"

ECHO = "https://twimlets.com/echo?"
"""Gives the TwiML in its address back. https://www.twilio.com/labs/twimlets/echo"""

_NAMES = {
    "voice_url": "a call comes in",
    "voice_method": "  by",
    "voice_fallback_url": "that handler fails",
    "voice_fallback_method": "  by",
    "status_callback": "the status changes",
    "status_callback_method": "  by",
    "voice_application_sid": "TwiML application",
    "trunk_sid": "SIP trunk",
}
"""What the console calls the fields."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="every number and where it leads (the default)")
    point = actions.add_parser("point", help="let a number lead to this server (PUBLIC_URL)")
    point.add_argument("number", metavar="+1…", help="a number of the account, E.164")
    point.add_argument("--agent", metavar="NAME", help="make sure that this agent answers it")
    point.add_argument(
        "--fallback",
        metavar="URL",
        help="TwiML for when this server is down, or none; without, what is there stays, or an apology is set",
    )
    undo = actions.add_parser("undo", help="let a number lead again to where it led before the latest change")
    undo.add_argument("number", metavar="+1…", help="a number that was pointed from here, E.164")
    for action in (point, undo):
        action.add_argument("--yes", action="store_true", help="do not ask")


def run(
    action: str | None = None,
    number: str = "",
    agent: str | None = None,
    fallback: str | None = None,
    yes: bool = False,
) -> int:
    """Do one action; 0, or 1 if the user says no. Faults are raised: 2."""
    settings = read_settings(os.environ, ENV_FILE)
    agree = _always if yes else partial(agreed, sys.stdin)
    match action:
        case "point":
            number = _checked(number)
            agents = load_agents(settings.agents)
            answering = agents.named(answering_agent(agents, number, agent))
            assert answering is not None, "it was found there"
            net = last_net(render(answering, "", number, utc_now(), {}))
            return asyncio.run(
                point(
                    settings,
                    number,
                    answering=answering.name,
                    fallback=fallback,
                    agree=agree,
                    now=utc_now(),
                    net=twiml.render(net),
                )
            )
        case "undo":
            return asyncio.run(undo(settings, _checked(number), agree))
        case _:
            return asyncio.run(show(settings))


def _checked(number: str) -> str:
    plain = re.sub(r"[\s().-]", "", number)
    if not re.fullmatch(E164, plain):
        raise CommandError(f'"{number[:40]}" is no phone number; write it like +14255550100')
    return plain


# --- list ------------------------------------------------------------------------------------------------------------


async def show(settings: Settings) -> int:
    """Print a line a number."""
    api = _api(settings)
    try:
        found = await api.all()
    finally:
        api.close()
    if not found:
        print("the account has no phone number; buy one at https://console.twilio.com, Phone Numbers")
    width = max((len(number.name) for number in found), default=0)
    agents = load_agents(settings.agents)
    for number in sorted(found, key=lambda number: number.number):
        print(f"{number.number:<16}  {number.name:<{width}}  {_leads(number, settings, agents)}")
    return 0


def _leads(number: Number, settings: Settings, agents: Agents) -> str:
    if not number.voice:
        return "takes no calls"
    if number.pointing.leads_to != _voice_url(settings):
        return number.pointing.leads_to or "nowhere"
    agent = agents.for_number(number.number)
    return f"this server, {f'agent {agent.name}' if agent else 'where no agent answers it'}"


# --- point -----------------------------------------------------------------------------------------------------------


async def point(
    settings: Settings,
    number: str,
    *,
    answering: str,
    fallback: str | None,
    agree: Callable[[], bool],
    now: datetime,
    net: str = "",
) -> int:
    """Let a number lead here, after showing what would change. `answering`: the agent that then does.

    `fallback`: as it was typed. `net`: TwiML for who calls while no server is there, if nothing is set for them.
    """
    if not settings.is_public and not is_loopback(settings.twilio_api_base_url or ""):
        raise CommandError("PUBLIC_URL is not public, so Twilio could not reach it; set it to your tunnel's address")
    if fallback is not None and fallback != NOTHING and not re.fullmatch(r"https://[^\s/]+\S*", fallback):
        raise CommandError(f"--fallback must be an https address, e.g. of a TwiML Bin, or {NOTHING}")
    api = _api(settings)
    try:
        found = await _found(api, number)
        wanted = Pointing(
            voice_url=_voice_url(settings),
            status_callback=f"{settings.public_url}/twilio/status",
            **_fallback(found.pointing, fallback, net),
        )
        if wanted == found.pointing:
            print(f"{number} leads here already; agent {answering} answers it")
            return 0
        former = Pointings(settings.data, number)
        _show_change(found, wanted)
        if not agree():
            return 1
        former.push(FormerPointing(changed_at=now.isoformat(timespec="seconds"), fields=_fields(found.pointing)))
        try:
            await _change(api, found, wanted)
        except RefusedError:
            # After anything else, a lost answer say, the change may have been made.
            former.drop_last()
            raise
    finally:
        api.close()
    print(f"{number} leads here now; agent {answering} answers it. To undo: voice-agent numbers undo {number}")
    if not wanted.voice_fallback_url:
        print("while this server is down, callers hear an error; --fallback names TwiML kept elsewhere (a TwiML Bin)")
    elif wanted.voice_fallback_url.startswith(ECHO):
        print("while this server is down, callers hear an apology from twimlets.com, which Twilio runs and does not")
        print("promise; surer is a TwiML Bin of your own (console.twilio.com, TwiML Bins), named by --fallback, with:")
        print(parse_qs(urlsplit(wanted.voice_fallback_url).query)["Twiml"][0])
    return 0


def _fallback(before: Pointing, wanted: str | None, net: str) -> dict[str, str]:
    """Say where a call goes while no server is there."""
    url, method = before.voice_fallback_url, before.voice_fallback_method
    if wanted is not None:
        url, method = ("" if wanted == NOTHING else wanted), "POST"
    elif net and (not url or url.startswith(ECHO)):
        url, method = ECHO + urlencode({"Twiml": net}), "GET"
    return {"voice_fallback_url": url, "voice_fallback_method": method}


def answering_agent(agents: Agents, number: str, wanted: str | None) -> str:
    """Name the agent that answers a number, which must be the `wanted` one if there is one; raises `CommandError`."""
    agent = agents.for_number(number)
    known = ", ".join(one.name for one in agents.all)
    if wanted is not None and agents.named(wanted) is None:
        raise CommandError(f'there is no agent "{wanted[:64]}"; there are: {known}')
    if agent is None:
        raise CommandError(f'no agent answers {number}; add it to the "numbers" of one ({known})')
    if wanted not in (None, agent.name):
        raise CommandError(f'agent {agent.name} answers {number}; add it to the "numbers" of {wanted} instead')
    return agent.name


# --- undo ------------------------------------------------------------------------------------------------------------


async def undo(settings: Settings, number: str, agree: Callable[[], bool]) -> int:
    """Let a number lead to where it led before the latest change from here."""
    former = Pointings(settings.data, number)
    state = former.last()
    if state is None:
        raise CommandError(f"nothing is known of where {number} led; it was not pointed from here ({former.path})")
    wanted = msgspec.convert(state.fields, Pointing)
    api = _api(settings)
    try:
        found = await _found(api, number)
        if wanted != found.pointing:
            _show_change(found, wanted)
            if not agree():
                return 1
            await _change(api, found, wanted)
        former.drop_last()
    finally:
        api.close()
    print(f"{number} leads again to where it led on {state.changed_at[:10]}")
    return 0


# --- both ------------------------------------------------------------------------------------------------------------


def _api(settings: Settings) -> NumbersApi:
    api = open_rest(NumbersApi, settings, TIMEOUT_S)
    if api is None:
        raise CommandError("TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN must be set; see console.twilio.com")
    return api


async def _found(api: NumbersApi, number: str) -> Number:
    found = await api.named(number)
    if found is None:
        raise CommandError(f"the account has no number {number}; voice-agent numbers lists those that it has")
    if not found.voice:
        raise CommandError(f"{number} takes no calls; choose a number with the capability Voice")
    return found


async def _change(api: NumbersApi, found: Number, wanted: Pointing) -> None:
    changed = await api.point(found.sid, wanted)
    if changed.pointing != wanted:
        print(f"Twilio took the change of {found.number} differently; what it shows now:")
        _show_change(msgspec.structs.replace(found, pointing=wanted), changed.pointing)


def _show_change(found: Number, wanted: Pointing) -> None:
    print(f"{found.number}  {found.name}")
    before, after = _fields(found.pointing), _fields(wanted)
    for field, name in _NAMES.items():
        if before[field] != after[field]:
            print(f"  {name:<20} {before[field] or '(nothing)'}\n  {'':<17} -> {after[field] or '(nothing)'}")


def _fields(pointing: Pointing) -> dict[str, str]:
    fields: dict[str, str] = msgspec.structs.asdict(pointing)
    return fields


def _voice_url(settings: Settings) -> str:
    return f"{settings.public_url}/twilio/voice"


def _always() -> bool:
    return True


def agreed(given: TextIO) -> bool:
    """Ask on a terminal; raises `CommandError` where there is none."""
    if not given.isatty():
        raise CommandError("nobody can be asked here; say --yes")
    print("Change it? [y/N] ", end="", flush=True)
    # asyncio's own handler would let the first Ctrl-C wait for the answer.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        answer = given.readline()
    finally:
        signal.signal(signal.SIGINT, before)
    if not answer:
        print()  # Ctrl-D ends no line
    return answer.strip().lower() in ("y", "yes")
