"""How a session is connected and set up before any audio flows, and what it is told."""

from tests.support.model_gone import NOT_SET_UP, lost
from tests.support.script import Script, an_agent
from voice_agent.agent import ModelOptions, Transcription
from voice_agent.call.commands import (
    AddSystemText,
    AddUserText,
    AppendAudio,
    CloseModel,
    ConfigureSession,
    ConnectModel,
    Note,
)
from voice_agent.call.conversation import CallerTurn, Conversation, Resumption
from voice_agent.call.events import (
    CallerAudio,
    CallerTranscribed,
    ModelClosed,
    ModelError,
    ModelOpened,
    SessionCreated,
    SessionUpdated,
)
from voice_agent.call.model_link import LOST

OPTIONS = ModelOptions(speed=1.1)


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


def test_a_conversation_that_goes_on_in_a_third_session_is_told_each_reason_in_its_place() -> None:
    back = Resumption(Conversation("test", (CallerTurn("u1", "Is it open?"),)), "The line is busy.")
    script = Script(resumed=back).begin()
    script.caller_speaks("u2")
    script.caller_stops("u2")
    script.feed(CallerTranscribed("u2", "Then tell me: when is it open?"))
    script.wait(3000)
    script.feed(ModelClosed(1006))
    script.wait(200)

    assert [command for command in script.begin_session() if isinstance(command, AddUserText | AddSystemText)] == [
        AddUserText("history-1", "Is it open?"),
        AddSystemText("history-2", "The line is busy."),
        AddUserText("history-3", "Then tell me: when is it open?"),
        AddSystemText("history-4", LOST),
    ]
    assert [note.fields["after_ms"] for note in script.ordered(Note) if note.what == "the model is back"] == [200]


def test_a_session_with_another_audio_format_is_not_used() -> None:
    script = Script()
    script.feed(SessionCreated("sess_1"), SessionUpdated("audio.output.format: audio/pcmu", unusable=True))

    assert lost(script) == ["the session's audio format cannot be used: audio.output.format: audio/pcmu"]
    assert len(script.ordered(CloseModel)) == 1


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
