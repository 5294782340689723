"""How a call ends whose model is lost: with an apology."""

import msgspec
import pytest

from tests.support.endings import answers, ends, hangs_up
from tests.support.handovers import BILLING, DESK, SALES, a_call, handed_over
from tests.support.script import CLIPS, Script, an_agent
from voice_agent.agent import LastResort
from voice_agent.call.commands import (
    CallEnded,
    ClearPlayback,
    ClosePhone,
    HangUp,
    PlayAudio,
)
from voice_agent.call.events import (
    ModelClosed,
    ModelRefused,
    PhoneClosed,
    ToolRequested,
)


def apologies(script: Script) -> int:
    return sum(command.audio == CLIPS["apology"] for command in script.ordered(PlayAudio))


def test_a_caller_whose_model_is_lost_hears_an_apology_and_then_the_action_decides() -> None:
    script = Script(rest=True).begin()
    script.feed(ModelClosed(4000, "internal error"))
    script.wait(350)
    before = script.ordered(ClosePhone)
    script.wait(100)
    script.feed(PhoneClosed(1000))

    assert apologies(script) == 1
    assert before == []
    assert [c.reason for c in script.ordered(ClosePhone)] == ["the model's socket closed: internal error"]
    assert script.ordered(HangUp) == []
    assert [end.outcome for end in script.ordered(CallEnded)] == ["model_failed"]


def test_the_apology_plays_behind_what_is_still_to_be_heard() -> None:
    script = Script().begin()
    script.agent_speaks("a", 3000)
    script.feed(ModelClosed(4000))
    script.wait(3350)
    before = script.ordered(ClosePhone)
    script.wait(100)

    assert before == []
    assert len(script.ordered(ClosePhone)) == 1


def test_without_an_apology_to_play_the_line_is_closed_at_once() -> None:
    script = Script(clips={}).begin()
    script.feed(ModelClosed(4000))
    closed = script.ordered(ClosePhone)
    script.feed(PhoneClosed(1000))

    assert closed == [ClosePhone("the model's socket closed: 4000")]
    assert ends(script) == [("model_failed", "the model's socket closed: 4000")]


def test_an_apology_whose_end_is_never_confirmed_does_not_hold_the_line_for_ever() -> None:
    script = Script().begin()
    script.feed(ModelClosed(4000))
    script.echo = False
    script.wait(60_000)

    assert len(script.ordered(ClosePhone)) == 1


def test_an_apology_behind_endless_words_is_not_waited_for() -> None:
    script = Script().begin()
    script.agent_speaks("a", 90_000)
    script.feed(ModelClosed(4000))
    script.wait(59_999)
    before = script.ordered(ClosePhone)
    script.wait(1)
    after = len(script.ordered(ClosePhone))
    script.feed(PhoneClosed(1000))

    assert (before, after) == ([], 1)
    assert ends(script) == [("model_failed", "the model's socket closed: 4000")]


def test_a_model_lost_before_the_stream_starts_is_apologised_for_when_it_does() -> None:
    script = Script()
    script.feed(ModelRefused(401, "the endpoint says 401: check the key"))
    before = list(script.said)
    script.begin_stream()
    script.wait(500)
    script.feed(PhoneClosed(1000))

    assert not any(isinstance(c, PlayAudio | ClosePhone) for c in before)
    assert apologies(script) == 1
    assert ends(script) == [("model_failed", "the endpoint says 401: check the key")]


def test_a_model_lost_during_the_goodbye_changes_nothing_once_the_words_are_all_there() -> None:
    script = Script().begin()
    hangs_up(script, words_ms=2000)
    script.feed(ModelClosed(4000))
    script.wait(2400)
    script.feed(PhoneClosed(1000))

    assert apologies(script) == 0
    assert ends(script) == [("completed", "the agent hung up")]
    assert answers(script) == []  # nobody is there to read it


def test_a_model_lost_in_the_middle_of_the_goodbye_is_apologised_for() -> None:
    script = Script().begin()
    script.agent_speaks("bye", 1000, done=False)
    script.feed(ToolRequested("r1", "f1", "c1", "hang_up", "{}"))
    script.feed(ModelClosed(4000))
    script.wait(1500)
    script.feed(PhoneClosed(1000))

    assert apologies(script) == 1
    assert [end.outcome for end in script.ordered(CallEnded)] == ["model_failed"]


def test_an_apology_of_the_agents_own_is_heard_in_the_place_of_the_packaged_one() -> None:
    script = Script(an_agent(last_resort=LastResort(clip=b"\x77" * 800))).begin()
    script.feed(ModelClosed(4000))

    assert [command.audio for command in script.ordered(PlayAudio)] == [b"\x77" * 800]


def test_each_agent_has_its_own_apology() -> None:
    desk, billing = (
        msgspec.structs.replace(agent, last_resort=LastResort(clip=clip * 800))
        for agent, clip in ((DESK, b"\x77"), (BILLING, b"\x66"))
    )
    script = a_call(desk, (billing, SALES))
    script.feed(ModelClosed(4000))

    assert [command.audio for command in script.ordered(PlayAudio)] == [b"\x77" * 800]


def test_where_the_carrier_apologises_the_line_is_left_to_it_at_once() -> None:
    script = Script(an_agent(last_resort=LastResort(say="Es tut uns leid."))).begin()
    script.feed(ModelClosed(4000))

    assert script.ordered(PlayAudio) == []
    assert len(script.ordered(ClosePhone)) == 1


def test_the_carrier_apologises_behind_what_is_still_to_be_heard() -> None:
    script = Script(an_agent(last_resort=LastResort(say="Es tut uns leid."))).begin()
    script.agent_speaks("a", 3000)
    script.feed(ModelClosed(4000))
    script.wait(3200)
    before = script.ordered(ClosePhone)
    script.wait(200)
    script.feed(PhoneClosed(1000))

    assert before == []
    assert script.ordered(ClearPlayback) == []
    assert len(script.ordered(ClosePhone)) == 1
    assert [end.outcome for end in script.ordered(CallEnded)] == ["model_failed"]


@pytest.mark.parametrize(
    ("wanted", "heard"),
    [
        (None, [CLIPS["apology"]]),
        (LastResort(clip=b"\x66" * 800), [b"\x66" * 800]),
        (LastResort(say="Es tut uns leid."), []),
    ],
)
def test_the_apology_is_that_of_the_agent_who_has_the_call(wanted: LastResort | None, heard: list[bytes]) -> None:
    desk = msgspec.structs.replace(DESK, last_resort=LastResort(clip=b"\x77" * 800))
    script = a_call(desk, (msgspec.structs.replace(BILLING, last_resort=wanted), SALES))
    handed_over(script)
    script.wait(1000)
    before = len(script.ordered(PlayAudio))
    script.feed(ModelClosed(4000))

    assert [command.audio for command in script.ordered(PlayAudio)[before:]] == heard
