"""A database, its host, an object store and a disk that stop in the middle of calls: none ends of it, nothing is lost.

The calls end while it lasts. Root alone can run it: the host is a network namespace, the disk a small one in
memory, which is mounted.
"""

import asyncio
import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.postgres import postgres
from tests.system.azurite import azurite
from tests.system.haproxy import free_port
from tests.system.hosts import host
from tests.system.reliability import Caller, Server, hold, rows_of, talking_model
from voice_agent.errors import PeerError
from voice_agent.recording.reader import read
from voice_agent.store.database import FILE_NAME
from voice_agent.store.history import PastCall
from voice_agent.store.objects import ObjectStore
from voice_agent.store.recordings import Recordings

CALLS = 20

URL = "az://recordings/line"

LASTS_S = 5
"""Before the calls begin to end."""

AFTER_S = 90
"""Until all is written that could not be."""

Turn = Callable[[], None]


class Outage:
    """What stops, and comes back."""

    def __init__(self, begin: Turn, end: Turn, place: Path | str, recordings: Recordings, **settings: str) -> None:
        self.begin, self.end = begin, end
        self.place = place
        self.recordings = recordings
        self.settings = settings


@contextlib.contextmanager
def database(folder: Path) -> Iterator[Outage]:
    with postgres() as server, server.database() as url:
        name = url.rpartition("/")[2]

        def stop() -> None:
            server.run(
                f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false",
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
            )

        def go_on() -> None:
            server.run(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")

        yield Outage(stop, go_on, url, Recordings(folder / "data" / "recordings"), DATABASE_URL=url)


@contextlib.contextmanager
def host_of_the_database(folder: Path) -> Iterator[Outage]:
    with host() as there, postgres(there.address, there.within) as server, server.database() as url:
        yield Outage(there.vanish, there.come_back, url, Recordings(folder / "data" / "recordings"), DATABASE_URL=url)


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[Outage]:
    with azurite(folder / "azurite", free_port(), "recordings") as store, pytest.MonkeyPatch.context() as patch:
        for name, value in store.environment.items():
            patch.setenv(name, value)
        there = Recordings(folder / "data" / "recordings", ObjectStore(URL), folder / "fetched")
        place = folder / "data" / FILE_NAME
        yield Outage(store.stop, store.begin, place, there, RECORDINGS_URL=URL, **store.environment)


@contextlib.contextmanager
def disk(folder: Path) -> Iterator[Outage]:
    data = folder / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", data], check=True)

    def fill() -> None:
        with contextlib.suppress(OSError), (data / "full").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    try:
        yield Outage(fill, (data / "full").unlink, data / FILE_NAME, Recordings(data / "recordings"))
    finally:
        subprocess.run(["umount", data], check=True)


@pytest.mark.parametrize(
    "outage", [database, host_of_the_database, object_store, disk], ids=lambda outage: outage.__name__
)
def test_calls_go_on_and_end_and_all_of_them_is_written_later(
    tmp_path: Path,
    outage: Callable[[Path], contextlib.AbstractContextManager[Outage]],
    tell: Callable[[str], None],
) -> None:
    loop_seconds: list[float] = []

    async def main(it: Outage) -> tuple[list[Caller], list[PastCall]]:
        async with talking_model() as model:
            with Server(tmp_path, 0, REALTIME_URL=model.url, **it.settings) as server:

                async def disturb() -> None:
                    await asyncio.to_thread(it.begin)
                    await asyncio.sleep(LASTS_S)

                callers = await hold(server.url, CALLS, disturb, seed=4)
                await asyncio.to_thread(it.end)
                began = asyncio.get_running_loop().time()
                async with asyncio.timeout(AFTER_S):
                    while True:
                        rows = [row for parts in (await rows_of(callers, it.place)).values() for row in parts]
                        if len(rows) >= CALLS and await asyncio.to_thread(_all_whole, it.recordings, rows):
                            break
                        await asyncio.sleep(0.5)
                loop_seconds.append(asyncio.get_running_loop().time() - began)
                await asyncio.to_thread(server.stop)
        return callers, rows

    with outage(tmp_path) as it:
        callers, rows = asyncio.run(main(it))

    answered = sum(caller.answered_after_all for caller in callers)
    streams = sum(len(caller.call.streams) for caller in callers)
    name = outage.__name__.replace("_", " ")
    tell(
        f"the {name} stops: {answered} of {CALLS} calls answered to their end, in {streams} streams; "
        f"{len(rows)} rows with whole recordings {loop_seconds[0]:.0f} s after it was back"
    )
    assert answered == streams == len(rows) == CALLS


def _all_whole(recordings: Recordings, rows: list[PastCall]) -> bool:
    """Whether all is where it belongs, to its end."""
    if recordings.objects is not None and (recordings.here() or len(recordings.objects.names()) < len(rows)):
        return False
    for row in rows:
        try:
            recording = read(recordings.file(str(row.recording)))
            for _ in recording.steps():
                pass
        except (PeerError, OSError):
            return False
        if recording.cut_at is not None:
            return False
    return True
