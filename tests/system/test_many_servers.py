"""Three servers behind a proxy on one PostgreSQL and one object store; one is stopped, one is killed. Figures: `-s`."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import postgres
from tests.system.azurite import azurite
from tests.system.haproxy import free_port, proxy
from tests.system.reliability import Caller, Server, figures, hold, rows_of, talking_model, told
from voice_agent.emulator.twilio.call import EmulatedCall
from voice_agent.errors import PeerError
from voice_agent.recording.reader import read
from voice_agent.store.history import PastCall
from voice_agent.store.objects import ObjectStore
from voice_agent.store.recordings import Recordings

CALLS = int(os.environ.get("CALLS", "60"))

URL = "az://recordings/line"

LOST_MS = 1000
"""What is older is on the disk when a process dies."""

AGE_S = 300
"""By how much files are made older that a killed server has left: the next one takes them after two minutes."""


def test_sixty_calls_go_on_and_every_recording_is_in_the_object_store_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(store: str, blobs: dict[str, str]) -> list[Caller]:
        ports = [free_port() for _ in range(3)]
        async with talking_model() as model:
            with proxy(tmp_path, ports) as front:
                common = {
                    "REALTIME_URL": model.url, "DATABASE_URL": store, "PUBLIC_URL": front.url, "PRECONNECT": "off",
                    "DRAIN_SECONDS": "5", "RECORDINGS_URL": URL, **blobs,
                }  # fmt: skip
                servers = [Server(tmp_path / f"server{n}", port, **common) for n, port in enumerate(ports)]
                try:
                    await front.until_all_are_up()

                    async def disturb() -> None:
                        assert all(left(server.folder) for server in servers), "a server has no call"
                        await asyncio.to_thread(servers[0].stop)
                        await asyncio.sleep(2)
                        servers[1].kill_all()

                    callers = await hold(front.url, CALLS, disturb, seed=3)
                    for path in left(servers[1].folder):
                        old_s = path.stat().st_mtime - AGE_S
                        os.utime(path, (old_s, old_s))
                    await asyncio.to_thread(servers[1].begin)
                    async with asyncio.timeout(60):
                        while left(tmp_path):  # noqa: ASYNC110 - of other processes
                            await asyncio.sleep(0.2)
                finally:
                    for server in servers:
                        if server.process.poll() is None:
                            await asyncio.to_thread(server.stop)
        return callers

    with (
        postgres() as server,
        server.database() as store,
        azurite(tmp_path / "azurite", free_port(), "recordings") as blobs,
    ):
        for name, value in blobs.environment.items():
            monkeypatch.setenv(name, value)
        callers = asyncio.run(main(store, blobs.environment))
        recordings = Recordings(tmp_path / "nothing", ObjectStore(URL), tmp_path / "fetched")
        found = asyncio.run(figures(callers, store, recordings))
        rows = [row for parts in asyncio.run(rows_of(callers, store)).values() for row in parts]
        objects = ObjectStore(URL)
        assert sorted(objects.address(name) for name in objects.names()) == sorted(str(row.recording) for row in rows)
        missing = [_missing_ms(row, recordings) for row in rows]
        told("SIGTERM for one of three servers, kill -9 for another", found, apart=3)
        whole = sum(ms == 0 for ms in missing)
        print(f"{len(rows)} recordings in the store, {whole} whole; the others end {max(missing)} ms early at most")  # noqa: T201 - as `told`

    assert {row.call_sid for row in rows} == {caller.call.sid for caller in callers}
    assert len(rows) >= sum(length_ms > LOST_MS for caller in callers for length_ms in lengths(caller.call))
    assert max(missing) <= LOST_MS


def left(folder: Path) -> list[Path]:
    """Give the recordings that are in no object store yet."""
    return list(folder.rglob("*.call"))


def lengths(call: EmulatedCall) -> Iterator[int]:
    """Give how long each stream lasted, as the carrier knows it."""
    began_ms = 0
    for moment in call.timeline:
        if moment.what == "the stream starts":
            began_ms = moment.at_ms
        elif moment.what == "the stream ends":
            yield moment.at_ms - began_ms


def _missing_ms(row: PastCall, recordings: Recordings) -> int:
    """Say how much of what the history has of a call is not in its recording; 0: it is whole."""
    recording, last_ms = read(recordings.file(str(row.recording))), 0
    with contextlib.suppress(PeerError):
        for step in recording.steps():
            last_ms = step.now_ms
        if recording.cut_at is None:
            return 0
    return row.duration_ms - last_ms or 1
