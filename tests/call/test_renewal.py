"""A session that grows old is exchanged at a quiet moment."""

import pytest

from tests.support.script import SILENT_FRAME, Script, an_agent
from voice_agent.agent import Limits
from voice_agent.call.commands import ConnectModel, Note, PlayAudio
from voice_agent.call.events import (
    AgentTranscript,
    CallerAudio,
    KeyPressed,
    ResponseCreated,
    StreamStarted,
    TimerFired,
    ToolFinished,
    ToolRequested,
)
from voice_agent.call.facts import CallerHolds, CallOver, Fact, LineClosing, ModelGone, SessionReady, ToolsBusy
from voice_agent.call.renewal import QUIET_MS, RENEW_MS, Renewal

LONG = an_agent(limits=Limits(minutes=60, idle_seconds=0))


def old() -> Script:
    """A call whose session will be old in a second, after a word of the agent's."""
    script = Script(LONG).begin()
    script.frames_come = False
    script.feed(ResponseCreated("r0", None), AgentTranscript("r0", "a", "Hello."))
    script.agent_speaks("a", 500, response="r0")
    script.response_done("r0")
    script.now_ms += RENEW_MS - 1000  # for which the carrier sent nothing
    script.feed(CallerAudio(script.now_ms - 20, SILENT_FRAME))
    return script


def sessions(script: Script) -> int:
    return len(script.ordered(ConnectModel))


def test_in_silence_an_old_session_is_exchanged_and_the_next_one_knows_what_was_said() -> None:
    script = old()
    script.wait(999 + QUIET_MS)
    before = sessions(script)
    script.wait(1)
    told = script.begin_session()

    assert (before, sessions(script)) == (1, 2)
    assert [note for note in script.ordered(Note) if "opened anew" in note.what] == [
        Note("info", "the model's session is opened anew", {"reason": "it nears its longest time"})
    ]
    assert "Hello." in str(told)
    script.wait(QUIET_MS)
    assert sessions(script) == 2
    assert len(script.ordered(PlayAudio)) == 3  # the agent's word alone: no sign of life


@pytest.mark.parametrize("busy", ["caller", "agent", "response", "tool"])
def test_what_goes_on_is_not_disturbed(busy: str) -> None:
    script = old()
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
    script.wait(1000 + QUIET_MS)
    during = sessions(script)
    match busy:
        case "caller":
            script.caller_stops()
            script.feed(ResponseCreated("r1", None))
            script.response_done("r1")
        case "agent":
            script.wait(2000)
        case "response":
            script.response_done("r1")
        case _:
            script.feed(ToolFinished("c1", "42"))
            script.feed(ResponseCreated("r2", "tool-1"))
            script.response_done("r2")
    script.wait(QUIET_MS)

    assert (during, sessions(script)) == (1, 2)


@pytest.mark.parametrize(
    ("begins", "ends"),
    [(CallerHolds(True), CallerHolds(False)), (ToolsBusy(busy=True), ToolsBusy(busy=False))],
)
def test_while_a_colleague_is_asked_or_a_tool_runs_no_session_is_exchanged(begins: Fact, ends: Fact) -> None:
    part = Renewal()
    for happening in (StreamStarted("MZ1", "CA1"), SessionReady(), begins):
        list(part.feed(0, happening))
    list(part.feed(RENEW_MS, TimerFired()))
    while_asked = part.deadline()
    list(part.feed(RENEW_MS, ends))

    assert repr(part).startswith("<Renewal busy []")
    assert (while_asked, part.deadline()) == (None, RENEW_MS + QUIET_MS)


@pytest.mark.parametrize("end", [ModelGone("gone"), LineClosing(), CallOver()])
def test_where_there_is_no_session_any_more_none_grows_old(end: Fact) -> None:
    part = Renewal()
    waited = [(list(part.feed(0, event)), part.deadline())[1] for event in (SessionReady(), end, SessionReady())]

    assert waited == [RENEW_MS, None, None]


def test_a_young_session_stays() -> None:
    script = old()
    script.feed(KeyPressed("1"))
    script.wait(500)

    assert sessions(script) == 1
