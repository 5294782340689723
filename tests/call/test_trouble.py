import pytest

from voice_agent.call.commands import (
    AgentBegan,
    AgentSaid,
    CallEnded,
    Interrupted,
    Note,
    Report,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.call.trouble import KINDS, MOST_ALIKE, Trouble, TroubleFinder


def found(*reports: tuple[int, Report]) -> list[Trouble]:
    finder = TroubleFinder()
    for now_ms, report in reports:
        finder.take(now_ms, report)
    assert all(trouble.kind in KINDS for trouble in finder.found)
    return finder.found


def test_an_answer_is_late_behind_a_second_and_was_waited_for_before_it_came() -> None:
    assert found((5000, AgentBegan("a", 1000)), (9000, AgentBegan("b", 1001)), (10, AgentBegan("c", -1))) == [
        Trouble(7999, "late answer", ms=1001)
    ]


def test_nothing_begins_before_the_call() -> None:
    assert found((1500, AgentBegan("a", 2000)), (900, ToolAnswered("1", "{}", failed=True, took_ms=1000))) == [
        Trouble(0, "late answer", ms=2000),
        Trouble(0, "tool failed"),
    ]


def test_words_that_were_made_and_cut_were_not_heard() -> None:
    assert found((9000, Interrupted(400, "a", "mark")), (9100, AgentSaid("a", "I", 400, 3000, True))) == [
        Trouble(9100, "words not heard", ms=2600)
    ]


def test_an_answer_that_broke_off_where_its_sound_did_has_no_words_that_were_not_heard() -> None:
    assert found((9100, AgentSaid("a", "I am", 3000, 3000, True)), (9200, AgentSaid("b", "I", 400, 3000, False))) == []


def test_a_tool_that_failed_is_named_from_where_it_began() -> None:
    assert found(
        (1000, ToolStarted("1", "find", "{}")),
        (1000, ToolStarted("2", "find", "{}")),
        (4000, ToolAnswered("1", "{}", failed=True, took_ms=3000)),
        (4000, ToolAnswered("2", "{}", failed=False, took_ms=3000)),
        (5000, ToolAnswered("unknown", "{}", failed=True, took_ms=1500)),
    ) == [Trouble(1000, "tool failed", "find"), Trouble(3500, "tool failed")]


def test_of_a_fault_that_comes_with_every_frame_the_first_ones_are_enough() -> None:
    skipped = [(at_ms, Note("warning", "a message was skipped")) for at_ms in range(0, 60_000, 20)]
    refused = (60_000, Note("warning", "a request was refused"))

    assert found(*skipped, refused) == [
        *(Trouble(at_ms, "fault", "a message was skipped") for at_ms in range(0, 20 * MOST_ALIKE, 20)),
        Trouble(60_000, "fault", "a request was refused"),
    ]


def test_a_tool_that_the_call_did_not_wait_for_is_named() -> None:
    ended = CallEnded("caller_hung_up", "", 2000)

    assert found((1000, ToolStarted("1", "x" * 100, "{}", server="desk")), (2000, ended)) == [
        Trouble(1000, "tool never answered", "x" * 64)
    ]


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [("stream_lost", "stream lost"), ("no_stream", "stream lost"), ("model_failed", "model failed")],
)
def test_a_call_that_broke_is_in_trouble(outcome: str, kind: str) -> None:
    gone = Note("error", "the model is gone", {"reason": "close 1006"})

    assert found((9, gone), (10, CallEnded(outcome, "why", 10))) == [Trouble(10, kind)]  # type: ignore[arg-type]


def test_a_call_that_ended_well_is_in_none() -> None:
    assert (
        found((10, CallEnded("completed", "the agent hung up", 10)), (1, Note("info", "x")), (1, Note("debug", "y")))
        == []
    )


def test_a_lost_session_and_other_faults_are_told_without_what_stood_beside_them() -> None:
    lost = Note("warning", "the model's session is opened anew", {"reason": "said: my card is 4417"})

    failed = Note("warning", "a response failed", {"reason": "said"})

    assert found((5, lost), (6, failed), (7, Note("error", "the last words failed"))) == [
        Trouble(5, "connection lost"),
        Trouble(6, "fault", "a response failed"),
        Trouble(7, "fault", "the last words failed"),
    ]
    assert found((5, Note("info", "the model's session is opened anew"))) == [], "it was renewed before its time was up"
