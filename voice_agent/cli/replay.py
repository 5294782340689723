"""`voice-agent replay`: feed recorded calls to today's core, hold them again, or speak them to a model."""

import argparse
import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from voice_agent.config.references import read_references
from voice_agent.config.settings import ENV_FILE, Provider, read_settings
from voice_agent.errors import CommandError, ConfigError, PeerError, VoiceAgentError
from voice_agent.live.clips import load_clips
from voice_agent.recording.format import SUFFIX
from voice_agent.recording.telling import clock
from voice_agent.replay.against import AT_ONCE, MODELS, Against, against, settings_against
from voice_agent.replay.judging import WAYS, Way, judge_file
from voice_agent.server.recordings import recordings_of

SUMMARY = "feed recorded calls to today's core, or speak them to a model"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help=f"a recording, a folder of {SUFFIX} files, or an address that `calls show` names in an object store",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--way",
        choices=WAYS,
        default="strict",
        help="strict: the same to the letter; resimulated: held again by today's code, which may do otherwise "
        "(default: %(default)s)",
    )
    how.add_argument(
        "--against",
        choices=MODELS,
        help="speak the recorded callers to a model with today's agent, in real time; its tools run",
    )
    parser.add_argument(
        "--agent", type=Path, metavar="FILE", help="with --against: this agent (default: the recorded name in AGENTS)"
    )


def run(files: list[str], way: Way = "strict", against: Provider | None = None, agent: Path | None = None) -> int:
    """Replay all; 0 when every one of them passed, 1 otherwise."""
    with tempfile.TemporaryDirectory(prefix="voice-agent-") as fetched:
        return _run(list(_paths(_here(files, Path(fetched)))), way, against, agent)


def _here(files: list[str], fetched: Path) -> list[Path]:
    """Fetch what lies in an object store."""
    if not any("://" in file for file in files):
        return [Path(file) for file in files]
    recordings = recordings_of(read_settings(os.environ, ENV_FILE), fetched)
    return [recordings.file(file) if "://" in file else Path(file) for file in files]


def _run(paths: list[Path], way: Way, against: Provider | None, agent: Path | None) -> int:
    if against is not None:
        return asyncio.run(_speak(paths, against, agent))
    if agent is not None:
        raise CommandError("--agent goes with --against; the other ways hold a call with the agent in its recording")
    clips = load_clips()
    print(f"{'LENGTH':>9}  {'SPEED':>7}  {'RESULT':<10}  FILE")
    bad = 0
    for path in paths:
        length, speed, result, passed, details = _replayed(path, way, clips)
        bad += not passed
        print(f"{length:>9}  {speed:>7}  {result:<10}  {path}")
        for line in details:
            print(f"    {line}")
    if bad:
        print(f"{bad} of {len(paths)} not {'the same' if way == 'strict' else 'as they should be'}")
    return 1 if bad else 0


def _paths(files: list[Path]) -> Iterator[Path]:
    """Look into folders; one without a recording is given itself, to be told in its place."""
    for file in files:
        found: list[Path] = []
        with contextlib.suppress(OSError):  # reading it tells why
            found = sorted(path for path in file.rglob(f"*{SUFFIX}") if path.is_file()) if file.is_dir() else []
        yield from found or [file]


def _examine(path: Path) -> None:
    if path.is_dir():
        raise PeerError(f"a folder that holds no {SUFFIX} file")


def _replayed(path: Path, way: Way, clips: Mapping[str, bytes]) -> tuple[str, str, str, bool, list[str]]:
    """Give length, speed and result for the table, whether it passed, and the lines that explain the result."""
    began = time.perf_counter()
    try:
        _examine(path)
        verdict = judge_file(path, way, clips)
    except (PeerError, ConfigError) as error:
        return "-", "-", "not read", False, str(error).splitlines()
    except OSError as error:  # of what stands beside it
        return "-", "-", "not read", False, [f"cannot be read: {error.strerror}"]
    took_s = time.perf_counter() - began
    speed = f"{verdict.duration_ms / 1000 / max(took_s, 1e-9):.0f}x"
    details = [*verdict.failures, *verdict.notes]
    return clock(verdict.duration_ms), speed, verdict.result, verdict.passed, details


async def _speak(paths: list[Path], provider: Provider, agent: Path | None) -> int:
    """Hold some calls at once; tell each in the order of the files."""
    settings = settings_against(provider, os.environ, ENV_FILE)
    references = read_references(os.environ, ENV_FILE)
    say = partial(print, flush=True)
    async with against(
        provider, settings, load_clips(), agent=agent, tell=lambda line: say(f"  {line}"), references=references
    ) as model:
        say(f"  {len(paths)} calls to {model.shown}, {AT_ONCE[provider]} at once, in real time")
        say(f"{'LENGTH':>9}  {'ANSWERS':>7}  {'RESULT':<10}  FILE")
        bad = 0
        at_once = asyncio.Semaphore(AT_ONCE[provider])
        async with asyncio.TaskGroup() as tasks:
            spoken = [tasks.create_task(_spoken(path, model, at_once)) for path in paths]
            for path, task in zip(paths, spoken, strict=True):
                length, answers, result, passed, details = await task
                bad += not passed
                say(f"{length:>9}  {answers:>7}  {result:<10}  {path}")
                for line in details:
                    say(f"    {line}")
    if bad:
        say(f"{bad} of {len(paths)} not as they should be")
    return 1 if bad else 0


async def _spoken(path: Path, model: Against, at_once: asyncio.Semaphore) -> tuple[str, str, str, bool, list[str]]:
    """Give length, slowest answer and result for the table, whether it passed, and the lines that explain it."""
    try:
        _examine(path)
        async with at_once:
            verdict = await model.judge_file(path)
    except VoiceAgentError as error:
        return "-", "-", "not held", False, str(error).splitlines()
    slowest = f"{max(verdict.call.responses)} ms" if verdict.call.responses else "-"
    details = [*verdict.failures, *verdict.notes]
    return clock(verdict.duration_ms), slowest, verdict.result, verdict.passed, details
