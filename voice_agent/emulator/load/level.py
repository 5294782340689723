"""One level of load on a bridge that runs: begin the calls, let them speak, measure, hang up."""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable

import msgspec

from voice_agent.emulator.load.account import Level, Window, account
from voice_agent.emulator.load.callers import Admission, Callers
from voice_agent.emulator.load.scripted_model import ScriptedModel
from voice_agent.emulator.load.watching import Processes, note_lateness
from voice_agent.emulator.twilio.webhook import request
from voice_agent.errors import PeerError

WARM_UP_S = 2.0
"""The beginning, when bridges connect and catch up, counts for loss but not for latency."""

REACH_S = 10.0
LOOK_S = 0.1
"""How long calls may take until their audio reaches the model before the measurement begins, and between two looks."""

AFTERWARDS_S = 0.7
"""How long callers who have said all still listen."""

_LAG = re.compile(r"^voice_agent_loop_lag_seconds(?:\{[^}]*\})? (\S+)$", re.MULTILINE)

Lag = Callable[[], Awaitable[float | None]]
"""Asks a server how late its event loop is, in ms."""


async def hold_level(
    admission: Admission,
    model: ScriptedModel,
    calls: int,
    seconds: float,
    *,
    processes: Processes | None = None,
    lag: Lag | None = None,
) -> Level:
    """Load a bridge with so many calls, which all speak for so many seconds beside one another."""
    model.sessions.clear()
    late_ms: list[float] = []
    callers = Callers(admission, secrets.token_hex(4))
    idle_mb = processes.memory_mb() if processes else None
    async with asyncio.TaskGroup() as tasks:
        await callers.begin(calls, tasks)
        for _ in range(int(REACH_S / LOOK_S)):
            if sum(session.heard.bytes > 0 for session in model.sessions) + callers.ended >= calls:
                break
            await asyncio.sleep(LOOK_S)
        await asyncio.sleep(WARM_UP_S)
        lateness = tasks.create_task(note_lateness(late_ms))
        cpu_ms, begin_ns = processes.cpu_ms() if processes else None, time.perf_counter_ns()
        await asyncio.sleep(seconds)
        cpu_after_ms, end_ns = processes.cpu_ms() if processes else None, time.perf_counter_ns()
        memory_mb = processes.memory_mb() if processes else None
        server_lag_ms = await lag() if lag else None
        lateness.cancel()
        callers.stop_speaking()
        await asyncio.sleep(AFTERWARDS_S)
        records = await callers.end()
    window = Window(begin_ns, end_ns)
    level = account(records, {session.heard.call: session for session in model.sessions}, window, late_ms)
    return msgspec.structs.replace(
        level,
        cpu_ms=None
        if cpu_ms is None or cpu_after_ms is None or not level.heard_s
        else round((cpu_after_ms - cpu_ms) / level.heard_s, 2),
        memory_mb=None if idle_mb is None or memory_mb is None else round((memory_mb - idle_mb) / calls, 2),
        server_lag_ms=server_lag_ms,
    )


def lag_of(url: str) -> Lag:
    """Ask the `/metrics` of a server at this address."""

    async def ask() -> float | None:
        try:
            answer = await request(f"{url}/metrics", {}, "", "GET")
        except PeerError:
            return None
        found = _LAG.search(answer.body)
        return None if found is None else float(found[1]) * 1000

    return ask
