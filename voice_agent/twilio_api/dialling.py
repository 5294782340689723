"""Calls that we place: whom we may call, what is asked of Twilio, and whom the answered call is for.

The agent's name and the values of its variables stand in the query of the voice webhook's address. Twilio signs it with
everything else, so nobody else can put them there, and no server has to keep them until somebody answers.
"""

import re
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

import msgspec

from voice_agent.agent import Agent, OnMachine
from voice_agent.config.agents import Agents
from voice_agent.config.faults import instead
from voice_agent.config.render import render
from voice_agent.config.schema_forms import E164
from voice_agent.config.settings import Settings
from voice_agent.config.variables import is_loopback
from voice_agent.errors import CommandError, ConfigError

VOICE_PATH = "/twilio/voice"
STATUS_PATH = "/twilio/status"
DETECTION_PATH = "/twilio/amd"

MOST_QUERY = 2000
"""Characters; proxies and tunnels take little more in an address."""

_AGENT, _VARIABLE = "agent", "var."


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A call that somebody wants."""

    to: str
    """As it was typed."""
    agent: str = ""
    """Empty: there is only one."""
    variables: dict[str, str] = {}
    from_: str = ""
    """Empty: the account's own, or the agent's."""


class OutboundCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that may be placed, with all that Twilio is told of it."""

    to: str
    """E.164."""
    from_: str
    agent: str
    url: str
    status_callback: str
    detection_callback: str
    on_machine: OnMachine | None = None


class Dialled(msgspec.Struct, frozen=True):
    """Whom an answered call is for."""

    agent: str
    variables: dict[str, str]


def values_given(call: Dialled | None, agent: Agent) -> dict[str, str]:
    """Give the values that a call was placed with; raises `ConfigError` if its agent has changed meanwhile."""
    given = {} if call is None else call.variables
    for name in given:
        if name not in agent.variables:
            raise ConfigError(f'agent {agent.name} has no variable "{name[:64]}"')
    return given


def plan(wish: Wish, agents: Agents, settings: Settings, now: datetime) -> OutboundCall:
    """Examine a wish; raises `CommandError` or `ConfigError`: one line, and nothing may be dialled."""
    to = phone_number(wish.to)
    _examine_country(to, settings)
    agent = _agent(wish.agent, agents)
    for name in wish.variables:
        if name not in agent.variables:
            what = f'agent {agent.name} has no variable "{name[:64]}"'
            raise CommandError(f"{what}; {instead(name, agent.variables) if agent.variables else 'it has none'}")
    from_ = phone_number(wish.from_ or settings.twilio_phone_number or next(iter(agent.numbers), "") or _no_number())
    if from_ == to:
        raise CommandError(f"{to} cannot be called from itself")
    if not settings.is_public and not is_loopback(settings.twilio_api_base_url or ""):
        raise CommandError("PUBLIC_URL is not public, so Twilio could not reach it; set it to your tunnel's address")
    render(agent, to, from_, now, wish.variables)
    query = urlencode({_AGENT: agent.name} | {_VARIABLE + name: value for name, value in wish.variables.items()})
    if len(query) > MOST_QUERY:
        raise CommandError(f"the variables are too long for one call: {len(query)} of {MOST_QUERY} characters, encoded")
    base = settings.public_url
    return OutboundCall(
        to=to,
        from_=from_,
        agent=agent.name,
        url=f"{base}{VOICE_PATH}?{query}",
        status_callback=f"{base}{STATUS_PATH}",
        detection_callback=f"{base}{DETECTION_PATH}",
        on_machine=agent.on_machine,
    )


def dialled(query: str) -> Dialled | None:
    """Read whom an answered call is for from its webhook's query; `None`: it does not say."""
    fields = dict(parse_qsl(query, keep_blank_values=True))
    agent = fields.get(_AGENT, "")
    given = {name.removeprefix(_VARIABLE): value for name, value in fields.items() if name.startswith(_VARIABLE)}
    return Dialled(agent, given) if agent else None


def phone_number(typed: str) -> str:
    """Give a number as E.164; raises `CommandError`."""
    plain = re.sub(r"[\s().-]", "", typed)
    if not re.fullmatch(E164, plain):
        raise CommandError(f'"{typed[:40]}" is no phone number; write it like +14255550123')
    return plain


def _examine_country(to: str, settings: Settings) -> None:
    allowed = settings.dial_countries
    if not allowed:
        raise CommandError(
            "DIAL_COUNTRIES is not set, so no number may be called; set it to how those begin that may, e.g. +1"
        )
    if not to.startswith(allowed):
        raise CommandError(f"{to} begins with none of DIAL_COUNTRIES ({', '.join(allowed)}), so nothing is dialled")


def _agent(wanted: str, agents: Agents) -> Agent:
    known = ", ".join(one.name for one in agents.all)
    if not wanted:
        if len(agents.all) == 1:
            return agents.all[0]
        raise CommandError(f"say which agent calls: {known}")
    agent = agents.named(wanted)
    if agent is None:
        raise CommandError(f'there is no agent "{wanted[:64]}"; there are: {known}')
    return agent


def _no_number() -> str:
    raise CommandError("there is no number to call from; set TWILIO_PHONE_NUMBER to one of the account's")
