"""A caller who holds while a colleague is asked."""

import msgspec
import pytest

from tests.support.script import CLIPS, Script, an_agent
from voice_agent.agent import Limits, Tool, Transfer
from voice_agent.call.commands import (
    AgentBegan,
    CallColleague,
    CallEnded,
    ClosePhone,
    CreateResponse,
    Destination,
    HangUp,
    Note,
    PlayAudio,
    ToolAnswered,
)
from voice_agent.call.events import (
    ColleagueAnswered,
    Event,
    ModelClosed,
    PhoneClosed,
    ResponseCreated,
    ResponseDone,
    ToolRequested,
)
from voice_agent.call.facts import (
    AgentChanged,
    Fact,
    LineToolCalled,
    ModelGone,
    PlaybackBusy,
    PlaybackIdle,
    TurnClosed,
    TurnOpened,
)
from voice_agent.call.states import Phase
from voice_agent.call.transfer import ENOUGH
from voice_agent.call.warm_transfer import HOLD_AFTER_MS, HURRIED, LAST_WORDS_MS, WarmTransfer

HOLD = b"\x82" * 8000
"""A second."""
WARM = Transfer(to={"desk": "+14255550101"}, warm=True)
AGENT = an_agent(
    tools=(
        Tool("hang_up", "End the call.", {}, "hang_up"),
        Tool("transfer", "Connect the caller.", {}, "transfer", transfer=WARM),
    )
)
TO_DESK = '{"to":"desk","summary":"Ana asks about her bill."}'
DESK = Destination("desk", "+14255550101", 20)


def holding(*, rest: bool = True, words_ms: int = 500, clips: dict[str, bytes] | None = None) -> Script:
    """A call whose caller was told that somebody is being called, and holds."""
    script = Script(AGENT, rest=rest, clips={**CLIPS, "hold": HOLD} if clips is None else clips).begin()
    script.wait(100)
    script.feed(ResponseCreated("r1", None))
    script._responses.add("r1")
    if words_ms:
        script.agent_speaks("a", words_ms)
    script.feed(ToolRequested("r1", "f1", "c1", "transfer", TO_DESK))
    script.response_done()
    return script


def holds(script: Script) -> int:
    return sum(command.audio == HOLD for command in script.ordered(PlayAudio))


def answers(script: Script) -> list[str]:
    return [answer.output for answer in script.ordered(ToolAnswered)]


def accepts(script: Script) -> None:
    script.feed(ColleagueAnswered("c1", conference="room"))


def test_the_colleague_is_called_at_once_and_the_caller_hears_that_somebody_is_there() -> None:
    script = holding()
    script.wait(500 + 2 * (HOLD_AFTER_MS + 1000) + 200)

    assert script.ordered(CallColleague) == [CallColleague("c1", DESK, "Ana asks about her bill.")]
    assert holds(script) == 2
    assert answers(script) == []
    assert script.call.phase is Phase.TALKING


def test_the_silence_in_which_the_model_thought_counts() -> None:
    script = Script(AGENT, rest=True, clips={**CLIPS, "hold": HOLD}).begin()
    script.caller_speaks()
    script.wait(500)
    script.caller_stops()
    script.feed(ResponseCreated("r1", None))
    script.wait(HOLD_AFTER_MS + 500)
    script.feed(ToolRequested("r1", "f1", "c1", "transfer", TO_DESK))
    script.response_done()
    script.wait(1)

    assert holds(script) == 1


def test_while_the_caller_holds_no_answer_is_late() -> None:
    script = Script(AGENT, rest=True, clips={**CLIPS, "hold": HOLD}).begin()
    script.caller_speaks()
    script.wait(500)
    script.caller_stops()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "transfer", TO_DESK))
    script.response_done()
    script.wait(20_000)
    script.feed(ColleagueAnswered("c1", problem="nobody answered"))
    script.agent_speaks("b", 400, response="r2")
    script.response_done("r2")
    script.wait(400)

    assert [began.response_ms for began in script.ordered(AgentBegan)] == [-1]


def test_where_there_is_no_clip_to_hold_by_the_sign_of_life_is_heard() -> None:
    script = holding(clips=CLIPS)
    script.wait(2200)
    silent = holding(clips={})
    silent.wait(5000)

    assert [command.audio for command in script.ordered(PlayAudio)][-1] == CLIPS["moment"]
    assert len(silent.ordered(PlayAudio)) == len(holding(clips={}).ordered(PlayAudio))


def test_a_caller_who_speaks_stops_the_clip_and_it_comes_back_behind_the_answer() -> None:
    script = holding()
    script.wait(500 + HOLD_AFTER_MS + 300)
    script.caller_speaks()
    script.wait(1000)
    script.caller_stops()
    while_speaking = holds(script)
    script.agent_speaks("b", 400, response="r2")
    script.response_done("r2")
    script.wait(400 + HOLD_AFTER_MS)

    assert while_speaking == 1
    assert holds(script) == 2


def test_a_colleague_who_accepts_gets_the_caller_at_once() -> None:
    script = holding()
    script.wait(500 + HOLD_AFTER_MS + 300)  # the clip plays
    accepts(script)
    closed = script.ordered(ClosePhone)
    script.feed(PhoneClosed(1000))

    assert closed == [ClosePhone("transferred to desk")]
    assert script.ordered(HangUp) == []
    assert answers(script) == ["The caller is being connected with desk."]
    assert [answer.took_ms for answer in script.ordered(ToolAnswered)] == [500 + HOLD_AFTER_MS + 300]
    where = msgspec.structs.replace(DESK, conference="room")
    assert script.said[-1] == CallEnded("transferred", "transferred to desk", script.now_ms, where)


def test_what_is_being_said_is_heard_before_the_caller_goes() -> None:
    script = holding(words_ms=2000)
    script.wait(500)
    accepts(script)
    before = script.ordered(ClosePhone)
    script.wait(1600)

    assert before == []
    assert script.ordered(ClosePhone) == [ClosePhone("transferred to desk")]


def test_a_colleague_does_not_wait_for_somebody_who_does_not_stop_speaking() -> None:
    script = holding(words_ms=0)
    script.caller_speaks()
    accepts(script)
    script.wait(LAST_WORDS_MS - 1)
    before = script.ordered(ClosePhone)
    script.wait(1)

    assert before == []
    assert script.ordered(ClosePhone) == [ClosePhone("transferred to desk")]
    assert Note("info", HURRIED) in script.said


def test_who_does_not_take_the_call_is_told_to_the_model_and_the_agent_goes_on() -> None:
    script = holding()
    script.wait(1000)
    script.feed(ColleagueAnswered("c1", problem="nobody answered"))
    script.wait(10_000)

    assert answers(script) == ['{"error":"the caller is not connected: desk: nobody answered"}']
    assert script.ordered(ToolAnswered)[-1].failed
    assert [asked.request for asked in script.ordered(CreateResponse)] == ["tool-1"]
    assert holds(script) == 0


def test_one_colleague_is_called_at_a_time() -> None:
    script = holding()
    script.feed(ToolRequested("r1", "f2", "c2", "transfer", TO_DESK))

    assert len(script.ordered(CallColleague)) == 1
    assert answers(script) == [
        '{"error":"the caller is not connected: somebody is being called already: wait for the answer"}'
    ]


def test_without_credentials_nobody_is_called_and_the_operator_knows() -> None:
    script = holding(rest=False)

    assert script.ordered(CallColleague) == []
    assert answers(script) == ['{"error":"the caller is not connected: nobody can be called now"}']
    assert Note("error", "a colleague cannot be called", {"problem": "there are no REST credentials"}) in script.said


def test_an_answer_that_comes_when_the_model_is_lost_changes_nothing() -> None:
    script = holding()
    script.feed(ModelClosed(4000))
    accepts(script)
    script.wait(5000)
    script.feed(PhoneClosed(1000))

    assert [end.outcome for end in script.ordered(CallEnded)] == ["model_failed"]


def test_a_clip_waits_for_silence_and_for_nothing_once_nobody_is_asked_any_more() -> None:
    part = WarmTransfer(AGENT, rest=True, clip="hold")
    happenings: list[tuple[int, Event | Fact]] = [
        (0, LineToolCalled("c1", "transfer", TO_DESK)),
        (0, ResponseDone("r1", "completed")),
        (1000, TurnOpened(overheard=True)),
        (2000, TurnClosed()),
        (2100, ModelGone("gone")),
        (2100, ColleagueAnswered("c1", conference="room")),
    ]
    done = [(list(part.feed(now_ms, happening)), part.deadline()) for now_ms, happening in happenings]

    assert [deadline for _, deadline in done] == [None, HOLD_AFTER_MS, None, 2000 + HOLD_AFTER_MS, None, None]
    assert done[0][0][-1] == CallColleague("c1", DESK, "Ana asks about her bill.")
    assert done[-1][0] == []


def test_another_agent_s_colleagues_are_called_from_the_hand_over_on() -> None:
    part = WarmTransfer(an_agent(), rest=True, clip=None)
    called = LineToolCalled("c1", "transfer", TO_DESK)

    assert list(part.feed(0, called)) == []
    assert list(part.feed(0, AgentChanged(AGENT))) == []
    assert CallColleague("c1", DESK, "Ana asks about her bill.") in list(part.feed(0, called))


def test_who_is_asked_is_told_in_one_line() -> None:
    idle, asked = Script(AGENT, rest=True).begin(), holding()

    assert "<WarmTransfer idle, Deadlines({})>" in repr(idle.call)
    assert "<WarmTransfer _Open(call_id='c1', destination=Destination(name='desk'" in repr(asked.call)


def test_an_answer_to_nobody_is_passed_over() -> None:
    script = Script(AGENT, rest=True).begin()
    script.feed(ColleagueAnswered("c9", conference="room"))

    assert script.ordered(ClosePhone) == []


def test_a_colleague_who_accepts_during_the_goodbye_gets_the_caller() -> None:
    script = holding()
    script.wait(1000)
    script.agent_speaks("bye", 2000, response="r2")
    script.feed(ToolRequested("r2", "f2", "c2", "hang_up", "{}"))
    script.response_done("r2")
    accepts(script)
    script.wait(2500)
    script.feed(PhoneClosed(1000))

    assert [end.outcome for end in script.ordered(CallEnded)] == ["transferred"]
    assert len(answers(script)) == 2


@pytest.mark.parametrize("arguments", ['{"to":"sales"}', "no"])
def test_somebody_unknown_is_not_called(arguments: str) -> None:
    script = Script(AGENT, rest=True).begin()
    script.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "transfer", arguments))

    assert script.ordered(CallColleague) == []
    (answer,) = script.ordered(ToolAnswered)
    assert answer.failed
    assert "desk" in answer.output


def test_who_is_named_is_called_and_no_arguments_mean_the_only_one_there_is() -> None:
    two = msgspec.structs.replace(WARM, to={"desk": "+14255550101", "sales": "+14255550102"})
    named = Script(an_agent(tools=(Tool("transfer", "", {}, "transfer", transfer=two),)), rest=True).begin()
    named.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "transfer", '{"to":"sales"}'))
    only = Script(AGENT, rest=True).begin()
    only.feed(ResponseCreated("r1", None), ToolRequested("r1", "f1", "c1", "transfer", ""))

    assert [order.destination.name for order in named.ordered(CallColleague)] == ["sales"]
    assert only.ordered(CallColleague) == [CallColleague("c1", DESK, "")]


def test_a_caller_who_does_not_hold_any_more_is_owed_no_sound() -> None:
    script = holding()
    script.wait(1000)
    script.feed(ColleagueAnswered("c1", problem="nobody answered"))
    script.agent_speaks("b", 500, response="r2")
    script.response_done("r2")
    script.wait(500)
    before = len(script.ordered(PlayAudio))
    script.wait(8000)

    assert len(script.ordered(PlayAudio)) == before


def test_colleagues_who_do_not_take_the_caller_are_asked_only_so_often() -> None:
    script = Script(an_agent(tools=AGENT.tools, limits=Limits(minutes=10, idle_seconds=0, transfers=2)), rest=True)
    script.begin()
    for number in ("1", "2", "3"):
        script.feed(ResponseCreated(f"r{number}", None))
        script.feed(ToolRequested(f"r{number}", f"f{number}", f"c{number}", "transfer", TO_DESK))
        script.response_done(f"r{number}")
        script.feed(ColleagueAnswered(f"c{number}", problem="the line is busy"))

    assert len(script.ordered(CallColleague)) == 2
    assert msgspec.json.decode(answers(script)[-1]) == {"error": ENOUGH}
    assert script.call.resumption().transfers == 2


def test_a_sound_that_is_not_the_clip_is_heard_out_before_the_caller_goes() -> None:
    part = WarmTransfer(AGENT, rest=True, clip="hold")
    accepted = ColleagueAnswered("c1", conference="room")
    for happening in (LineToolCalled("c1", "transfer", TO_DESK), PlaybackBusy()):
        list(part.feed(0, happening))

    assert list(part.feed(0, accepted)) == []
    assert len(list(part.feed(100, PlaybackIdle()))) == 1


def test_a_colleague_who_takes_the_caller_is_one_try() -> None:
    script = holding()
    script.wait(600)
    accepts(script)
    script.wait(600)
    script.feed(PhoneClosed(1000))

    assert [end.outcome for end in script.ordered(CallEnded)] == ["transferred"]
    assert script.call.resumption().transfers == 1
