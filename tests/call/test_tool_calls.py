"""Tool calls of the model: each run once, each answered once."""

from tests.support.script import Script, an_agent
from voice_agent.agent import Limits, McpServer
from voice_agent.call.commands import (
    AddToolOutput,
    CallEnded,
    ClearPlayback,
    CreateResponse,
    RunTool,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.call.conversation import ToolTurn
from voice_agent.call.events import (
    AgentTranscript,
    McpAnswered,
    McpCalled,
    ModelClosed,
    ResponseCreated,
    StreamStopped,
    ToolFinished,
    ToolRequested,
)
from voice_agent.call.tool_calls import ToolCalls


def calls(script: Script, *ids: str, name: str = "look_up", response: str = "r1") -> None:
    """The model begins a response that calls tools."""
    script.feed(ResponseCreated(response, None))
    for call_id in ids:
        script.feed(ToolRequested(response, f"f-{call_id}", call_id, name, '{"q": 1}'))


def outputs(script: Script) -> list[tuple[str, str]]:
    return [(command.call_id, command.output) for command in script.ordered(AddToolOutput)]


def requests(script: Script) -> list[str]:
    return [command.request for command in script.ordered(CreateResponse)]


def test_a_tool_is_run_answered_and_spoken_of() -> None:
    script = Script().begin()
    calls(script, "c1")
    script.response_done()
    script.wait(300)
    script.feed(ToolFinished("c1", "42"))

    assert script.ordered(RunTool) == [RunTool("c1", "look_up", '{"q": 1}')]
    assert script.ordered(ToolStarted) == [ToolStarted("c1", "look_up", '{"q": 1}')]
    assert script.ordered(AddToolOutput) == [AddToolOutput("output-c1", "c1", "42")]
    assert script.ordered(ToolAnswered) == [ToolAnswered("c1", "42", failed=False, took_ms=300)]
    assert requests(script) == ["tool-1"]


def test_a_result_that_comes_before_the_response_is_done_is_spoken_of_after_it() -> None:
    script = Script().begin()
    calls(script, "c1")
    script.feed(ToolFinished("c1", "42"))
    before = requests(script)
    script.response_done()

    assert before == []
    assert requests(script) == ["tool-1"]


def test_calls_of_one_response_are_spoken_of_once_when_all_are_answered() -> None:
    script = Script().begin()
    calls(script, "c1", "c2")
    script.response_done()
    script.feed(ToolFinished("c2", "2"))
    before = requests(script)
    script.feed(ToolFinished("c1", "1"))

    assert outputs(script) == [("c2", "2"), ("c1", "1")]
    assert before == []
    assert requests(script) == ["tool-1"]


def test_a_call_that_is_answered_before_the_next_one_of_its_response_waits_for_it() -> None:
    script = Script().begin()
    calls(script, "c1", name="no_such_tool")
    script.feed(ToolRequested("r1", "f2", "c2", "look_up", "{}"))
    script.response_done()
    before = requests(script)
    script.feed(ToolFinished("c2", "2"))

    assert before == []
    assert requests(script) == ["tool-1"]


def test_a_tool_that_nobody_knows_is_answered_with_an_error_at_once() -> None:
    script = Script().begin()
    calls(script, "c1", name='no "such" tool')
    script.response_done()

    assert script.ordered(RunTool) == []
    assert outputs(script) == [("c1", '{"error":"there is no tool named no \\"such\\" tool"}')]
    assert [answer.failed for answer in script.ordered(ToolAnswered)] == [True]
    assert requests(script) == ["tool-1"]


def test_a_call_that_comes_twice_is_run_and_answered_once() -> None:
    script = Script().begin()
    calls(script, "c1", "c1")
    script.feed(ToolFinished("c1", "42"), ToolFinished("c1", "43"))
    script.feed(ToolRequested("r1", "f1", "c1", "look_up", "{}"))

    assert len(script.ordered(RunTool)) == 1
    assert outputs(script) == [("c1", "42")]


def test_a_tool_whose_answer_does_not_come_is_answered_without_it() -> None:
    script = Script(an_agent(limits=Limits(minutes=10, idle_seconds=0, tool_seconds=5))).begin()
    calls(script, "c1")
    script.response_done()
    script.wait(6999)
    before = outputs(script)
    script.wait(1)
    script.feed(ToolFinished("c1", "too late"))

    assert before == []
    assert outputs(script) == [("c1", '{"error": "the tool did not answer in time"}')]
    assert [answer.failed for answer in script.ordered(ToolAnswered)] == [True]
    assert requests(script) == ["tool-1"]


def test_a_tool_that_finishes_after_the_caller_interrupted_adds_its_item_and_nothing_else() -> None:
    script = Script().begin()
    script.agent_speaks("a", 3000)
    script.feed(ToolRequested("r1", "f1", "c1", "look_up", "{}"))
    script.response_done()
    script.wait(500)
    script.caller_speaks()
    script.wait(100)
    commands = script.feed(ToolFinished("c1", "42"))

    assert len(script.ordered(ClearPlayback)) == 1
    assert [type(command).__name__ for command in commands] == ["AddToolOutput", "ToolAnswered"]
    assert requests(script) == []


def test_nothing_is_run_or_answered_once_the_model_is_gone() -> None:
    script = Script().begin()
    calls(script, "c1")
    script.feed(ModelClosed(4000))
    script.feed(ToolFinished("c1", "42"), ToolRequested("r1", "f2", "c2", "look_up", "{}"))
    script.wait(30_000)

    assert len(script.ordered(RunTool)) == 1
    assert outputs(script) == []


def test_a_call_that_is_open_when_the_caller_hangs_up_stays_open_in_the_conversation() -> None:
    script = Script().begin()
    calls(script, "c1")
    script.feed(StreamStopped())

    assert isinstance(script.said[-1], CallEnded)
    assert script.call.conversation().open_tool_calls == (ToolTurn("c1", "look_up", '{"q": 1}', None),)


def test_to_hang_up_is_no_tool_that_is_run_or_spoken_of() -> None:
    script = Script().begin()
    script.agent_speaks("bye", 500)
    calls(script, "c1", name="hang_up")
    script.response_done()

    assert script.ordered(ToolStarted) == [ToolStarted("c1", "hang_up", '{"q": 1}')]
    assert script.ordered(RunTool) == []
    assert requests(script) == []


# --- calls that the model's server carries out; their news are put together in `mcp_calls` ---------------------------

CALENDAR = McpServer(server_label="calendar", server_url="https://mcp.example.com/mcp")


def remote(*, words_after: bool = False) -> Script:
    """A response in which the server calls a tool, is answered, and goes on speaking or not."""
    script = Script(an_agent(mcp=(CALENDAR,))).begin()
    script.feed(ResponseCreated("r1", None), McpCalled("r1", "m1", "calendar", "free_slots", "{}"))
    script.feed(AgentTranscript("r1", "a", "One moment."))
    script.wait(100)
    script.feed(McpAnswered("m1", "calendar", "free_slots", "{}", "9:00", ""))
    if words_after:
        script.feed(AgentTranscript("r1", "b", "There is one at nine."))
    return script


def test_a_remote_call_is_answered_to_nobody_and_spoken_of() -> None:
    script = remote()
    before = requests(script)
    script.response_done()

    assert outputs(script) == []
    assert script.ordered(RunTool) == []
    assert script.ordered(ToolAnswered) == [ToolAnswered("m1", "9:00", failed=False, took_ms=100)]
    assert before == []
    assert requests(script) == ["mcp-1"]


def test_a_remote_call_that_was_spoken_of_already_is_not_spoken_of_again() -> None:
    script = remote(words_after=True)
    script.response_done()

    assert requests(script) == []


def test_a_remote_call_that_begins_when_its_response_is_over_is_spoken_of_when_it_ends() -> None:
    script = Script(an_agent(mcp=(CALENDAR,))).begin()
    script.feed(ResponseCreated("r1", None))
    script.response_done()
    script.feed(McpCalled("r1", "m1", "calendar", "free_slots", "{}"))
    before = requests(script)
    script.feed(McpAnswered("m1", "calendar", "free_slots", "{}", "9:00", ""))

    assert before == []
    assert requests(script) == ["mcp-1"]


def test_a_tool_that_is_answered_is_not_waited_for_and_took_as_long_as_it_ran() -> None:
    part = ToolCalls(an_agent(), 0)
    list(part.feed(100, ToolRequested("r1", "i1", "c1", "look_up", "{}")))
    told = list(part.feed(150, ToolFinished("c1", "42")))

    assert ToolAnswered("c1", "42", failed=False, took_ms=50) in told
    assert part.deadline() is None


def test_a_name_that_no_text_can_hold_is_answered_too() -> None:
    told = list(ToolCalls(an_agent(), 0).feed(0, ToolRequested("r1", "i1", "c1", "\ud800", "{}")))

    assert AddToolOutput("output-c1", "c1", '{"error":"there is no tool named ?"}') in told
