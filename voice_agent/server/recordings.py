"""Where a server's recordings are, by its settings, and what puts them into an object store if there is one."""

import asyncio
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec

from voice_agent.config.settings import Settings
from voice_agent.live.metrics import Metrics
from voice_agent.live.opened_call import FinishedCall, KeepRow, Redact
from voice_agent.live.uploads import Uploads
from voice_agent.recording.reader import read
from voice_agent.recording.telling import summarise
from voice_agent.server.neighbours import Neighbours
from voice_agent.store.objects import ObjectStore, examine
from voice_agent.store.recordings import Recordings

MOST_FETCHED = 20
"""Recordings of the object store that are kept for the console's readers."""

WRITTEN = "recordings that are written"
"""What workers ask each other."""

FETCHED = "fetched"
RECORDINGS = "recordings"
"""Below the folder of the data."""


def recordings_of(settings: Settings, fetched: Path, most_fetched: int | None = None) -> Recordings:
    """Say where recordings are; for the others see `Recordings`. Raises `CommandError`."""
    url = settings.recordings_url
    if url is not None:
        examine()
    return Recordings(settings.data / RECORDINGS, None if url is None else ObjectStore(url), fetched, most_fetched)


def recordings_of_server(settings: Settings, *, first: bool = True) -> Recordings:
    """Say where the recordings of a server are that begins now; raises `CommandError`.

    `first`: no other worker reads them yet.
    """
    recordings = recordings_of(settings, settings.data / FETCHED, MOST_FETCHED)
    if first:
        recordings.forget_fetched()
    return recordings


def uploads_of(
    recordings: Recordings,
    metrics: Metrics,
    redact: Redact | None,
    keep: KeepRow,
    neighbours: Neighbours | None = None,
) -> Uploads | None:
    """Make what puts them into the object store, and redacts what was left; `None`: there is neither to do.

    `keep`: takes the row of a call whose recording was left. `neighbours`: other workers, of whom the first sees to
    what those have left who died.
    """
    if recordings.objects is None and redact is None:
        return None
    take_out = None if redact is None else partial(_redact_left, redact, keep, asyncio.get_running_loop())
    if neighbours is None:
        return Uploads(recordings, metrics, take_out)

    async def known() -> set[Path] | None:
        answers = await neighbours.ask(WRITTEN)
        others = (number for number in range(neighbours.seat.workers) if number != neighbours.seat.number)
        if any(not answers.get(number) for number in others if neighbours.seat.is_up(number)):
            return None
        return {Path(path) for told in answers.values() for path in msgspec.json.decode(told, type=list[str])}

    uploads = Uploads(recordings, metrics, take_out, known_elsewhere=known, looks=neighbours.seat.number == 0)
    neighbours.answers[WRITTEN] = lambda _: msgspec.json.encode([str(path) for path in uploads.known])
    return uploads


def _redact_left(redact: Redact, keep: KeepRow, loop: asyncio.AbstractEventLoop, path: Path) -> None:
    """Redact what a process that died has left; raises `PeerError` for what cannot be read. For a thread.

    A call that had ended gets its row, too, which is written when it is known what may stand there.
    """
    recording = read(path)
    header = recording.header
    if not header.redacted:
        began = datetime.fromisoformat(header.started_at)
        finished = redact(
            FinishedCall(
                setup=header.setup,
                started_at=began,
                summary=summarise(recording),
                recording=path,
                model=header.setup.model.model,
            )
        )
        if finished.summary.ended is not None:
            asyncio.run_coroutine_threadsafe(keep(finished), loop)
