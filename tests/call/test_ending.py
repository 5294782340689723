"""How a call comes to its end."""


from tests.support.script import Script
from voice_agent.call.commands import (
    AddToolOutput,
    CallEnded,
    ClosePhone,
    CreateResponse,
    HangUp,
    Note,
)
from voice_agent.call.events import (
    HangUpFinished,
    PhoneClosed,
    ResponseCreated,
    ResponseDone,
    StreamStopped,
    ToolRequested,
)
from voice_agent.call.states import Phase


def hangs_up(script: Script, response: str = "r1", *, words_ms: int = 1000) -> None:
    """The model says goodbye and calls `hang_up` in the same response."""
    script.feed(ResponseCreated(response, None))
    script._responses.add(response)
    if words_ms:
        script.agent_speaks(f"bye-{response}", words_ms, response=response)
    script.feed(ToolRequested(response, f"f-{response}", f"c-{response}", "hang_up", "{}"))
    script.response_done(response)


def answers(script: Script) -> list[str]:
    return [command.output for command in script.ordered(AddToolOutput)]


def ends(script: Script) -> list[tuple[str, str]]:
    return [(end.outcome, end.reason) for end in script.ordered(CallEnded)]


def requests(script: Script) -> list[str]:
    return [command.request for command in script.ordered(CreateResponse)]


# --- the goodbye -----------------------------------------------------------------------------------------------------


def test_the_line_is_closed_once_the_goodbye_was_heard() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=2000)
    script.wait(2200)
    before = script.ordered(ClosePhone)
    script.wait(200)

    assert before == []
    assert [c.reason for c in script.ordered(ClosePhone)] == ["the agent hung up"]
    assert answers(script) == ["The call has ended."]
    assert script.call.phase is Phase.LEAVING


def test_with_rest_the_carrier_is_told_to_hang_up_and_ends_the_stream() -> None:
    script = Script(rest=True).begin()
    hangs_up(script)
    script.wait(1400)
    closed = script.ordered(ClosePhone)
    script.feed(HangUpFinished())
    script.feed(StreamStopped())

    assert len(script.ordered(HangUp)) == 1
    assert closed == []
    assert ends(script) == [("completed", "the agent hung up")]
    assert len(script.ordered(ClosePhone)) == 1


def test_a_carrier_that_refuses_to_hang_up_loses_the_stream_so_that_the_action_decides() -> None:
    script = Script(rest=True).begin()
    hangs_up(script)
    script.wait(1400)
    commands = script.feed(HangUpFinished("401"))
    script.feed(PhoneClosed(1000))

    assert [c for c in commands if isinstance(c, Note | ClosePhone)] == [
        Note("warning", "the carrier refused to hang up", {"problem": "401"}),
        ClosePhone("the agent hung up"),
    ]
    assert ends(script) == [("completed", "the agent hung up")]


def test_a_carrier_that_does_not_answer_is_left_after_5_s() -> None:
    script = Script(rest=True).begin()
    hangs_up(script)
    script.wait(1320)
    script.wait(4900)
    before = ends(script)
    script.wait(100)

    assert before == []
    assert ends(script) == [("completed", "the agent hung up")]
    assert len(script.ordered(ClosePhone)) == 1


def test_an_agent_that_hangs_up_without_a_word_is_asked_for_a_goodbye() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=0)
    script.agent_speaks("bye", 1000, response="r2")
    script.response_done("r2")
    script.wait(1100)
    before = script.ordered(ClosePhone)
    script.wait(300)

    assert answers(script) == ["Say goodbye to the caller now."]
    assert requests(script) == ["goodbye-1"]
    assert before == []
    assert len(script.ordered(ClosePhone)) == 1


def test_words_that_still_play_count_as_the_goodbye_of_a_wordless_hang_up() -> None:
    script = Script().begin()
    script.agent_speaks("a", 2000)
    script.response_done()
    script.wait(200)
    hangs_up(script, "r2", words_ms=0)
    script.wait(2200)

    assert requests(script) == []
    assert len(script.ordered(ClosePhone)) == 1


def test_a_goodbye_that_failed_is_asked_for_again_before_anybody_hangs_up() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=0)
    script.feed(ResponseCreated("r2", "goodbye-1"), ResponseDone("r2", "failed", "server_error"))
    script.wait(1000)
    before = script.ordered(ClosePhone)
    script.agent_speaks("bye", 1000, response="r3")
    script.response_done("r3")
    script.wait(1400)

    assert before == []
    assert requests(script) == ["goodbye-1", "goodbye-2"]
    assert len(script.ordered(ClosePhone)) == 1
