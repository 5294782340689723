"""The figures of `voice_agent/server/RELIABILITY.md`; each test prints its own (`pytest -s`)."""

import asyncio
import os
import random
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.postgres import postgres
from tests.system import haproxy, nginx
from tests.system.haproxy import free_port
from tests.system.reliability import SERVE, Figures, Server, figures, hold, talking_model, told
from voice_agent.store.database import FILE_NAME

CALLS = 50


async def one_machine(
    folder: Path, disturb: Callable[[Server], Awaitable[None]], seed: int, program: Sequence[str] = SERVE, **more: str
) -> Figures:
    """Hold calls on one server, and disturb it."""
    async with talking_model() as model:
        with Server(folder, 0, program, REALTIME_URL=model.url, **more) as server:
            callers = await hold(server.url, CALLS, partial(disturb, server), seed)
            await asyncio.to_thread(server.stop)
        return await figures(callers, folder / "data" / FILE_NAME)


def test_fifty_calls_on_one_machine_go_on_when_their_server_is_killed(tmp_path: Path) -> None:
    async def kill(server: Server) -> None:
        await asyncio.sleep(random.Random(1).random() * 2)
        server.kill_worker()
        await asyncio.to_thread(server.until_it_listens)

    told("kill -9, one machine", asyncio.run(one_machine(tmp_path / "one", kill, seed=1)))


@pytest.mark.parametrize("before", [haproxy, nginx], ids=["HAProxy", "nginx"])
@pytest.mark.parametrize("what", ["kill -9 of one of two servers", "rolling restart of two servers"])
def test_fifty_calls_on_two_servers_go_on(tmp_path: Path, what: str, before: ModuleType) -> None:
    async def main(store: str) -> Figures:
        ports = free_port(), free_port()
        async with talking_model() as model:
            with before.proxy(tmp_path, ports) as front:
                common = {"REALTIME_URL": model.url, "DATABASE_URL": store, "PUBLIC_URL": front.url,
                          "PRECONNECT": "off", "DRAIN_SECONDS": "5"}  # fmt: skip
                with (
                    Server(tmp_path / "one", ports[0], **common) as one,
                    Server(tmp_path / "two", ports[1], **common) as two,
                ):
                    await front.until_all_are_up()

                    async def kill() -> None:
                        one.kill_all()

                    async def roll() -> None:
                        for server in (one, two):
                            await asyncio.to_thread(server.stop)
                            await asyncio.to_thread(server.begin)
                            await front.until_all_are_up()

                    callers = await hold(front.url, CALLS, kill if what.startswith("kill") else roll, seed=2)
                return await figures(callers, store)

    with postgres() as server, server.database() as store:
        # A call that is handed over is cut in its sentence; what was heard of it is reckoned, and said again.
        name = before.__name__.rpartition(".")[2]
        told(f"{what}, {name}", asyncio.run(main(store)), apart=1 if what.startswith("kill") else 3)


def test_fifty_calls_go_on_when_their_server_is_restarted_behind_a_port_that_another_holds(tmp_path: Path) -> None:
    async def restart(server: Server) -> None:
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.begin)

    # As systemd does.
    with socket.create_server(("127.0.0.1", 0), backlog=512) as held:
        program = (*SERVE, "--fd", str(held.fileno()))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        run = one_machine(tmp_path / "one", restart, 5, program, DRAIN_SECONDS="5", PUBLIC_URL=url)
        told("restart behind a port that another holds", asyncio.run(run), apart=3)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_fifty_calls_on_two_workers_of_one_machine_go_on_when_one_ends(tmp_path: Path, sent: signal.Signals) -> None:
    async def end_one(server: Server) -> None:
        await asyncio.sleep(random.Random(4).random() * 2)
        os.kill(server.workers[1], sent)

    found = asyncio.run(one_machine(tmp_path / "one", end_one, 4, (*SERVE, "--workers", "2"), DRAIN_SECONDS="5"))
    told(f"{sent.name} to one of two workers, one machine", found, apart=1 if sent is signal.SIGKILL else 3)
    # Those of the other have noticed nothing.
    assert found.streams == CALLS + CALLS // 2
