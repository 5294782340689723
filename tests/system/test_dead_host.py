"""A host that vanishes with half of the calls: nothing is closed, nothing is refused, nothing answers. Figures: `-s`.

Its server goes on behind a cable that is pulled out, in the middle of a transaction of the store, and comes back when
its calls have long gone on elsewhere.
"""

import asyncio
import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import psycopg

from tests.support.postgres import postgres
from tests.system.haproxy import free_port, proxy
from tests.system.hosts import Host, host
from tests.system.reliability import SERVE, Caller, Server, figures, hold, rows_of, talking_model, told

CALLS = 50

PORT = 8080
"""Of the server that vanishes; nobody else is on its host."""

STAYS_AWAY_S = 30
"""Longer than PostgreSQL takes to let go of its connections, all in all some 20 s."""

NOTICED_S = 10
"""A stream that lasts longer than that behind its host was ended by nobody but TCP itself."""

HOLDING = """
import asyncio, sys
from sqlalchemy import text
from voice_agent.store.database import Database

async def main(url, *call_sids):
    async with Database(url, 600) as database, database.writing() as connection:
        touch = text("UPDATE checkpoints SET written_at = written_at WHERE call_sid = ANY(:sids)")
        await connection.execute(touch, {"sids": list(call_sids)})
        print("held", flush=True)
        await asyncio.sleep(600)

asyncio.run(main(*sys.argv[1:]))
"""
"""A transaction over these calls, which never ends: a server is in one for some thousandths of its time only."""


def test_fifty_calls_go_on_when_the_host_of_half_of_them_vanishes(tmp_path: Path) -> None:
    had: list[str] = []
    vanished: list[datetime] = []
    left_open: list[int] = []

    async def main(there: Host, store: str) -> list[Caller]:
        port = free_port()
        async with talking_model(there.near) as model:
            with proxy(tmp_path, [port], [f"{there.address}:{PORT}"]) as front, contextlib.ExitStack() as stack:
                common = {"REALTIME_URL": model.url, "DATABASE_URL": store, "PUBLIC_URL": front.url,
                          "PRECONNECT": "off", "DRAIN_SECONDS": "5"}  # fmt: skip
                stack.enter_context(Server(tmp_path / "here", port, **common))
                program = (*there.within, *SERVE)
                stack.enter_context(Server(tmp_path / "there", PORT, program, HOST=there.address, **common))
                await front.until_all_are_up()

                async def vanish() -> None:
                    had.extend(started(tmp_path / "there"))
                    stack.enter_context(transaction_left_open(there, store, had))
                    vanished.append(datetime.now(UTC))
                    await asyncio.to_thread(there.vanish)
                    await asyncio.sleep(STAYS_AWAY_S)
                    left_open.append(connections_of(there.address, store))
                    await asyncio.to_thread(there.come_back)

                return await hold(front.url, CALLS, vanish, seed=6)

    with host() as there, postgres(there.near) as server, server.database() as store:
        callers = asyncio.run(main(there, store))
        found = asyncio.run(figures(callers, store))
        rows = asyncio.run(rows_of(callers, store))

    lost = [caller for caller in callers if len(caller.call.streams) > 1]
    noticed = [after(caller, vanished[0], "the stream ends") for caller in lost]
    heard = [after(caller, vanished[0], "the agent speaks") for caller in lost]
    told(f"a host vanishes with {len(lost)} calls, haproxy", found)
    print(  # noqa: T201 - as `told`
        f"from when it vanished, {seconds(noticed)} until their streams ended, {seconds(heard)} until the agent spoke"
    )
    # Those of the other server have noticed nothing.
    assert {caller.call.sid for caller in lost} == set(had)
    assert found.streams == sum(len(each) for each in rows.values()) == CALLS + len(had)
    assert max(noticed) < NOTICED_S
    assert left_open == [0]


def started(folder: Path) -> list[str]:
    """Give the calls that a server has, by its log."""
    return re.findall(r"\b(CA[0-9a-f]{32}) started", (folder / "log").read_text())


@contextlib.contextmanager
def transaction_left_open(there: Host, store: str, call_sids: list[str]) -> Iterator[None]:
    """Begin a transaction over calls on that host, and end its process, but not the transaction, at the end."""
    command = [*there.within, sys.executable, "-c", HOLDING, store, *call_sids]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield
        process.kill()


def connections_of(address: str, store: str) -> int:
    with psycopg.connect(store) as connection:
        asked = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE client_addr = %s", [address])
        return int((asked.fetchone() or (-1,))[0])


def after(caller: Caller, vanished: datetime, what: str) -> float:
    """Give the seconds from then until something happened for the first time."""
    since_ms = (vanished - caller.call.placed_at).total_seconds() * 1000
    return next(m.at_ms - since_ms for m in caller.call.timeline if m.what == what and m.at_ms > since_ms) / 1000


def seconds(times: list[float]) -> str:
    return f"{median(times):.1f} s in the median and {max(times):.1f} s at most"
