"""The link to the model's session."""

import pytest

from tests.support.script import CLIPS, Script, an_agent
from voice_agent.agent import ModelOptions, Transcription
from voice_agent.call.commands import (
    AddSystemText,
    AddUserText,
    AppendAudio,
    CallEnded,
    CloseModel,
    ConfigureSession,
    ConnectModel,
    CreateResponse,
    Note,
    PlayAudio,
)
from voice_agent.call.conversation import CallerTurn, Conversation, Resumption
from voice_agent.call.events import (
    CallerAudio,
    ModelClosed,
    ModelError,
    ModelFault,
    ModelOpened,
    ModelRefused,
    ResponseCreated,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    StreamStarted,
    StreamStopped,
    TranscriptionFailed,
)
from voice_agent.call.facts import SESSION_LOST, ModelGone, SessionFailed
from voice_agent.call.model_link import AFTER_OPEN_MS, AGAIN_MS, LOST, OPEN_MS, SET_UP_MS, SETTLED_MS, ModelLink

NOT_SET_UP = "the model's session was not set up within 6 s; check the network and the provider's status page"


def lost(script: Script) -> list[str]:
    """Why the model is gone, as the log says."""
    return [note.fields["reason"] for note in script.ordered(Note) if note.what == "the model is gone"]


OPTIONS = ModelOptions(speed=1.1)


def warnings(script: Script) -> list[str]:
    return [note.what for note in script.ordered(Note) if note.level == "warning"]


def signs(script: Script) -> int:
    return sum(command.audio == CLIPS["moment"] for command in script.ordered(PlayAudio))


def test_the_model_is_connected_before_the_stream_starts() -> None:
    script = Script()

    assert script.fresh() == [ConnectModel()]
    assert script.begin_stream() == []


def test_without_preconnecting_the_model_is_connected_when_the_stream_starts() -> None:
    script = Script(preconnect=False)
    before = list(script.said)
    script.wait(3000)
    commands = script.begin_stream()
    script.wait(5999)
    still = lost(script)
    script.wait(1)

    assert (before, commands) == ([], [ConnectModel()])
    assert still == []
    assert lost(script) == [NOT_SET_UP]


def test_the_session_is_set_up_as_the_agent_asks_before_any_audio_flows() -> None:
    agent = an_agent(
        transcription=Transcription(language="nl"), noise_reduction="far_field", voice="cedar", model=OPTIONS
    )
    script = Script(agent)
    script.begin_stream()
    script.feed(CallerAudio(0, b"\x80" * 160), ModelOpened())
    configured = script.feed(SessionCreated("sess_1"))
    script.feed(CallerAudio(20, b"\x80" * 160))
    before = script.ordered(AppendAudio)
    script.feed(SessionUpdated())

    assert configured == [
        ConfigureSession(
            instructions="Be brief.",
            voice="cedar",
            tools=agent.tools,
            turn_detection=agent.turn_detection,
            interrupt_response=True,
            create_response=True,
            transcription=agent.transcription,
            noise_reduction="far_field",
            model=OPTIONS,
        )
    ]
    assert before == []
    assert script.ordered(AppendAudio) == [AppendAudio(b"\x80" * 320)]


def test_a_session_that_goes_on_is_told_the_history_before_it_hears_anything() -> None:
    former = Conversation("test", (CallerTurn("u1", "Is it open?"),))
    script = Script(resumed=Resumption(former, "The line was lost."))
    script.begin_stream()
    script.feed(CallerAudio(0, b"\x80" * 160), ModelOpened(), SessionCreated("sess_1"))
    told = script.feed(SessionUpdated())

    assert told[:2] == [AddUserText("history-1", "Is it open?"), AddSystemText("history-2", "The line was lost.")]
    assert AppendAudio(b"\x80" * 160) in told[2:]
    assert script.feed(SessionUpdated()) == []


def test_the_session_is_set_up_once() -> None:
    script = Script().begin()

    assert script.feed(SessionCreated("sess_1"), SessionUpdated()) == []


def test_a_session_that_differs_is_used_and_told() -> None:
    script = Script()
    script.feed(SessionCreated("sess_1"), SessionUpdated("voice: ash instead of marin"))

    assert script.ordered(Note) == [
        Note("warning", "the session differs from what was asked", {"difference": "voice: ash instead of marin"})
    ]
    assert lost(script) == []


def test_a_conversation_that_goes_on_in_a_third_session_is_told_both_reasons() -> None:
    back = Resumption(Conversation("test", (CallerTurn("u1", "Is it open?"),)), "The line is busy.")
    script = Script(resumed=back).begin()
    script.wait(3000)
    script.feed(ModelClosed(1006))
    script.wait(200)
    script.begin_session()

    assert script.ordered(AddSystemText)[-1].text == f"The line is busy. {LOST}"
    assert [note.fields["after_ms"] for note in script.ordered(Note) if note.what == "the model is back"] == [200]


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


@pytest.mark.parametrize(
    "event",
    [
        SessionUpdated("audio.output.format: audio/pcmu", unusable=True),
        ModelError("unknown_parameter", "session.type"),
        ModelRefused(503, "busy"),
    ],
)
def test_what_cannot_be_used_at_one_endpoint_is_sought_at_the_next(
    event: SessionUpdated | ModelError | ModelRefused,
) -> None:
    script = Script(fallbacks=1)
    script.feed(SessionCreated("sess_1"), event)
    script.wait(SET_UP_MS - 1)
    before = lost(script)
    script.wait(1)

    assert endpoints(script) == [0, 1]
    assert (before, lost(script)) == ([], [NOT_SET_UP])


def test_a_lost_session_that_is_refused_is_asked_for_once_more_with_a_time_of_its_own() -> None:
    script = Script().begin()
    script.wait(5000)
    script.feed(ModelClosed(1006), ModelRefused(503, "busy"))
    script.wait(500)
    tries = len(script.ordered(ConnectModel))
    script.wait(SET_UP_MS)

    assert tries == 3
    assert lost(script) == [NOT_SET_UP]


def test_only_the_responses_that_are_open_end_with_their_session() -> None:
    link = ModelLink(("",), None)
    started = (StreamStarted("MZ1", "CA1"), SessionCreated("sess_1"), SessionUpdated())
    responses = (ResponseCreated("r1", None), ResponseDone("r1", "completed"), ResponseCreated("r2", None))
    for event in (*started, *responses):
        list(link.feed(0, event))

    assert [output for output in link.feed(0, ModelClosed(1006)) if isinstance(output, ResponseDone)] == [
        ResponseDone("r2", "cancelled", SESSION_LOST)
    ]


def test_a_session_with_another_audio_format_is_not_used() -> None:
    script = Script()
    script.feed(SessionCreated("sess_1"), SessionUpdated("audio.output.format: audio/pcmu", unusable=True))

    assert lost(script) == ["the session's audio format cannot be used: audio.output.format: audio/pcmu"]
    assert len(script.ordered(CloseModel)) == 1


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


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ModelRefused(401, "401: the key is wrong"), "401: the key is wrong"),
        (ModelRefused(429, "429: the quota is used up", 4), "429: the quota is used up"),
        (ModelClosed(1008), "the model's socket closed: 1008"),
        (ModelClosed(3000, "close 3000: the key"), "the model's socket closed: close 3000: the key"),
        (ModelError("insufficient_quota", "pay"), "insufficient_quota: pay; check the account at the provider"),
    ],
)
def test_a_model_that_gives_no_other_session_is_told_once_with_what_to_check(event: ModelClosed, reason: str) -> None:
    script = Script().begin()
    script.feed(event, ModelClosed(1006))

    assert lost(script) == [reason]
    assert len(script.ordered(CloseModel)) == 1


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ModelClosed(None), "the model's socket closed: no close frame"),
        (ModelClosed(1001), "the model's socket closed: 1001"),
        (ModelClosed(1011, "close 1011: it failed"), "the model's socket closed: close 1011: it failed"),
        (ModelError("session_expired", "60 minutes"), "session_expired: 60 minutes"),
    ],
)
def test_a_session_that_is_lost_is_opened_anew_at_once(event: ModelClosed, reason: str) -> None:
    script = Script().begin()
    script.fresh()
    told = script.feed(event)

    assert told == [Note("warning", "the model's session is opened anew", {"reason": reason}), ConnectModel()]
    script.wait(200)
    back = script.begin_session()
    assert Note("info", "the model is back", {"after_ms": 200, "endpoint": 1}) in back
    assert lost(script) == []


def test_a_session_is_opened_anew_twice_and_then_the_model_is_gone() -> None:
    script = Script().begin()
    for _ in range(3):
        script.feed(ModelClosed(1011))
        script.begin_session()

    assert len(script.ordered(ConnectModel)) == 3
    assert lost(script) == ["the model's socket closed: 1011"]


def test_a_session_that_has_answered_begins_a_new_count() -> None:
    script = Script().begin()
    for number in range(5):
        script.feed(ResponseCreated(f"r{number}", None), ResponseDone(f"r{number}", "completed"), ModelClosed(1011))
        script.begin_session()

    assert len(script.ordered(ConnectModel)) == 6
    assert lost(script) == []


def test_behind_an_answer_it_may_be_opened_anew_as_often_as_at_first() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), ResponseDone("r1", "completed"))
    for _ in range(3):
        script.feed(ModelClosed(1011))
        script.begin_session()

    assert len(script.ordered(ConnectModel)) == 3


def test_who_says_that_a_session_is_of_no_use_says_whether_another_one_would_be() -> None:
    said = []
    for failed in (
        SessionFailed("it is old", renewed=True),
        SessionFailed("responses keep failing: insufficient_quota"),
    ):
        link = ModelLink(("",), None)
        for event in (StreamStarted("MZ1", "CA1"), SessionCreated("sess_1"), SessionUpdated()):
            list(link.feed(0, event))
        said.append(next(iter(link.feed(0, failed))))

    assert said == [
        Note("info", "the model's session is opened anew", {"reason": "it is old"}),
        ModelGone("responses keep failing: insufficient_quota"),
    ]


def test_so_does_one_that_has_lived_for_a_while() -> None:
    script = Script().begin()
    for _ in range(4):
        script.wait(SETTLED_MS)
        script.feed(ModelClosed(1011))
        script.begin_session()

    assert lost(script) == []


def test_a_session_that_is_slow_to_come_back_is_asked_for_twice() -> None:
    script = Script().begin()
    script.feed(ModelClosed(1011))
    script.wait(AGAIN_MS)
    twice = script.ordered(ConnectModel)
    script.wait(SET_UP_MS)

    assert len(twice) == 3
    assert lost(script) == [NOT_SET_UP]


def test_the_end_of_a_session_that_is_not_waited_for_any_more_means_nothing() -> None:
    script = Script()
    script.begin_stream()
    script.feed(ModelRefused(503, "busy"), ModelClosed(1006))
    script.wait(500)

    assert len(script.ordered(ConnectModel)) == 2
    assert lost(script) == []


def endpoints(script: Script) -> list[int]:
    """Which endpoints were asked, in order."""
    return [command.endpoint for command in script.ordered(ConnectModel)]


def test_where_there_is_another_endpoint_nobody_waits_for_one_that_does_not_answer() -> None:
    script = Script(fallbacks=1)
    script.begin_stream()
    script.wait(OPEN_MS - 1)
    before = endpoints(script)
    script.wait(1)

    assert (before, endpoints(script)) == ([0], [0, 1])
    script.begin_session()
    assert lost(script) == []


def test_nor_for_one_that_opens_and_sets_nothing_up() -> None:
    script = Script(fallbacks=1)
    script.begin_stream()
    script.wait(900)
    script.feed(ModelOpened())
    script.wait(AFTER_OPEN_MS - 1)
    before = endpoints(script)
    script.wait(1)

    assert (before, endpoints(script)) == ([0], [0, 1])


@pytest.mark.parametrize("event", [ModelRefused(401, "key"), ModelRefused(429, "busy", 1), ModelRefused(None, "none")])
def test_a_refusal_leads_to_the_next_endpoint_at_once(event: ModelRefused) -> None:
    script = Script(fallbacks=2)
    script.begin_stream()
    told = script.feed(event)

    fields = {"reason": event.detail, "endpoint": 2}
    assert told == [Note("warning", "another endpoint is asked for the model", fields), ConnectModel(1)]
    script.feed(event)
    assert endpoints(script) == [0, 1, 2]


def test_a_lost_session_is_sought_where_it_was_and_then_round_about() -> None:
    script = Script(fallbacks=2)
    script.begin_stream()
    script.feed(ModelRefused(401, "key"))
    script.begin_session()
    for _ in range(5):
        script.feed(ModelClosed(1011))
        script.begin_session()

    # The first one was asked in this trouble before.
    assert endpoints(script) == [0, 1, 1, 1, 2, 2, 2]
    assert len(lost(script)) == 0
    script.feed(ModelClosed(1011))
    assert len(lost(script)) == 1


def test_an_endpoint_whose_account_is_used_up_is_not_asked_again() -> None:
    script = Script(fallbacks=1).begin()
    script.feed(ModelError("insufficient_quota", "pay"))

    assert endpoints(script) == [0, 1]


@pytest.mark.parametrize(
    ("event", "wait_ms"),
    [
        (ModelRefused(404, "young"), 500),
        (ModelRefused(500, "broken"), 500),
        (ModelRefused(503, "busy"), 500),
        (ModelRefused(429, "", 2), 2000),
        (ModelRefused(429, "", 3), 3000),
    ],
)
def test_a_refusal_that_may_pass_is_tried_once_more(event: ModelRefused, wait_ms: int) -> None:
    script = Script()
    script.begin_stream()
    script.feed(event)
    script.wait(wait_ms - 1)
    before = len(script.ordered(ConnectModel))
    script.wait(1)
    after = len(script.ordered(ConnectModel))
    script.feed(event)

    assert (before, after) == (1, 2)
    assert script.ordered(Note)[0] == Note(
        "warning", "the model refused, and is asked again", {"reason": event.detail, "wait_ms": wait_ms}
    )
    assert lost(script) == [event.detail]
    assert len(script.ordered(ConnectModel)) == 2


def test_a_try_that_comes_too_late_is_not_made() -> None:
    script = Script()
    script.begin_stream()
    script.wait(5000)
    script.feed(ModelRefused(429, "busy", 2))
    script.wait(5000)

    assert len(script.ordered(ConnectModel)) == 1
    assert len(lost(script)) == 1


def test_a_session_that_turns_mute_is_opened_anew_like_any_lost_one() -> None:
    script = Script(an_agent(greeting="Hello.")).begin()
    script.wait(4000)

    reason = "the model did not begin a response within 4 s; look at the provider's status page"
    assert Note("warning", "the model's session is opened anew", {"reason": reason}) in script.said
    script.begin_session()
    assert [command.request for command in script.ordered(CreateResponse)] == ["greeting-1", "greeting-2"]


def test_a_session_that_comes_after_the_model_was_given_up_is_not_set_up() -> None:
    script = Script()
    script.wait(6000)

    assert lost(script) == [NOT_SET_UP]
    assert script.feed(ModelOpened(), SessionCreated("sess_1"), SessionUpdated()) == []


def test_a_setup_that_was_not_understood_loses_the_session() -> None:
    script = Script()
    script.feed(SessionCreated("sess_1"), ModelError("unknown_parameter", "session.type"))

    assert lost(script) == [
        "the session was refused: unknown_parameter: session.type; check the agent's file and the model's name"
    ]


def test_the_same_error_later_only_refuses_a_request() -> None:
    script = Script().begin()
    script.feed(ModelError("unknown_parameter", "item.phase", "truncate-a"))

    assert lost(script) == []
    assert script.ordered(Note) == [
        Note(
            "warning",
            "the model refused a request",
            {"error": "unknown_parameter: item.phase", "event_id": "truncate-a"},
        )
    ]


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
