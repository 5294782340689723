"""Everything that decides a made-up call, as data: whoever has it holds the call again, or with one thing changed."""

import re
from typing import Literal

import msgspec

from voice_agent.call.events import AnsweredBy
from voice_agent.call.setup import RENEW_MS, CallSetup
from voice_agent.sim.carrier import Switches
from voice_agent.sim.mishaps import Mishaps, ToolWork
from voice_agent.sim.network import Network, Timing

Moment = Literal["time", "greeting", "tool", "goodbye"]
Way = Literal["caller_hung_up", "redirected", "ended_by_rest"]


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the caller does, after the one before."""

    when: Literal["quiet", "agent speaks", "at once"] = "quiet"
    """What is waited for; at most for `PATIENCE_MS`."""
    after_ms: int = 0
    """How long it must have lasted."""
    what: Literal["speak", "two people", "keys", "break off"] = "speak"
    """`two people`: a soft and a loud voice by turns. `break off`: fall silent in mid-word, whatever is being said."""
    length_ms: int = 0
    keys: str = ""


class Leaving(msgspec.Struct, frozen=True, kw_only=True):
    """How the caller goes."""

    after_ms: int
    """Milliseconds of the stream, or since what is waited for began. They go after `LATEST_MS` at the latest."""
    when: Moment = "time"
    how: Way = "caller_hung_up"
    with_stop: bool = True
    with_close: bool = True


class Part(msgspec.Struct, frozen=True):
    """A part of what the model answers: words, or a function call."""

    words: int = 0
    name: str = ""
    arguments: str = "{}"


class Verdict(msgspec.Struct, frozen=True):
    """What the carrier says about who has answered a call that we placed."""

    at_ms: int
    answered_by: AnsweredBy


class MadeUpCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call."""

    seed: int
    """Of the chance within the call: jitter, and how long each piece of work takes."""
    setup: CallSetup
    acts: tuple[Act, ...]
    leaving: Leaving
    answers: tuple[tuple[Part, ...], ...]
    """What the model answers, response by response, again and again; an empty one says nothing."""
    tools: dict[str, ToolWork] = {}
    mcp: dict[str, dict[str, ToolWork]] = {}
    """What the tools of MCP servers do, by the servers' labels; a server that is not here cannot be listed."""
    mcp_continues: bool = False
    """The model's server speaks of what came of their calls by itself."""
    verdicts: tuple[Verdict, ...] = ()
    network: Network = Network()
    timing: Timing = Timing()
    switches: Switches = Switches()
    mishaps: Mishaps = Mishaps()
    faults: tuple[str, ...] = ()
    """Of each connection to the model (see `sim.realtime.faults`)."""
    pace: int = 4
    """How much faster than life the model sends its audio."""
    delta_ms: int = 20
    """How much of it at once."""


PATIENCE_MS = 7000
"""So long a caller waits for a moment to speak."""

LATEST_MS = 90_000
"""No made-up caller stays longer."""


def oddities(call: MadeUpCall) -> list[str]:
    """Name what goes wrong in a call and what is odd about its carrier, each once; values and times are left out."""
    faults = {_name(fault) for faults in call.faults for fault in faults.split(",") if fault}
    usual: tuple[tuple[msgspec.Struct, msgspec.Struct], ...] = ((call.mishaps, Mishaps()), (call.switches, Switches()))
    odd = {
        name.replace("_", " ")
        for value, plain in usual
        for name in plain.__struct_fields__
        if getattr(value, name) != getattr(plain, name)
    }
    old = {"old session"} if call.setup.renew_ms < RENEW_MS else set()
    stalled = {"stalled connection"} if call.network.stalls else set()
    return sorted(faults | odd | old | stalled)


def _name(fault: str) -> str:
    """Give a fault's name, with the code where the code is what it is about."""
    name, _, value = fault.partition("=")
    code = re.split(r"[@*]", value)[0]
    return f"{name}={code}" if name in {"error", "close", "fail", "incomplete"} else re.split(r"[@*]", name)[0]
