"""Finds past calls: those of the history, and recordings whose call never came into it.

A call whose process died is not in the history; nor is one that is still going on. Its recording is found all the same.
"""

import contextlib
import os
import re
from collections.abc import Collection, Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from voice_agent.errors import PeerError
from voice_agent.recording.format import SUFFIX
from voice_agent.recording.reader import read
from voice_agent.recording.telling import summarise
from voice_agent.store.history import PastCall, past_call
from voice_agent.store.recordings import Recordings

UNKNOWN = "unknown"
"""The outcome of a call whose end nobody saw."""

_NO_END = "in progress, or its process died"


def recorded_call(path: Path) -> PastCall:
    """Sum a recording up; raises `PeerError` for what is none."""
    recording = read(path)
    try:
        began = datetime.fromisoformat(recording.header.started_at)
    except ValueError:
        raise PeerError(f"the recording began at {recording.header.started_at!r}, which is no time") from None
    call = past_call(recording.header.setup, summarise(recording), began, path)
    return call if call.outcome != UNKNOWN else msgspec.structs.replace(call, reason=_NO_END)


def unlisted(listed: Collection[str], recordings: Path) -> list[PastCall]:
    """Sum up the recordings that `unlisted_files` gives."""
    return summed_up(unlisted_files(listed, recordings))


def unlisted_files(listed: Collection[str], recordings: Path, call_sid: str = "") -> list[Path]:
    """Find the recordings of calls that are not in the history.

    `listed`: the names of the others' files. `call_sid`: only those of this call; it is of Twilio's form.
    """
    # Named by `spool.recording_path`. Each request about a call looks: names alone take a quarter of `rglob`.
    found = [(folder, name) for folder, _, names in os.walk(recordings) for name in names if call_sid in name]
    named = re.compile(rf".*-{re.escape(call_sid)}[.-].*" if call_sid else ".*")
    return [
        Path(folder, name)
        for folder, name in found
        if name.endswith(SUFFIX) and name not in listed and named.fullmatch(name)
    ]


def in_object_store(recordings: Recordings, call_sid: str) -> list[PastCall]:
    """Sum up what the object store alone knows of a call; raises `CommandError`. Slow where it holds many calls."""
    found = []
    for told in recordings.of_call(call_sid):
        with contextlib.suppress(PeerError):
            found.append(msgspec.structs.replace(recorded_call(recordings.file(told)), recording=told))
    return found


def summed_up(paths: Iterable[Path]) -> list[PastCall]:
    """Sum recordings up, those that can be read; `voice-agent replay` tells of the others."""
    calls = []
    for path in paths:
        with contextlib.suppress(PeerError):
            calls.append(recorded_call(path))
    return calls
