from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.recorded import header, write
from voice_agent.call.commands import AgentSaid, CallEnded, CallerSaid, Interrupted, Report, ToolStarted
from voice_agent.config.expectations import Expectations, ExpectedTool, read_expectations
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.loose import bare
from voice_agent.recording.reader import Recording, read
from voice_agent.recording.redact import REDACTED
from voice_agent.recording.redacting import REDACTED_ARGUMENTS
from voice_agent.recording.telling import report_in
from voice_agent.replay.expectations import unmet
from voice_agent.replay.held_call import HeldCall
from voice_agent.review.expected import draft

CALLS = Path(__file__).parent.parent / "calls"


def reports(recording: Recording) -> list[tuple[int, Report]]:
    facts = [
        (step.now_ms, bare(each))
        for step in recording.loose_steps(audio=False)
        for each in step.sent
        if each.way == "fact"
    ]
    return [(now_ms, report) for now_ms, fact in facts if (report := report_in(fact)) is not None]


def expected(folder: Path, recording: Recording) -> Expectations:
    path = folder / "draft.expect.yaml"
    path.write_text(draft(recording), encoding="utf-8")
    return read_expectations(path)


def told(*said: Report) -> Recording:
    texts = [msgspec.json.encode(report).decode() for report in said]
    return Recording(write(header(), [Step(0, None, tuple(Entry("fact", text) for text in texts))]))


@pytest.mark.parametrize("path", sorted(CALLS.glob("*.call")), ids=lambda path: path.stem)
def test_a_call_is_as_its_draft_expects(path: Path, tmp_path: Path) -> None:
    recording = read(path)
    wanted = expected(tmp_path, recording)

    assert unmet(wanted, HeldCall(reports(recording), "")) == []
    assert wanted.tools is not None
    assert wanted.interruptions is not None


def test_of_a_cut_answer_only_the_beginning_is_asked_for(tmp_path: Path) -> None:
    cut = AgentSaid("a", "one two three four five six", 900, 2000, True)
    wanted = expected(
        tmp_path, told(CallerSaid("u", "no"), cut, Interrupted(900, "a", "mark"), CallEnded("stopped", "", 1))
    )

    assert (wanted.heard, wanted.said, wanted.interruptions) == (("no",), ("one two three four five",), 1)
    assert (wanted.tools, wanted.ended) == ((), "stopped")


def test_tools_are_asked_for_with_their_plain_arguments(tmp_path: Path) -> None:
    wanted = expected(
        tmp_path,
        told(ToolStarted("1", "find", '{"day": "on \\"Friday\\": {x}", "people": 4, "more": [1], "sure": true}')),
    )

    assert wanted.tools == (ExpectedTool("find", {"day": 'on "Friday": {x}', "people": "4", "sure": "true"}),)
    others = ("no JSON", "[]", f'{{"day": {"[" * 5000}{"]" * 5000}}}')
    assert expected(tmp_path, told(*(ToolStarted("1", "find", each) for each in others))).tools == (
        (ExpectedTool("find"),) * 3
    )
    assert expected(tmp_path, told(ToolStarted("2", "null", "[]"))).tools == (ExpectedTool("null"),)


def test_nothing_is_asked_for_that_only_redaction_wrote(tmp_path: Path) -> None:
    redacted = (CallerSaid("u", REDACTED), AgentSaid("a", REDACTED, 900, 900, False))
    wanted = expected(tmp_path, told(*redacted, CallerSaid("v", "hello"), ToolStarted("1", "find", REDACTED_ARGUMENTS)))

    assert (wanted.heard, wanted.said, wanted.tools) == (("hello",), None, (ExpectedTool("find"),))


@given(st.text(min_size=1))
def test_whatever_was_said_is_a_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    recording = told(CallerSaid("u", text))
    wanted = expected(tmp_path_factory.mktemp("draft"), recording)

    assert unmet(wanted, HeldCall(reports(recording), "")) == []
    assert wanted.heard is None or len(wanted.heard) == 1
