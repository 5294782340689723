"""Redacts recordings when their calls are over, and with them what the history is told.

The work is done by a process of its own, one a call: it takes seconds of a core, and the calls in progress share the
interpreter of this one. What cannot be redacted is not kept.

    python -m voice_agent.replay.put_away        the process: an order as JSON comes in at its standard input
"""

import logging
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgspec

from voice_agent.errors import VoiceAgentError
from voice_agent.live.clips import load_clips
from voice_agent.live.opened_call import FinishedCall, without_words
from voice_agent.recording.reader import read
from voice_agent.recording.redact import Wanted
from voice_agent.recording.telling import summarise
from voice_agent.review.redacted import redact
from voice_agent.store.recordings import SUFFIX

logger = logging.getLogger(__name__)

LONGEST_S = 600
"""An hour's call takes a minute on a machine that has nothing else to do."""

NICENESS = 10
"""Calls in progress come first."""


class _Order(msgspec.Struct, frozen=True):
    path: str
    wanted: Wanted


class Redaction:
    """Fits `live.opened_call.Redact`."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted

    def __call__(self, call: FinishedCall) -> FinishedCall:
        """Redact the recording, see `redact_file`; give the call as it tells it then. Blocks for seconds."""
        path = call.recording
        problem = "" if path is None else self._redact(path)
        if path is None or problem:
            if problem:
                logger.error("not kept: %s", problem, extra={"call": call.setup.call_sid})
            return replace(without_words(call), recording=None)
        redacted = path.with_suffix(SUFFIX)
        recording = read(redacted)
        if redacted != path:
            # Here, not in that process: what outlives a server that is killed gets its row from the next one.
            path.unlink()
        return replace(call, setup=recording.header.setup, summary=summarise(recording), recording=redacted)

    def _redact(self, path: Path) -> str:
        """Say what was wrong; empty: nothing, the file is redacted."""
        try:
            done = subprocess.run(  # noqa: S603 - this very module
                [sys.executable, "-m", __name__],
                input=msgspec.json.encode(_Order(str(path), self._wanted)),
                capture_output=True,
                timeout=LONGEST_S,
                check=False,
                start_new_session=True,  # Ctrl-C is for the server, which waits for this
            )
            problem = "" if done.returncode == 0 else _last_line(done.stderr) or f"exit status {done.returncode}"
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = str(error)
        if problem:
            path.unlink(missing_ok=True)
            _beside(path).unlink(missing_ok=True)  # as far as a process got that was stopped, or had no room
            return f"the recording {path} is deleted, for it cannot be redacted: {problem}"
        return ""


def redact_file(path: Path, wanted: Wanted) -> None:
    """Put the redacted recording where it is looked for; raises `CommandError`, `PeerError` or `OSError`."""
    data = redact(read(path), load_clips(), wanted)
    beside = _beside(path)
    beside.touch(mode=0o600)
    beside.write_bytes(data)
    beside.replace(path.with_suffix(SUFFIX))


def _beside(path: Path) -> Path:
    return path.with_suffix(".redacted")


def main() -> None:
    """Carry out one order."""
    # Whoever stops a whole service at once stops the server; this ends with its work.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform != "win32":
        os.nice(NICENESS)
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=_Order)
    try:
        redact_file(Path(order.path), order.wanted)
    except (VoiceAgentError, OSError) as error:
        sys.exit(str(error))


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


if __name__ == "__main__":
    main()
