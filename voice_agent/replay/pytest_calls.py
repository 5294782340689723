"""What the pytest plug-in does with a recorded call: run it, keep what a failure is looked at with, hold it for a test.

Apart from `pytest_plugin`, which is imported whether or not there are calls. It must not know pytest.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

import msgspec

from voice_agent.audio.wav import write_stereo
from voice_agent.call.setup import CallSetup
from voice_agent.config.agents import load_agent
from voice_agent.config.render import render
from voice_agent.errors import CommandError, PeerError, VoiceAgentError
from voice_agent.live.clips import load_clips
from voice_agent.recording.format import Header
from voice_agent.recording.reader import Recording, read
from voice_agent.recording.telling import clock, timeline
from voice_agent.replay.held_call import HeldCall
from voice_agent.replay.judging import Verdict, Way, accept, judge, judge_file
from voice_agent.replay.parts import parts_of
from voice_agent.replay.picture import Moment, draw
from voice_agent.replay.talks import Talks
from voice_agent.review.sound import sound

_clips = cache(load_clips)


class CallFailed(AssertionError):  # noqa: N818 - a finding, not a fault of a program
    """A recorded call that is not as it should be; its text is the whole report."""


def run(path: Path, way: Way, *, update: bool, folder: Callable[[], Path]) -> list[str]:
    """Replay one file; give lines about what became another. Raises `CallFailed`.

    `folder` makes the one for what a failure is looked at with.
    """
    try:
        verdict = judge_file(path, way, _clips())
        accepted = update and verdict.renewed is not None and (verdict.passed or verdict.result == "differs")
        if accepted:
            accept(path, verdict)
            return ["accepted: the recording is that of today's code", *verdict.notes]
    except VoiceAgentError as error:
        raise CallFailed(str(error)) from None
    return _notes_of(verdict, path, folder, "what became another:")


def run_against(path: Path, talks: Talks, together: Iterable[Path], *, folder: Callable[[], Path]) -> list[str]:
    """Speak one file's caller to a model, likewise; `together`: the files that are held at the same time as it."""
    try:
        talks.begin(together)
        verdict = talks.verdict(path)
    except VoiceAgentError as error:
        raise CallFailed(str(error)) from None
    return _notes_of(verdict, path, folder, "besides:")


def _notes_of(verdict: Verdict, path: Path, folder: Callable[[], Path], heading: str) -> list[str]:
    if verdict.passed:
        return list(verdict.notes)
    kept = _keep(verdict, path.stem, folder())
    raise CallFailed("\n".join([*_report(verdict, path, heading), *kept]))


def held_call(
    folders: Sequence[Path], file: Path, agent: Path | None, way: Way | Talks, *, folder: Callable[[], Path]
) -> HeldCall:
    """Hold a call for a test in Python. Raises `CallFailed`, also for files that are not there or no good."""
    __tracebackhide__ = True
    try:
        path = _find(folders, file, "recording")
        by = None if agent is None else _find(folders, agent, "agent")
        recording = read(path)
        if isinstance(way, Talks):
            verdict = way.verdict_of(recording, by)
        elif by is None:
            verdict = judge(recording, way, _clips())
        else:  # another agent cannot be the same to the letter
            verdict = judge(recording, "resimulated", _clips(), _setup(recording.header, by))
    except VoiceAgentError as error:
        raise CallFailed(f"{file}: {error}" if isinstance(error, PeerError) else str(error)) from None
    if not verdict.passed:
        heading = "besides:" if isinstance(way, Talks) else "what became another:"
        raise CallFailed("\n".join([*_report(verdict, path, heading), *_keep(verdict, path.stem, folder())]))
    return verdict.call


def _find(folders: Sequence[Path], file: Path, what: str) -> Path:
    places = [file] if file.is_absolute() else [folder / file for folder in dict.fromkeys(folders)]
    for place in places:
        if place.is_file():
            return place
    raise CommandError(f"no {what} {file}: looked for {', '.join(map(str, places))}")


def _setup(header: Header, agent: Path) -> CallSetup:
    """Give the recorded call to today's agent, as it would have been rendered then."""
    then = header.setup
    try:
        now = datetime.fromisoformat(header.started_at)
    except ValueError:
        raise PeerError(f"the recording began at {header.started_at!r}, which is no time") from None
    if now.tzinfo is None:
        raise PeerError(f"the recording began at {header.started_at!r}, which has no offset to UTC")
    rendered = render(load_agent(agent), then.caller, then.called, now)
    return msgspec.structs.replace(then, agent=rendered)


def _report(verdict: Verdict, path: Path, heading: str) -> list[str]:
    """Begin with a line that says it all: pytest repeats the first one in its summary."""
    notes = [heading, *(f"  {note}" for note in verdict.notes)] if verdict.notes else []
    failures = list(verdict.failures)
    first = next((line.strip() for line in failures if not line.endswith(":")), failures[0])
    if first == failures[0]:
        del failures[0]
    at = "" if clock(verdict.at_ms) in first else f"at {clock(verdict.at_ms)} of the call: "
    return [f"{path.name}: {at}{first}", *failures, *notes]


def _keep(verdict: Verdict, name: str, folder: Path) -> list[str]:
    """Write timeline, sound and picture, as far as the recording has them; give the lines that name them."""
    lines = folder / f"{name}.txt"
    lines.write_text("".join(f"{line}\n" for line in _timeline(verdict.recording)), encoding="utf-8")
    kept = [f"timeline: {lines}"]
    try:
        channels = sound(verdict.recording, _clips())
    except (CommandError, PeerError) as error:
        return [*kept, f"no sound: {error}"]
    wav, picture = folder / f"{name}.wav", folder / f"{name}.svg"
    write_stereo(wav, channels.caller, channels.agent)
    # Sound begins with the stream, the call with the webhook.
    began_ms = parts_of(verdict.recording).origin_ms
    moments = [Moment(max(0, moment.at_ms - began_ms), moment.what, moment.bad) for moment in _moments(verdict)]
    picture.write_text(draw(channels.caller, channels.agent, moments), encoding="utf-8")
    return [*kept, f"sound:    {wav} (caller left, agent right)", f"picture:  {picture}"]


def _timeline(recording: Recording) -> list[str]:
    lines: list[str] = []
    try:
        lines.extend(timeline(recording))
    except PeerError as error:
        lines.append(str(error))
    return lines


def _moments(verdict: Verdict) -> list[Moment]:
    call = verdict.call
    moments = [
        *(Moment(words.at_ms, f"understood: {words}") for words in call.heard),
        *(Moment(words.at_ms, f"heard: {words}") for words in call.said),
        *(Moment(use.at_ms, f"tool: {use.name}") for use in call.tools),
        *(Moment(cut.at_ms, f"interrupted, {cut.heard_ms} ms heard") for cut in call.interruptions),
        Moment(verdict.at_ms, verdict.failures[0], bad=True),
    ]
    return sorted(moments, key=lambda moment: moment.at_ms)
