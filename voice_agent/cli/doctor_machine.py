"""What `doctor` looks at on this machine: folder, database, port, files, clock.

It must not know who is told.
"""

import asyncio
import os
import shutil
import socket
import sys
import tempfile
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from voice_agent.cli.check_live import Finding, ask
from voice_agent.config.settings import Settings
from voice_agent.errors import PeerError, VoiceAgentError
from voice_agent.live.capacity import DESCRIPTORS_A_CALL, DESCRIPTORS_OF_OTHERS, usual_most_calls
from voice_agent.live.clock import utc_now
from voice_agent.recording.spool import make_folder
from voice_agent.server.recordings import recordings_of
from voice_agent.server.run import database_place
from voice_agent.store.database import Database

FREE_BYTES = 1_000_000_000
"""What a disk should have left: two days of recordings of one line that is never idle."""

TWILIO = "https://api.twilio.com"

OFF_S = 30
"""How far a clock may be off: a stream's token is good for 120 s, and a login's times are judged by others."""


async def look_at_machine(settings: Settings) -> list[Finding]:
    """Look at everything, one after the other."""
    return [
        look_at_data(settings.data),
        await look_at_database(settings),
        *([] if settings.recordings_url is None else [await look_at_recordings(settings)]),
        await look_at_port(settings),
        look_at_files(settings),
        await look_at_clock(settings.twilio_api_base_url or TWILIO),
    ]


def look_at_data(folder: Path) -> Finding:
    """Write into the folder of the data."""
    try:
        make_folder(folder)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"voice-agent")
        free = shutil.disk_usage(folder).free
    except VoiceAgentError as error:
        return Finding("wrong", "DATA", str(error))
    except OSError as error:
        return Finding(
            "wrong", "DATA", f"{folder} cannot be written ({error.strerror}); mend that, or name another folder"
        )
    if free < FREE_BYTES:
        return Finding(
            "wrong", "DATA", f"{folder} has {free // 1_000_000} MB left, recordings will stop: see KEEP_DAYS"
        )
    return Finding("ok", "DATA", f"{folder.resolve()} can be written, {free // 1_000_000_000} GB are left")


async def look_at_database(settings: Settings) -> Finding:
    """Open the store, and bring its tables up to date as `serve` would."""
    what = "the store" if settings.database_url is None else "DATABASE_URL"
    database = Database(database_place(settings))
    try:
        async with database:
            await database.prepare()
    except VoiceAgentError as error:
        return Finding("wrong", what, str(error))
    return Finding("ok", what, f"{database.shown}: its tables are up to date")


async def look_at_recordings(settings: Settings) -> Finding:
    """Put a small object where recordings go, and delete it."""
    name = f"voice-agent-doctor-{os.getpid()}"
    try:
        objects = recordings_of(settings, settings.data).objects
        assert objects is not None
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"voice-agent")
            file.flush()
            await asyncio.to_thread(objects.put, Path(file.name), name)
        await asyncio.to_thread(objects.folders)
        await asyncio.to_thread(objects.delete, name)
    except (OSError, VoiceAgentError) as error:
        return Finding("wrong", "RECORDINGS_URL", str(error))
    return Finding("ok", "RECORDINGS_URL", f"{objects.url} can be written, listed and deleted from")


async def look_at_port(settings: Settings) -> Finding:
    """See whether the port is free, or has a server of ours."""
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (while")[0]
    else:
        return Finding("ok", "PORT", f"{host}:{port} is free; voice-agent serve is not running")
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - is read, not listened on
    try:
        answer = await ask(f"http://{f'[{here}]' if ':' in here else here}:{port}/healthz")
    except PeerError:
        return Finding("wrong", "PORT", f"{host}:{port} cannot be had ({why}); set HOST and PORT")
    if answer.status == 200 and answer.body.strip() == "ok":
        return Finding("ok", "PORT", f"voice-agent serve runs at {host}:{port}")
    return Finding("wrong", "PORT", f"another server answers at {host}:{port}; stop it, or set PORT")


def look_at_files(settings: Settings) -> Finding:
    """Compare the limit of open files with what the calls need."""
    calls = settings.max_calls or usual_most_calls()
    if sys.platform == "win32":
        return Finding("not tried", "open files", "this system has no such limit")
    import resource  # noqa: PLC0415 - not everywhere

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = DESCRIPTORS_OF_OTHERS + DESCRIPTORS_A_CALL * calls
    if limit < needed:
        remedy = "ulimit -n, LimitNOFILE= of systemd"
        return Finding("wrong", "open files", f"{limit} are allowed, {calls} calls at once need {needed}: {remedy}")
    cores = os.cpu_count() or 1
    return Finding("ok", "open files", f"{limit} are allowed, enough for {calls} calls at once on {cores} cores")


async def look_at_clock(url: str) -> Finding:
    """Compare the clock with that of a server."""
    try:
        before = utc_now()
        answer = await asyncio.wait_for(ask(url), 8)
    except (PeerError, TimeoutError):
        return Finding("not tried", "clock", f"{url} cannot be reached to compare it")
    return judge_clock(answer.date, before, url)


def judge_clock(date: str, now: datetime, url: str) -> Finding:
    """Judge the clock by the `Date` of an answer."""
    try:
        off_s = round((now - parsedate_to_datetime(date)).total_seconds())
    except (TypeError, ValueError):
        return Finding("not tried", "clock", f"{url} tells no time")
    if abs(off_s) > OFF_S:
        way = "fast" if off_s > 0 else "slow"
        return Finding("wrong", "clock", f"is {abs(off_s)} s {way}; let NTP set it: timedatectl set-ntp true")
    return Finding("ok", "clock", f"differs by {abs(off_s)} s from {url}'s")
