"""`voice-agent replay`: feed recorded calls to today's core and report the first difference."""

import argparse
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from voice_agent.errors import CommandError, PeerError
from voice_agent.live.clips import hashes, load_clips
from voice_agent.recording.format import SUFFIX
from voice_agent.recording.reader import read
from voice_agent.recording.telling import clock
from voice_agent.replay.feeding import changed_clips
from voice_agent.replay.strict import replay

SUMMARY = "feed recorded calls to today's core and report the first difference"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help=f"a recording, or a folder of {SUFFIX} files"
    )


def run(files: list[Path]) -> int:
    """Replay all; 0 when every one of them is the same, 1 otherwise."""
    paths = list(_paths(files))
    clips = load_clips()
    print(f"{'LENGTH':>9}  {'SPEED':>7}  {'RESULT':<10}  FILE")
    bad = 0
    for path in paths:
        length, speed, result, details = _replayed(path, clips)
        bad += result != "same"
        print(f"{length:>9}  {speed:>7}  {result:<10}  {path}")
        for line in details:
            print(f"    {line}")
    if bad:
        print(f"{bad} of {len(paths)} not the same")
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


def _replayed(path: Path, clips: Mapping[str, bytes]) -> tuple[str, str, str, list[str]]:
    """Give length, speed and result for the table, and the lines that explain the result."""
    try:
        recording = read(path)
    except PeerError as error:
        return "-", "-", "not read", [str(error)]
    began = time.perf_counter()
    found = replay(recording, clips)
    took_s = time.perf_counter() - began
    length, speed = clock(found.duration_ms), f"{found.duration_ms / 1000 / max(took_s, 1e-9):.0f}x"
    if found.difference is not None:
        details = str(found.difference).splitlines()
        changed = changed_clips(recording.header, hashes(clips))
        if changed:
            details.append(f"  (packaged speech that was another then: {', '.join(changed)})")
        return length, speed, "differs", details
    if found.damage:
        return length, speed, "damaged", [f"same up to {length}; {found.damage}"]
    if found.cut_at is not None:
        return length, speed, "cut short", [f"same up to {length}, where the file ends: byte {found.cut_at:,}"]
    return length, speed, "same", []
