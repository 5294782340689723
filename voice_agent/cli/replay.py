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
    width = max(len(str(path)) for path in paths)
    clips = load_clips()
    print(f"{'FILE':<{width}}  {'LENGTH':>9}  {'SPEED':>7}  RESULT")
    bad = 0
    for path in paths:
        columns, result, details = _replayed(path, clips)
        bad += bool(details) or result != "same"
        print(f"{path!s:<{width}}  {columns}  {result}")
        for line in details:
            print(f"  {line}")
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


def _replayed(path: Path, clips: Mapping[str, bytes]) -> tuple[str, str, list[str]]:
    """Give the columns of the table, the result in a few words, and the lines of a difference."""
    try:
        recording = read(path)
    except PeerError as error:
        return f"{'-':>9}  {'-':>7}", str(error), []
    began = time.perf_counter()
    found = replay(recording, clips)
    took_s = time.perf_counter() - began
    columns = f"{clock(found.duration_ms):>9}  {found.duration_ms / 1000 / max(took_s, 1e-9):>6.0f}x"
    if found.difference is not None:
        details = str(found.difference).splitlines()
        changed = changed_clips(recording.header, hashes(clips))
        if changed:
            details.append(f"  (packaged speech that was another then: {', '.join(changed)})")
        return columns, details[0], details[1:]
    if found.damage:
        return columns, f"same up to {clock(found.duration_ms)}; {found.damage}", []
    if found.cut_at is not None:
        return columns, f"same up to the end, {clock(found.duration_ms)}; cut short at byte {found.cut_at:,}", []
    return columns, "same", []
