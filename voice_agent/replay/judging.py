"""One recorded call replayed one way and held against what is expected of it: passed or failed, and why.

What the command, the pytest plug-in and its fixture share. It must not know who shows the verdict.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from voice_agent.call.commands import Report
from voice_agent.call.setup import CallSetup
from voice_agent.errors import CommandError, PeerError
from voice_agent.live.clips import hashes
from voice_agent.live.recorded import describe
from voice_agent.recording.entries import Step
from voice_agent.recording.reader import Recording, read
from voice_agent.recording.telling import clock, report_of
from voice_agent.recording.writer import written
from voice_agent.replay.expectations import Unmet, expected_of, path_beside, unmet
from voice_agent.replay.held_call import HeldCall
from voice_agent.replay.resimulated import resimulate
from voice_agent.replay.strict import replay
from voice_agent.review.feeding import NO_CALL, changed_clips, input_of, refeed

Way = Literal["strict", "resimulated"]
WAYS: tuple[Way, ...] = ("strict", "resimulated")


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    result: str
    """One or two words, for a table."""
    failures: tuple[str, ...] = ()
    """Why it failed, lines; empty: it passed."""
    notes: tuple[str, ...] = ()
    """What became another, and where the recording had nothing to go by."""
    at_ms: int = 0
    """Where in the call the first failure is."""
    duration_ms: int
    call: HeldCall
    renewed: bytes | None = None
    """The recording as it would be today; `None`: there is nothing to accept."""
    recording: Recording
    """What was heard: of a strict replay the file's, of a resimulated one today's."""

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.failures


def judge_file(path: Path, way: Way, clips: Mapping[str, bytes]) -> Verdict:
    """Replay one file and hold it against the expectations beside it.

    Raises `PeerError` for what is no recording of a call, and `ConfigError` for expectations that cannot be read.
    """
    expected = expected_of(path)
    verdict = judge(read(path), way, clips)
    part = verdict.result in {"cut short", "damaged"}  # of a call nobody can say whether it came as expected
    missed = [] if expected is None or part else unmet(expected, verdict.call)
    if not missed:
        return verdict
    return msgspec.structs.replace(
        verdict,
        result=verdict.result if verdict.failures else "unmet",
        failures=(*verdict.failures, *told(missed, path_beside(path).name)),
        at_ms=verdict.at_ms if verdict.failures else missed[0].at_ms,
    )


def judge(recording: Recording, way: Way, clips: Mapping[str, bytes], setup: CallSetup | None = None) -> Verdict:
    """Replay one recording; what must never happen in a call is looked for, nothing else.

    `setup` replaces the recorded one in a resimulated replay. Raises `PeerError` for a recording that holds no call.
    """
    return _strict(recording, clips) if way == "strict" else _resimulated(recording, clips, setup)


def told(missed: list[Unmet], where: str) -> list[str]:
    """Tell what did not come true, in lines; `where`: what asks for it."""
    return [f"{where}:", *(f"  {one}" for one in missed)]


def _strict(recording: Recording, clips: Mapping[str, bytes]) -> Verdict:
    found = replay(recording, clips)
    if not (found.steps or found.difference or found.damage):
        raise PeerError(NO_CALL)
    result, failures, at_ms = "same", list[str](), 0
    if found.difference is not None:
        result, failures, at_ms = "differs", str(found.difference).splitlines(), found.difference.now_ms
        changed = changed_clips(recording.header, hashes(clips))
        if changed:
            failures.append(f"  (packaged speech that was another then: {', '.join(changed)})")
    elif found.damage:
        result, failures = "damaged", [f"same up to {clock(found.duration_ms)}; {found.damage}"]
    elif found.cut_at is not None:
        failures = [f"same up to {clock(found.duration_ms)}, where the file ends: byte {found.cut_at:,}"]
        result = "cut short"
    # Where a core is woken is an input: feeding the same ones again cannot make such a difference good.
    whole = found.difference is not None and not (found.difference.failure or found.difference.waking)
    return Verdict(
        result=result,
        failures=tuple(failures),
        at_ms=at_ms or found.duration_ms,
        duration_ms=found.duration_ms,
        call=HeldCall(_reports(recording), recording.header.setup.model.model),
        renewed=_taken_again(recording, clips) if whole else None,
        recording=recording,
    )


def _reports(recording: Recording) -> Iterator[tuple[int, Report]]:
    """Give what a recording says of its call, as far as it can be read."""
    with suppress(PeerError):
        for step in recording.steps():
            for report in map(report_of, step.sent):
                if report is not None:
                    yield step.now_ms, report


def _resimulated(recording: Recording, clips: Mapping[str, bytes], setup: CallSetup | None) -> Verdict:
    found = resimulate(recording, clips, setup)
    failures = list(found.broken)
    result = "broken" if failures else "changed" if found.changed else "diverged" if found.diverged else "same"
    if found.damage:
        result, failures = "damaged", [*failures, f"held up to {clock(found.recorded_ms)}; {found.damage}"]
    elif found.cut_at is not None:
        where = f"held up to {clock(found.recorded_ms)}, where the file ends: byte {found.cut_at:,}"
        result, failures = "cut short", [*failures, where]
    today = found.log.write()
    return Verdict(
        result=result,
        failures=tuple(failures),
        notes=(*found.diverged, *found.changed),
        at_ms=_first_ms(found.broken, found.duration_ms),
        duration_ms=found.duration_ms,
        call=found.now,
        renewed=today if result in {"changed", "diverged"} else None,
        recording=Recording(today),
    )


def _first_ms(broken: tuple[str, ...], otherwise: int) -> int:
    """Read the time that an invariant's line begins with."""
    times = [int(line.split(" ms:")[0]) for line in broken if line.split(" ms:")[0].isdecimal()]
    return min(times, default=otherwise)


def _taken_again(recording: Recording, clips: Mapping[str, bytes]) -> bytes | None:
    """Write what was fed with what today's core gives for it; `None` when the core fails on the way."""
    header = recording.header

    def steps() -> Iterator[Step]:
        for step, outputs in refeed(recording, clips):
            # Audio that was not kept is fed as silence; as such it must be sealed.
            received = None if step.received is None else describe(input_of(step.received, header))
            yield Step(step.now_ms, received, tuple(describe(output) for output in outputs))

    try:
        return written(msgspec.structs.replace(header, clips=hashes(clips)), steps())
    except Exception:  # noqa: BLE001 - of the peer, of the core: there is no whole recording to accept
        return None


def accept(path: Path, verdict: Verdict) -> None:
    """Put today's recording in the place of the old one; raises `CommandError` when it cannot be written."""
    assert verdict.renewed is not None, "the caller asks first"
    new = path.with_name(f"{path.name}.new")
    try:
        new.write_bytes(verdict.renewed)
        new.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from None
