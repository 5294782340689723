"""What the agent says first."""

from tests.support.script import Script, an_agent
from voice_agent.agent import BargeIn
from voice_agent.call.commands import (
    AddAgentText,
    AgentBegan,
    AgentSaid,
    CallStarted,
    ClearPlayback,
    ConfigureSession,
    CreateResponse,
    PlayAudio,
    TruncateItem,
)
from voice_agent.call.conversation import AgentTurn, Conversation, Resumption
from voice_agent.call.events import (
    ModelRefused,
    ResponseCreated,
    ResponseDone,
    SessionUpdated,
    StreamStarted,
    StreamStopped,
)
from voice_agent.call.facts import ResponseWanted, SessionReady
from voice_agent.call.greeting import Greeting


def test_the_greeting_waits_for_the_session_and_for_the_stream() -> None:
    script = Script(an_agent(greeting="Hello."))
    script.wait(300)
    script.begin_session()
    before = script.ordered(CreateResponse)
    script.wait(200)
    script.begin_stream()

    (asked,) = script.ordered(CreateResponse)
    assert before == []
    assert (asked.request, asked.tool_choice) == ("greeting-1", "none")
    assert asked.instructions == 'Be brief.\n\nThe call has just begun. Say exactly: "Hello."'
    assert script.ordered(CallStarted) == [CallStarted(300)]


def test_a_session_that_comes_after_the_stream_greets_at_once() -> None:
    script = Script(an_agent(greeting="Hello."))
    script.begin_stream()
    script.wait(700)
    script.begin_session()

    assert [asked.request for asked in script.ordered(CreateResponse)] == ["greeting-1"]
    assert script.ordered(CallStarted) == [CallStarted(700)]


def test_an_agent_without_a_greeting_waits_for_the_caller() -> None:
    script = Script().begin()
    script.wait(5000)

    assert script.ordered(CreateResponse) == []
    assert script.ordered(CallStarted) == [CallStarted(0)]


def test_a_call_without_a_model_began_all_the_same() -> None:
    script = Script(an_agent(greeting="Hello."))
    script.feed(ModelRefused(401, "401"))
    script.begin_stream()

    assert script.ordered(CallStarted) == [CallStarted(-1)]
    assert script.ordered(CreateResponse) == []


def test_nobody_is_greeted_twice() -> None:
    script = Script(an_agent(greeting="Hello.")).begin()
    script.feed(StreamStarted("MZ1", "CA1"), ModelRefused(None, "gone"))

    assert len(script.ordered(CreateResponse)) == 1
    assert len(script.ordered(CallStarted)) == 1


def test_a_caller_who_speaks_first_is_answered_and_a_greeting_is_given_up() -> None:
    script = Script(an_agent(greeting="Hello.")).begin()
    script.caller_speaks()
    script.agent_speaks("a", 500)
    script.response_done(status="cancelled")
    script.wait(1600)
    script.feed(SessionUpdated())
    script.caller_stops()
    script.feed(ResponseCreated("r2", None), ResponseDone("r2", "completed"))
    script.wait(5000)

    assert [asked.request for asked in script.ordered(CreateResponse)] == ["greeting-1"]


def test_a_protected_greeting_is_kept_for_after_the_callers_turn() -> None:
    script = Script(an_agent(greeting="Hello.", barge_in=BargeIn(protect_greeting=True))).begin()
    script.caller_speaks()
    script.agent_speaks("a", 500)
    script.response_done(status="cancelled")
    script.caller_stops()

    assert [asked.request for asked in script.ordered(CreateResponse)] == ["greeting-1", "greeting-2"]


def test_a_call_that_goes_on_is_not_greeted_again_but_told_what_happened() -> None:
    for greeting in ("Hello.", None):
        resumed = Resumption(Conversation("test"), "Nobody answered.")
        script = Script(an_agent(greeting=greeting), resumed=resumed).begin()

        (asked,) = script.ordered(CreateResponse)
        assert (asked.request, asked.tool_choice) == ("greeting-1", "none")
        assert asked.instructions is not None
        assert asked.instructions.startswith("Be brief.\n\nThe call goes on.")


def test_a_call_that_goes_on_without_a_greeting_has_none_that_would_be_protected() -> None:
    for reason in ("Nobody answered.", ""):
        agent = an_agent(greeting="Hello.", barge_in=BargeIn(protect_greeting=True))
        script = Script(agent, resumed=Resumption(Conversation("test"), reason)).begin()
        script.agent_speaks("a", 2000)
        script.wait(500)
        script.caller_speaks()
        cut = script.ordered(ClearPlayback)
        script.response_done(status="cancelled")
        script.caller_stops()
        script.wait(2100)

        assert script.ordered(ConfigureSession)[0].create_response
        assert len(cut) == 1
        assert script.ordered(CreateResponse)[-1].request.startswith("turn")


# --- a greeting that was kept from a former call ---------------------------------------------------------------------

KEPT = b"\x10" * 16_000
"""Two seconds of it."""


def kept(greeting: str = "Hello there, who is it?") -> Script:
    return Script(an_agent(greeting=greeting), kept_greeting=KEPT)


def test_a_kept_greeting_is_heard_at_once_though_the_session_is_still_being_made() -> None:
    script = kept()
    script.wait(300)
    said = script.begin_stream()
    script.wait(2500)

    assert [command.audio for command in said if isinstance(command, PlayAudio)] == [KEPT]
    assert script.ordered(AgentBegan) == [AgentBegan("kept-greeting", -1)]
    assert script.ordered(AgentSaid) == [AgentSaid("kept-greeting", "Hello there, who is it?", 2000, 2000, False)]
    assert script.ordered(AddAgentText) == []


def test_the_session_is_told_what_was_heard_of_it_as_its_first_item_and_asked_for_nothing() -> None:
    early, late = kept(), kept()
    early.begin()
    early.wait(2500)
    late.begin_stream()
    late.wait(2500)
    late.begin_session()

    told = [AddAgentText("greeting-heard", "Hello there, who is it?", first=True)]
    assert early.ordered(AddAgentText) == late.ordered(AddAgentText) == told
    assert early.ordered(CreateResponse) == late.ordered(CreateResponse) == []
    assert early.ordered(CallStarted) == [CallStarted(0)]


def test_the_session_is_told_of_it_once() -> None:
    script = kept().begin()
    script.wait(2500)
    script.feed(StreamStarted("MZ1", "CA1"))

    assert len(script.ordered(AddAgentText)) == 1


def test_a_caller_who_cuts_it_leaves_what_they_heard_and_nothing_is_truncated() -> None:
    script = kept().begin()
    script.wait(1500)
    script.caller_speaks()
    script.wait(100)
    script.caller_stops()

    (told,) = script.ordered(AddAgentText)
    assert len(script.ordered(ClearPlayback)) == 1
    assert told.text == "Hello there, who"
    assert script.ordered(TruncateItem) == []
    assert script.call.conversation().turns[0] == AgentTurn("kept-greeting", "Hello there, who", interrupted=True)


def test_of_a_greeting_that_nobody_heard_the_session_is_told_nothing() -> None:
    script = kept().begin()
    script.caller_speaks()
    script.wait(100)
    script.caller_stops()

    assert script.ordered(AddAgentText) == []


def test_a_model_that_is_not_there_is_told_nothing_and_the_apology_follows_the_greeting() -> None:
    script = kept()
    script.begin_stream()
    script.feed(ModelRefused(401, "no"))
    script.wait(3000)

    assert [len(command.audio) for command in script.ordered(PlayAudio)] == [16_000, 800]
    assert script.ordered(AddAgentText) == []


def test_a_caller_who_leaves_in_it_leaves_a_record_of_what_they_heard() -> None:
    script = kept().begin()
    script.wait(1000)
    script.feed(StreamStopped())

    assert script.ordered(AgentSaid)[0].interrupted
    assert script.ordered(AddAgentText) == []


def test_a_call_that_goes_on_for_no_reason_of_its_own_goes_on_with_what_a_tool_has_answered() -> None:
    part = Greeting(an_agent(), None, Resumption(Conversation("test"), ""))
    list(part.feed(0, SessionReady()))

    assert list(part.feed(0, StreamStarted("MZ1", "CA1")))[-1] == ResponseWanted("tool")
