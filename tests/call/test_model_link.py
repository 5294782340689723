"""The link to the model's session: how long it may take, and what is told of it."""

from tests.support.model_gone import NOT_SET_UP, lost
from tests.support.script import CLIPS, Script, an_agent
from voice_agent.call.commands import CallEnded, CloseModel, Note, PlayAudio
from voice_agent.call.events import (
    ModelClosed,
    ModelError,
    ModelFault,
    ModelOpened,
    ModelRefused,
    SessionCreated,
    SessionUpdated,
    StreamStopped,
    TranscriptionFailed,
)


def signs(script: Script) -> int:
    return sum(command.audio == CLIPS["moment"] for command in script.ordered(PlayAudio))


def test_a_session_that_opens_late_and_has_nowhere_else_to_be_had_keeps_its_time() -> None:
    script = Script()
    script.begin_stream()
    script.wait(100)
    script.feed(ModelOpened())
    script.wait(5899)
    before = lost(script)
    script.wait(1)

    assert (before, lost(script)) == ([], [NOT_SET_UP])


def test_a_further_try_has_what_is_left_of_the_time() -> None:
    script = Script()
    script.begin_stream()
    script.feed(ModelRefused(503, "busy"))
    script.wait(5999)
    before = lost(script)
    script.wait(1)

    assert (before, lost(script)) == ([], [NOT_SET_UP])


def test_a_caller_who_waits_for_the_session_hears_a_sign_of_life_and_then_an_apology() -> None:
    script = Script()
    script.begin_stream()
    script.wait(2499)
    before = signs(script)
    script.wait(1)
    once, early = signs(script), lost(script)
    script.wait(3500)

    assert (before, once) == (0, 1)
    assert early == []
    assert lost(script) == [NOT_SET_UP]
    assert script.ordered(PlayAudio)[-1].audio == CLIPS["apology"]


def test_a_sign_of_life_needs_its_clip() -> None:
    script = Script(clips={})
    script.begin_stream()
    script.wait(3000)

    assert script.ordered(PlayAudio) == []


def test_a_session_that_is_ready_needs_no_sign_of_life() -> None:
    script = Script().begin()
    script.wait(10_000)

    assert signs(script) == 0
    assert lost(script) == []


def test_a_session_that_comes_after_the_model_was_given_up_is_not_set_up() -> None:
    script = Script()
    script.wait(6000)

    assert lost(script) == [NOT_SET_UP]
    assert script.feed(ModelOpened(), SessionCreated("sess_1"), SessionUpdated()) == []


def test_races_that_the_protocol_allows_are_not_told() -> None:
    script = Script().begin()

    assert script.feed(ModelError("response_cancel_not_active", "none is active", "cancel-r1")) == []


def test_what_was_skipped_or_not_transcribed_is_told() -> None:
    script = Script().begin()
    script.feed(ModelFault("not JSON"), TranscriptionFailed("u1", "no such deployment"), ModelError(None, "oh"))

    assert script.ordered(Note) == [
        Note("warning", "a message of the model was skipped", {"problem": "not JSON"}),
        Note("warning", "a turn of the caller was not transcribed", {"problem": "no such deployment"}),
        Note("warning", "the model refused a request", {"error": "error: oh", "event_id": None}),
    ]


def test_the_session_is_closed_when_the_call_is_over_and_only_if_there_is_one() -> None:
    connected, never = Script().begin(), Script(preconnect=False)
    connected.feed(StreamStopped())
    never.wait(10_000)

    assert len(connected.ordered(CloseModel)) == 1
    assert [type(command) for command in never.said] == [CallEnded]


def test_its_state_is_told_in_one_word() -> None:
    script = Script(preconnect=False)
    seen = [repr(script.call._link)]
    script.begin_stream()
    seen.append(repr(script.call._link))
    script.begin_session()
    seen.append(repr(script.call._link))
    script.feed(ModelClosed(4000))
    seen.append(repr(script.call._link))

    assert seen == [f"<ModelLink {state}>" for state in ("idle", "connecting", "ready", "gone")]


def test_a_model_that_is_lost_for_two_reasons_at_once_is_told_once() -> None:
    script = Script(an_agent(greeting="Hello.")).begin()
    script.feed(ModelError("server_error", "oh", "greeting-1"), ModelError("insufficient_quota", "pay", "greeting-2"))

    assert lost(script) == ["insufficient_quota: pay; check the account at the provider"]
    assert len(script.ordered(CloseModel)) == 1


def test_a_session_that_was_ordered_early_may_take_its_time_from_when_the_caller_waits_for_it() -> None:
    script = Script()
    script.wait(3000)
    script.begin_stream()
    script.wait(5999)
    before = lost(script)
    script.wait(1)

    assert before == []
    assert lost(script) == [NOT_SET_UP]


def test_what_is_told_of_a_session_once_it_is_in_use_changes_nothing() -> None:
    script = Script().begin()

    assert script.feed(SessionUpdated("voice: ash instead of marin")) == []
