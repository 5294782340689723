"""The recordings of this folder, together, hold every kind of thing that becomes of a call.

What a file holds is read from its recording, not from its name. README.md says which is what.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest

from tests.calls.scenes import SCENES
from voice_agent.agent import SemanticVad
from voice_agent.call.commands import (
    AgentBegan,
    AgentSaid,
    CallEnded,
    CallerBegan,
    CallerSaid,
    HandedOver,
    Interrupted,
    KeysPressed,
    Note,
    Report,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.recording.reader import read
from voice_agent.recording.telling import report_of
from voice_agent.replay.expectations import path_beside

FOLDER = Path(__file__).resolve().parent
CALLS = sorted(FOLDER.glob("*.call"))
README = (FOLDER / "README.md").read_text(encoding="utf-8")

ROW = r"^\| `([\w-]+)` \| (\w+, \w+) \| (\d+) s \|"

WAIT_MS = 2500
"""A caller who waits longer in silence is told that somebody is there."""

R = TypeVar("R", bound=Report)


class Told:
    """What a recording tells of its call."""

    def __init__(self, path: Path) -> None:
        recording = read(path)
        self.setup = recording.header.setup
        self.agent = recording.header.setup.agent
        self.audio = recording.header.audio
        self.reports: list[tuple[int, Report]] = []
        self.facts: list[str] = []
        """What was fed but crossed no socket, as JSON."""
        for step in recording.steps():
            if step.received is not None and step.received.way == "fact":
                self.facts.append(step.received.text)
            self.reports += [(step.now_ms, report) for report in map(report_of, step.sent) if report is not None]

    def all(self, kind: type[R]) -> list[R]:
        return [report for _, report in self.reports if isinstance(report, kind)]

    def times(self, kind: type[Report]) -> list[int]:
        return [ms for ms, report in self.reports if isinstance(report, kind)]

    @property
    def end(self) -> CallEnded:
        (end,) = self.all(CallEnded)
        return end

    @property
    def tools(self) -> list[ToolAnswered]:
        """Answered, but for `hang_up`."""
        ours = {tool.call_id for tool in self.all(ToolStarted) if tool.name != "hang_up"}
        return [answer for answer in self.all(ToolAnswered) if answer.call_id in ours]

    def heard_in(self, words: str) -> bool:
        return any(words in fact for fact in self.facts)

    def agent_speaks(self, at_ms: int) -> AgentSaid | None:
        """What the agent was saying at a moment."""
        began: dict[str, int] = {}
        for ms, report in self.reports:
            if isinstance(report, AgentBegan):
                began[report.item_id] = ms
            elif isinstance(report, AgentSaid) and began.get(report.item_id, ms) <= at_ms <= ms:
                return report
        return None

    def spoken_into(self) -> Iterator[AgentSaid]:
        """What the agent was saying when the caller began to speak."""
        for ms in self.times(CallerBegan):
            said = self.agent_speaks(ms)
            if said is not None:
                yield said

    def said_before(self, outcome: str) -> AgentSaid | None:
        """The last words before an end of this kind."""
        return self.all(AgentSaid)[-1] if self.end.outcome == outcome and self.all(AgentSaid) else None


def hung_up_while_speaking(told: Told) -> AgentSaid | None:
    said = told.said_before("caller_hung_up")
    return said if said is not None and said.interrupted else None


def waits_when_hung_up(told: Told) -> bool:
    return told.end.outcome == "caller_hung_up" and any(
        tool.call_id not in {answer.call_id for answer in told.all(ToolAnswered)} for tool in told.all(ToolStarted)
    )


def hung_up_in_silence(told: Told) -> bool:
    said = told.said_before("caller_hung_up")
    return said is not None and not said.interrupted and told.end.duration_ms - told.times(AgentSaid)[-1] > WAIT_MS


def greeting(told: Told) -> str:
    (first, *_) = told.all(AgentSaid)
    return first.item_id


def speaks_while_a_tool_runs(told: Told) -> bool:
    began = {tool.call_id: ms for ms, tool in told.reports if isinstance(tool, ToolStarted) and tool.name != "hang_up"}
    ended = {tool.call_id: ms for ms, tool in told.reports if isinstance(tool, ToolAnswered)}
    return any(began[id_] < ms < ended.get(id_, 0) for ms in told.times(CallerBegan) for id_ in began)


def twice_in_a_row(told: Told) -> bool:
    """No whole answer between them."""
    cut = [said.interrupted for said in told.all(AgentSaid)]
    return any(one and other for one, other in pairwise(cut))


def several_at_once(told: Told) -> bool:
    began = [isinstance(one, ToolStarted) for _, one in told.reports if isinstance(one, ToolStarted | AgentBegan)]
    return any(one and other for one, other in pairwise(began))


def setup(dialect: str, audio: str) -> Callable[[Told], bool]:
    return lambda told: (told.setup.model.dialect, told.setup.model.audio) == (dialect, audio) and bool(told.tools)


def ended(outcome: str, reason: str) -> Callable[[Told], bool]:
    return lambda told: told.end.outcome == outcome and reason in told.end.reason


def tool_output(words: str, *, failed: bool) -> Callable[[Told], bool]:
    return lambda told: any(tool.failed is failed and words in tool.output for tool in told.tools)


KINDS: dict[str, Callable[[Told], bool]] = {
    # --- how the model is spoken to, with a tool
    "ga, g711": setup("ga", "g711"),
    "ga, pcm24k": setup("ga", "pcm24k"),
    "preview, g711": setup("preview", "g711"),
    "preview, pcm24k": setup("preview", "pcm24k"),
    # --- how it ended
    "the agent hung up": ended("completed", "the agent hung up"),
    "hung up in the greeting": lambda told: (
        hung_up_while_speaking(told) is not None and len(told.all(AgentSaid)) == 1 and not told.all(CallerBegan)
    ),
    "hung up in an answer": lambda told: hung_up_while_speaking(told) is not None and len(told.all(AgentSaid)) > 1,
    "hung up in silence": hung_up_in_silence,
    "hung up in a tool": waits_when_hung_up,
    "no stream": ended("no_stream", ""),
    "model refused, 401": ended("model_failed", "HTTP 401"),
    "model refused, 429": ended("model_failed", "HTTP 429"),
    "model refused, 5xx": ended("model_failed", "HTTP 503"),
    "model lost": lambda told: told.end.outcome == "model_failed" and told.heard_in('"ModelClosed"'),
    "session lost and opened anew": lambda told: (
        told.end.outcome == "caller_hung_up" and any(note.what == "the model is back" for note in told.all(Note))
    ),
    "stream lost without a close frame": lambda told: (
        told.end.outcome == "stream_lost" and told.heard_in('"PhoneClosed","code":null')
    ),
    "time limit": ended("completed", "the time limit was reached"),
    "idle goodbye": ended("completed", "the caller was silent"),
    "a person who is called": lambda told: (
        told.setup.outbound and told.end.outcome == "completed" and bool(told.all(CallerSaid))
    ),
    "a machine that is hung up on": ended("machine", "answered by machine"),
    "a machine that is left a message": ended("machine", "a message was left"),
    "a caller who was looked up": lambda told: told.agent.lookup is not None and told.agent.variables["name"] == "Ana",
    "a call outside of an agent's hours": lambda told: (
        told.agent.name == "night" and "Sunday" in told.agent.instructions
    ),
    "a transfer": lambda told: told.end.destination is not None and not told.end.destination.conference,
    "a caller who comes back from a transfer": lambda told: (
        told.setup.resumed is not None and bool(told.setup.resumed.reason) and bool(told.all(AgentSaid))
    ),
    "a farewell that is taken back": lambda told: (
        any(one.name == "transfer" for one in told.all(ToolStarted))
        and any("the call goes on" in one.output for one in told.all(ToolAnswered))
    ),
    "a warm transfer": lambda told: told.end.destination is not None and bool(told.end.destination.conference),
    "a colleague who is asked": lambda told: told.end.reason == "the colleague takes the call",
    "a colleague who declines": lambda told: any("they do not take the call" in one.output for one in told.tools),
    "stopped by the operator": ended("stopped", "the server stops"),
    # --- how the agent was interrupted
    "the greeting interrupted": lambda told: any(cut.item_id == greeting(told) for cut in told.all(Interrupted)),
    "an answer interrupted": lambda told: any(cut.item_id != greeting(told) for cut in told.all(Interrupted)),
    "the wait for a tool interrupted": speaks_while_a_tool_runs,
    "a cough that does not interrupt": lambda told: (
        told.agent.barge_in.after_ms > 0 and any(not said.interrupted for said in told.spoken_into())
    ),
    "interrupted after a while": lambda told: told.agent.barge_in.after_ms > 0 and bool(told.all(Interrupted)),
    "a protected greeting": lambda told: any(
        said.item_id == greeting(told) and not said.interrupted for said in told.spoken_into()
    ),
    "a goodbye that is taken back": lambda told: any(
        "the call goes on" in one.output for one in told.all(ToolAnswered)
    ),
    "interrupted twice in a row": twice_in_a_row,
    # --- what became of tools
    "a kept greeting": lambda told: told.setup.kept_greeting is not None,
    "a hand-over to another agent": lambda told: bool(told.all(HandedOver)) and bool(told.setup.others),
    "a good tool": tool_output("", failed=False),
    "a tool that fails": tool_output("find_order failed: ", failed=True),
    "a slow tool": lambda told: any(tool.took_ms > WAIT_MS and not tool.failed for tool in told.tools),
    "a tool out of its time": tool_output("took longer than", failed=True),
    "an unknown tool": tool_output("there is no tool named", failed=True),
    "a tool with bad arguments": tool_output("number", failed=True),
    "several tools at once": several_at_once,
    # --- and else
    "digits by length": tool_output('"ended_by":"length"', failed=False),
    "digits by terminator": tool_output('"ended_by":"terminator"', failed=False),
    "digits out of time": tool_output('"ended_by":"timeout"', failed=False),
    "secret digits": tool_output('"right":true', failed=False),
    "digits sent": lambda told: tool_output('"sent":', failed=False)(told) and not told.end.keys,
    "digits that the carrier sends": lambda told: bool(told.end.keys),
    "a call that goes on behind digits": lambda told: (
        told.setup.resumed is not None and told.setup.resumed.pressed > 0 and bool(told.all(AgentSaid))
    ),
    "keys": lambda told: bool(told.all(KeysPressed)),
    "semantic_vad": lambda told: isinstance(told.agent.turn_detection, SemanticVad) and bool(told.all(CallerSaid)),
    "no transcription": lambda told: told.agent.transcription is None and bool(told.tools),
    "recording: text": lambda told: told.audio == "digests" and bool(told.all(CallerSaid)),
    "an answer that failed once": lambda told: (
        told.end.outcome != "model_failed" and any(note.what == "a response failed" for note in told.all(Note))
    ),
    "an answer that was withheld": lambda told: any("incomplete" in note.what for note in told.all(Note)),
}


@cache
def told(path: Path) -> Told:
    return Told(path)


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_a_call_of_each_kind(kind: str) -> None:
    holding = [path.stem for path in CALLS if KINDS[kind](told(path))]

    assert holding, f"no recording holds: {kind}"


def test_every_call_has_its_expectations_its_scene_and_its_line() -> None:
    names = sorted(path.stem for path in CALLS)

    assert [path.stem for path in CALLS if not path_beside(path).exists()] == []
    assert sorted(SCENES) == names
    assert sorted(name for name, _, _ in re.findall(ROW, README, re.MULTILINE)) == names
    assert README.splitlines()[2].startswith(f"{len(CALLS)} calls ")


@pytest.mark.parametrize("path", CALLS, ids=lambda path: path.stem)
def test_the_line_of_a_call_is_true(path: Path) -> None:
    model = told(path).setup.model
    lines = {name: (spoken, int(seconds)) for name, spoken, seconds in re.findall(ROW, README, re.MULTILINE)}

    assert lines[path.stem] == (f"{model.dialect}, {model.audio}", round(told(path).end.duration_ms / 1000))


def test_the_calls_are_small_enough_for_a_repository() -> None:
    sizes = {path.stem: path.stat().st_size for path in CALLS}

    assert sum(sizes.values()) < 10_000_000
    assert max(sizes.values()) < 700_000, sizes
