"""`voice-agent replay`: feed recorded calls to today's core and report the first difference."""

import argparse
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from voice_agent.errors import CommandError, ConfigError, PeerError
from voice_agent.live.clips import load_clips
from voice_agent.recording.format import SUFFIX
from voice_agent.recording.telling import clock
from voice_agent.replay.judging import WAYS, Way, judge_file

SUMMARY = "feed recorded calls to today's core and report the first difference"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help=f"a recording, or a folder of {SUFFIX} files"
    )
    parser.add_argument(
        "--way",
        choices=WAYS,
        default="strict",
        help="strict: the same to the letter; resimulated: held again by today's code, which may do otherwise "
        "(default: %(default)s)",
    )


def run(files: list[Path], way: Way = "strict") -> int:
    """Replay all; 0 when every one of them passed, 1 otherwise."""
    paths = list(_paths(files))
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
    for file in files:
        if not file.is_dir():
            yield file
            continue
        found = sorted(file.rglob(f"*{SUFFIX}"))
        if not found:
            raise CommandError(f"{file} holds no {SUFFIX} file")
        yield from found


def _replayed(path: Path, way: Way, clips: Mapping[str, bytes]) -> tuple[str, str, str, bool, list[str]]:
    """Give length, speed and result for the table, whether it passed, and the lines that explain the result."""
    began = time.perf_counter()
    try:
        verdict = judge_file(path, way, clips)
    except (PeerError, ConfigError) as error:
        return "-", "-", "not read", False, str(error).splitlines()
    took_s = time.perf_counter() - began
    speed = f"{verdict.duration_ms / 1000 / max(took_s, 1e-9):.0f}x"
    details = [*verdict.failures, *verdict.notes]
    return clock(verdict.duration_ms), speed, verdict.result, verdict.passed, details
