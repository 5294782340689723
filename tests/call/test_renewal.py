"""A session that grows old is exchanged at a quiet moment."""

from typing import Any

import pytest

from tests.support.script import SILENT_FRAME, Script, an_agent
from voice_agent.agent import Limits
from voice_agent.call.commands import CallCommand, ConnectModel, Note, OpenStandby, PlayAudio
from voice_agent.call.events import (
    AgentTranscript,
    CallerAudio,
    KeyPressed,
    ModelClosed,
    ResponseCreated,
    StandbyFailed,
    StandbyReady,
    StreamStarted,
    TimerFired,
    ToolFinished,
    ToolRequested,
)
from voice_agent.call.facts import CallerHolds, CallOver, Fact, LineClosing, ModelGone, SessionReady, ToolsBusy
from voice_agent.call.model_link import STANDBY_MS
from voice_agent.call.renewal import AGAIN_MS, QUIET_MS, Renewal
from voice_agent.call.setup import RENEW_MS

LONG = an_agent(limits=Limits(minutes=60, idle_seconds=0))


def old(fallbacks: int = 0) -> Script:
    """A call whose session will be old in a second, after a word of the agent's."""
    script = Script(LONG, fallbacks=fallbacks).begin()
    script.frames_come = False
    script.feed(ResponseCreated("r0", None), AgentTranscript("r0", "a", "Hello."))
    script.agent_speaks("a", 500, response="r0")
    script.response_done("r0")
    script.now_ms += RENEW_MS - 1000  # for which the carrier sent nothing
    script.feed(CallerAudio(script.now_ms - 20, SILENT_FRAME))
    return script


def standbys(script: Script) -> list[int]:
    """At which endpoint each was ordered."""
    return [order.endpoint for order in script.ordered(OpenStandby)]


def sessions(script: Script) -> list[int]:
    return [order.endpoint for order in script.ordered(ConnectModel)]


def missed(script: Script) -> list[dict[str, Any]]:
    """What is told of standbys that were not to be had."""
    told = Note("warning", "the model's session cannot be exchanged yet")
    return [note.fields for note in script.ordered(Note) if (note.level, note.what) == (told.level, told.what)]


def exchanged(script: Script) -> list[CallCommand]:
    """Let a standby be ready, and its session begin."""
    script.feed(StandbyReady())
    return script.begin_session()


def test_in_silence_an_old_session_is_exchanged_and_the_next_one_knows_what_was_said() -> None:
    script = old()
    script.wait(999 + QUIET_MS)
    before = standbys(script)
    script.wait(1)
    asked = (standbys(script), sessions(script))
    told = exchanged(script)

    assert (before, asked, sessions(script)) == ([], ([0], [0]), [0, 0])
    assert [note for note in script.ordered(Note) if "opened anew" in note.what] == [
        Note("info", "the model's session is opened anew", {"reason": "it nears its longest time"})
    ]
    assert "Hello." in str(told)
    script.wait(QUIET_MS)
    assert standbys(script) == [0]
    assert len(script.ordered(PlayAudio)) == 3  # the agent's word alone: no sign of life


@pytest.mark.parametrize("busy", ["caller", "agent", "response", "tool"])
def test_what_goes_on_is_not_disturbed(busy: str) -> None:
    script = old()
    _begin(script, busy)
    script.wait(1000 + QUIET_MS)
    during = standbys(script)
    _end(script, busy)
    script.wait(QUIET_MS)

    assert (during, standbys(script)) == ([], [0])


@pytest.mark.parametrize("busy", ["caller", "agent", "response", "tool"])
def test_nor_is_what_has_begun_before_the_standby_is_ready(busy: str) -> None:
    script = old()
    script.wait(1000 + QUIET_MS)
    _begin(script, busy)
    script.feed(StandbyReady())
    during = sessions(script)
    script.wait(1000)
    _end(script, busy)
    script.wait(QUIET_MS)
    again = standbys(script)
    exchanged(script)

    assert (during, again, sessions(script)) == ([0], [0, 0], [0, 0])


def test_a_standby_that_was_there_and_not_taken_is_not_missed() -> None:
    script = old()
    script.wait(1000 + QUIET_MS)
    script.caller_speaks()
    script.feed(StandbyReady())
    script.wait(STANDBY_MS)

    assert missed(script) == []


def _begin(script: Script, busy: str) -> None:
    match busy:
        case "caller":
            script.caller_speaks()
        case "agent":
            script.agent_speaks("b", 6000, response="r1")
            script.response_done("r1")
        case "response":
            script.feed(ResponseCreated("r1", None))
        case _:
            script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "look_up", "{}"))
            script.response_done("r1")


def _end(script: Script, busy: str) -> None:
    match busy:
        case "caller":
            script.caller_stops()
            script.feed(ResponseCreated("r1", None))
            script.response_done("r1")
        case "agent":
            script.wait(5000)
        case "response":
            script.response_done("r1")
        case _:
            script.feed(ToolFinished("c1", "42"))
            script.feed(ResponseCreated("r2", "tool-1"))
            script.response_done("r2")


def test_where_no_other_session_is_to_be_had_the_call_goes_on_with_the_old_one() -> None:
    script = old()
    script.wait(1000 + QUIET_MS)
    script.feed(StandbyFailed("HTTP 503: busy"))
    script.wait(AGAIN_MS + QUIET_MS - 1)
    before = standbys(script)
    script.wait(1)

    assert (before, standbys(script), sessions(script)) == ([0], [0, 0], [0])
    assert missed(script) == [{"reason": "HTTP 503: busy", "endpoint": 1}]


def test_a_standby_whose_server_says_nothing_is_as_good_as_none() -> None:
    script = old()
    script.wait(1000 + QUIET_MS)
    script.wait(STANDBY_MS - 1)
    before = missed(script)
    script.wait(1)
    script.feed(StandbyReady())  # too late
    script.wait(AGAIN_MS + QUIET_MS)

    assert (before, missed(script)) == ([], [{"reason": "the server said nothing within 10 s", "endpoint": 1}])
    assert (standbys(script), sessions(script)) == ([0, 0], [0])


def test_another_session_is_sought_at_one_endpoint_after_the_other() -> None:
    script = old(fallbacks=2)
    script.wait(1000 + QUIET_MS)
    for _ in range(3):
        script.feed(StandbyFailed("HTTP 503: busy"))
        script.wait(AGAIN_MS + QUIET_MS)
    script.feed(StandbyFailed("HTTP 503: busy"))
    script.wait(AGAIN_MS + QUIET_MS)
    exchanged(script)

    assert (standbys(script), sessions(script)) == ([0, 1, 2, 0, 1], [0, 1])
    assert "another endpoint is asked for the model" not in {note.what for note in script.ordered(Note)}


def test_an_exchange_that_comes_to_nothing_is_tried_twice_more_like_any_lost_session() -> None:
    script = old()
    script.wait(1000 + QUIET_MS)
    script.feed(StandbyReady())
    for _ in range(3):
        script.feed(ModelClosed(1006))

    assert sessions(script) == [0, 0, 0, 0]
    assert [note.what for note in script.ordered(Note) if note.level == "error"] == ["the model is gone"]


def test_nobody_misses_a_standby_while_a_session_that_is_lost_is_opened_anew() -> None:
    script = old()
    script.wait(1000 + QUIET_MS)
    script.wait(STANDBY_MS - 1)
    script.feed(ModelClosed(1006))
    script.wait(2)

    assert missed(script) == []


def test_a_session_that_is_lost_beside_a_standby_is_opened_anew_and_grows_old_anew() -> None:
    script = old()
    script.wait(1000 + QUIET_MS)
    script.feed(ModelClosed(1006))
    script.begin_session()
    script.feed(StandbyReady(), StandbyFailed("of the former one"))  # which nobody hears
    script.wait(STANDBY_MS + AGAIN_MS + QUIET_MS)

    assert (standbys(script), sessions(script)) == ([0], [0, 0])
    assert missed(script) == []


@pytest.mark.parametrize(
    ("begins", "ends"),
    [(CallerHolds(True), CallerHolds(False)), (ToolsBusy(busy=True), ToolsBusy(busy=False))],
)
def test_while_a_colleague_is_asked_or_a_tool_runs_no_session_is_exchanged(begins: Fact, ends: Fact) -> None:
    part = Renewal(RENEW_MS)
    for happening in (StreamStarted("MZ1", "CA1"), SessionReady(), begins):
        list(part.feed(0, happening))
    list(part.feed(RENEW_MS, TimerFired()))
    while_asked = part.deadline()
    list(part.feed(RENEW_MS, ends))

    assert repr(part).startswith("<Renewal busy []")
    assert (while_asked, part.deadline()) == (None, RENEW_MS + QUIET_MS)


@pytest.mark.parametrize("end", [ModelGone("gone"), LineClosing(), CallOver()])
def test_where_there_is_no_session_any_more_none_grows_old(end: Fact) -> None:
    part = Renewal(RENEW_MS)
    waited = [(list(part.feed(0, event)), part.deadline())[1] for event in (SessionReady(), end, SessionReady())]

    assert waited == [RENEW_MS, None, None]


def test_a_young_session_stays() -> None:
    script = old()
    script.feed(KeyPressed("1"))
    script.wait(500)

    assert standbys(script) == []
