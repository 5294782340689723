"""A made-up call that broke a rule: made smaller, told, and kept, as a recording that replays and as what made it."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec

from voice_agent.errors import CommandError
from voice_agent.live.clips import hashes, load_clips
from voice_agent.live.recorded import describe
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.format import SUFFIX, Header
from voice_agent.recording.writer import written
from voice_agent.sim.made_up.call import MadeUpCall, oddities
from voice_agent.sim.made_up.drawing import draw
from voice_agent.sim.made_up.holding import Held, hold
from voice_agent.sim.made_up.shrinking import shrink, size
from voice_agent.sim.world import World


def read_made_up(path: Path) -> MadeUpCall:
    """Read a call that was kept; raises `CommandError`."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=MadeUpCall)
    except OSError as error:
        raise CommandError(f"{path} cannot be read ({error.strerror})") from None
    except msgspec.DecodeError as error:
        raise CommandError(f"{path} is no made-up call ({error}): give a .json that `simulate` has kept") from None


def keep_smallest(of: int | MadeUpCall, out: Path, *, wired: bool, wires: int = 10) -> int:
    """Hold a call again, by its seed or as it is; if it breaks a rule, shrink it, tell it and keep it.

    0: it does not break any.
    """
    clips = load_clips()

    def once(call: MadeUpCall) -> tuple[Held, World]:
        return hold(call, random.Random(call.seed), clips, direct=not wired)  # noqa: S311 - the seed is the point

    call = draw(of, random.Random(of)) if isinstance(of, int) else of  # noqa: S311 - as above
    held, _ = once(call)
    if not held.breaks:
        print("no rule was broken")
        return 0
    rule, broke_ms = held.breaks[0].rule, held.breaks[0].at_ms
    smallest = shrink(call, lambda smaller: any(found.rule == rule for found in once(smaller)[0].breaks), broke_ms)
    # What a recording holds are texts, so it is kept as it goes through the wires; a seed gives the same call there.
    held, world = hold(smallest, random.Random(smallest.seed), clips)  # noqa: S311 - as above
    found = next((found for found in held.breaks if found.rule == rule), None)
    reason = str(found) if found is not None else f"{rule}: not through the wires"
    name = f"seed-{call.seed}-{rule.replace(' ', '-')}"
    print(f"{rule}, seed {call.seed}: {reason}")
    if isinstance(of, int):
        print(f"  again:    voice-agent simulate --seed {call.seed} --calls 1{f' --wires {wires}' * (wires != 10)}")
    print(f"  smallest: {size(smallest)} of {size(call)} oddities; {', '.join(oddities(smallest)) or 'nothing wrong'}")
    recording = _write(out / f"{name}{SUFFIX}", _recorded(smallest, world, f"{rule}: {reason}", hashes(clips)))
    made_of = _write(out / f"{name}.json", msgspec.json.format(msgspec.json.encode(smallest)))
    print(f"  kept:     {recording} (put it into tests/calls), {made_of} (voice-agent simulate --again {made_of})")
    return 1


def _recorded(call: MadeUpCall, world: World, reason: str, clips: dict[str, str]) -> bytes:
    header = Header(
        setup=call.setup,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        clips=clips,
        made_by=f"voice-agent {version('voice-agent')}",
    )
    return written(header, _steps(world, reason))


def _steps(world: World, reason: str) -> Iterator[Step]:
    yield Step(0, None, tuple(describe(output) for output in world.began))
    for now_ms, received, outputs in world.log:
        yield Step(now_ms, describe(received), tuple(describe(output) for output in outputs))
    yield Step(world.now_ms, Entry("remark", f"a made-up call that breaks a rule: {reason}"))


def _write(path: Path, data: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror}): name another folder in --out") from None
    return path
