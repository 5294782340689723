"""The figures of `voice_agent/server/RELIABILITY.md`; each test prints its own (`pytest -s`)."""

import asyncio
import os
import random
import signal
import socket
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.postgres import postgres
from tests.system import haproxy, nginx
from tests.system.haproxy import free_port
from tests.system.reliability import SERVE, Figures, Server, figures, hold, talking_model
from voice_agent.store.database import FILE_NAME

CALLS = 50


def told(name: str, found: Figures, *, apart: int = 1) -> None:
    """Print the figures, and hold what must be so on any machine; silences depend on how busy it is."""
    print(f"\n{name}: {found}")  # noqa: T201 - what `pytest -s` is asked for
    assert found.went_on == found.calls
    assert found.unreadable == 0
    assert found.sentences_apart <= apart


def test_fifty_calls_on_one_machine_go_on_when_their_server_is_killed(tmp_path: Path) -> None:
    async def main() -> Figures:
        async with talking_model() as model:
            with Server(tmp_path / "one", 0, REALTIME_URL=model.url) as server:

                async def disturb() -> None:
                    await asyncio.sleep(random.Random(1).random() * 2)
                    server.kill_worker()
                    await asyncio.to_thread(server.until_it_listens)

                callers = await hold(server.url, CALLS, disturb, seed=1)
                await asyncio.to_thread(server.stop)
            return await figures(callers, tmp_path / "one" / "data" / FILE_NAME)

    told("kill -9, one machine", asyncio.run(main()))


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
    async def main() -> Figures:
        async with talking_model() as model:
            # As systemd does.
            with socket.create_server(("127.0.0.1", 0), backlog=512) as held:
                url = f"http://127.0.0.1:{held.getsockname()[1]}"
                program = (*SERVE, "--fd", str(held.fileno()))
                common = {"REALTIME_URL": model.url, "DRAIN_SECONDS": "5", "PUBLIC_URL": url}
                with Server(tmp_path / "one", 0, program, **common) as server:

                    async def disturb() -> None:
                        await asyncio.to_thread(server.stop)
                        await asyncio.to_thread(server.begin)

                    callers = await hold(url, CALLS, disturb, seed=5)
            return await figures(callers, tmp_path / "one" / "data" / FILE_NAME)

    told("restart behind a port that another holds", asyncio.run(main()), apart=3)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_fifty_calls_on_two_workers_of_one_machine_go_on_when_one_ends(tmp_path: Path, sent: signal.Signals) -> None:
    async def main() -> Figures:
        async with talking_model() as model:
            program = (*SERVE, "--workers", "2")
            with Server(tmp_path / "one", 0, program, REALTIME_URL=model.url, DRAIN_SECONDS="5") as server:

                async def disturb() -> None:
                    await asyncio.sleep(random.Random(4).random() * 2)
                    os.kill(server.workers[1], sent)

                callers = await hold(server.url, CALLS, disturb, seed=4)
                await asyncio.to_thread(server.stop)
            return await figures(callers, tmp_path / "one" / "data" / FILE_NAME)

    found = asyncio.run(main())
    told(f"{sent.name} to one of two workers, one machine", found, apart=1 if sent is signal.SIGKILL else 3)
    # Those of the other have noticed nothing.
    assert found.streams == CALLS + CALLS // 2
