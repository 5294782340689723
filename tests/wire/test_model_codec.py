import base64
import json
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.beta.realtime import RealtimeClientEvent as PreviewClientEvent
from openai.types.realtime import RealtimeClientEvent
from pydantic import TypeAdapter

from tests.support import realtime_samples as samples
from voice_agent.agent import ServerVad, Tool, Transcription
from voice_agent.audio.resample import Downsampler, Upsampler
from voice_agent.call import events
from voice_agent.call.commands import (
    AddToolOutput,
    AddUserText,
    AnswerMcpApproval,
    AppendAudio,
    CancelResponse,
    ConfigureSession,
    CreateResponse,
    ModelCommand,
    SetTurnFlags,
    TruncateItem,
)
from voice_agent.call.events import CallEvent, ModelAudio, ModelFault, ResponseDone, SessionUpdated
from voice_agent.call.setup import ModelSetup
from voice_agent.wire.model_codec import UNKNOWN_TYPES_TOLD, ModelCodec

CONFIGURE = ConfigureSession(
    instructions="Be brief.",
    voice="marin",
    tools=(Tool(name="hours", description="", parameters={"type": "object"}, kind="python"),),
    turn_detection=ServerVad(),
    interrupt_response=False,
    create_response=False,
    transcription=Transcription(),
    noise_reduction=None,
)
OPEN = SetTurnFlags(ServerVad(), interrupt_response=True, create_response=True)
TONE = bytes(range(256)) * 30
"""Any sound: 160 ms of PCM."""


def codec(audio: Literal["pcm24k", "g711"] = "pcm24k", dialect: Literal["ga", "preview"] = "ga") -> ModelCodec:
    return ModelCodec(ModelSetup(audio=audio, dialect=dialect))


def delta(audio: bytes, item: str = "item_1", response: str = "resp_1") -> str:
    text = base64.b64encode(audio).decode()
    name = "response.output_audio.delta"
    return json.dumps({"type": name, "response_id": response, "item_id": item, "content_index": 0, "delta": text})


def audio_done(item: str = "item_1", response: str = "resp_1") -> str:
    return json.dumps({"type": "response.output_audio.done", "response_id": response, "item_id": item})


def response_done(status: str, response: str = "resp_1") -> str:
    return json.dumps({"type": "response.done", "response": {"id": response, "status": status}})


def sound(received: Sequence[CallEvent]) -> bytes:
    return b"".join(event.audio for event in received if isinstance(event, ModelAudio))


def sent(model: ModelCodec, command: ModelCommand) -> Any:
    (text,) = model.send(command)
    return json.loads(text)


def echo_of(message: Any) -> str:
    return json.dumps({"type": "session.updated", "session": message["session"]})


# --- the model's audio -----------------------------------------------------------------------------------------------


def test_pcm_becomes_the_caller_s_mulaw_with_nothing_missing() -> None:
    model, whole = codec(), Downsampler()
    received = [*model.receive(delta(TONE[:3001])), *model.receive(delta(TONE[3001:])), *model.receive(audio_done())]

    assert sound(received) == whole.feed(TONE) + whole.flush()
    assert [(event.sent_ms, event.done) for event in received if isinstance(event, ModelAudio)] == [
        (62, False),
        (160, False),
        (160, True),
    ]


def test_mulaw_passes_through_untouched() -> None:
    model = codec("g711")

    assert model.receive(delta(TONE[:803])) == [ModelAudio("resp_1", "item_1", 0, TONE[:803], 100)]
    assert model.receive(audio_done()) == [ModelAudio("resp_1", "item_1", 0, b"", 100, done=True)]


def test_two_items_follow_each_other_as_two_streams() -> None:
    model, first, second = codec(), Downsampler(), Downsampler()
    received = [*model.receive(delta(TONE)), *model.receive(delta(TONE, "item_2")), *model.receive(audio_done())]
    received += model.receive(audio_done("item_2"))

    assert sound(received) == first.feed(TONE) + first.flush() + second.feed(TONE) + second.flush()
    assert [(e.item_id, e.done) for e in received if isinstance(e, ModelAudio)] == [
        ("item_1", False),
        ("item_1", False),
        ("item_2", False),
        ("item_1", True),
        ("item_2", True),
    ]


@pytest.mark.parametrize("status", ["cancelled", "failed", "incomplete", "a word of next year"])
def test_a_reply_that_was_cut_is_not_heard_in_the_next(status: str) -> None:
    model, fresh = codec(), Downsampler()
    model.receive(delta(TONE))
    (done,) = model.receive(response_done(status))

    assert isinstance(done, ResponseDone)
    assert sound(model.receive(delta(TONE, "item_2", "resp_2"))) == fresh.feed(TONE)


def test_a_whole_reply_brings_its_tail_even_if_the_server_forgot_to_end_its_audio() -> None:
    model, whole = codec(), Downsampler()
    received = [*model.receive(delta(TONE)), *model.receive(response_done("completed"))]

    assert sound(received) == whole.feed(TONE) + whole.flush()
    assert isinstance(received[-1], ResponseDone)


def test_an_empty_delta_is_nothing() -> None:
    assert codec().receive(delta(b"")) == []


def test_audio_that_is_no_base64_is_a_fault_that_does_not_show_it() -> None:
    text = delta(TONE).replace('"delta": "', '"delta": "?')

    assert codec().receive(text) == [ModelFault("response.output_audio.delta: delta is not base64")]


@given(st.lists(st.integers(0, 700), max_size=12))
def test_however_the_model_cuts_its_audio_the_caller_hears_the_same(sizes: list[int]) -> None:
    model, whole = codec(), Downsampler()
    received: list[CallEvent] = []
    at = 0
    for size in sizes:
        received += model.receive(delta(TONE[at : at + size]))
        at += size
    received += model.receive(audio_done())

    assert sound(received) == whole.feed(TONE[:at]) + whole.flush()


# --- other messages --------------------------------------------------------------------------------------------------


def test_what_needs_no_memory_is_translated() -> None:
    model = codec()

    assert model.receive(samples.text("server", "input_audio_buffer.committed")) == [events.TurnCommitted("msg_002")]
    assert model.receive(samples.text("server", "rate_limits.updated")) == []


def test_an_unknown_type_is_told_once() -> None:
    model = codec()

    assert model.receive('{"type":"response.thought"}') == [ModelFault("unknown event type response.thought")]
    assert model.receive('{"type":"response.thought"}') == []


def test_a_peer_that_keeps_inventing_types_is_not_listened_to_for_ever() -> None:
    model = codec()
    told = [model.receive(json.dumps({"type": f"new.{number}"})) for number in range(UNKNOWN_TYPES_TOLD + 5)]

    assert sum(map(len, told)) == UNKNOWN_TYPES_TOLD


def test_a_broken_message_is_a_fault_that_names_the_field() -> None:
    (fault,) = codec().receive('{"type":"response.done","response":{}}')

    assert fault == ModelFault("response.done: Object missing required field `id` - at `$.response`")


@given(st.lists(st.text() | samples.mutated("server"), max_size=5), st.sampled_from(["pcm24k", "g711"]))
def test_nothing_that_a_server_sends_raises(texts: list[str], audio: Any) -> None:
    model = codec(audio)
    model.send(CONFIGURE)
    for text in texts:
        assert all(isinstance(event, events.Event) for event in model.receive(text))


# --- the session -----------------------------------------------------------------------------------------------------


def test_the_session_is_set_up_as_asked() -> None:
    message = sent(codec("g711"), CONFIGURE)

    assert message["type"] == "session.update"
    assert message["session"]["type"] == "realtime"
    assert message["session"]["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert message["session"]["tools"][0]["name"] == "hours"


def test_an_echo_that_agrees_has_nothing_to_say() -> None:
    model = codec()

    assert model.receive(echo_of(sent(model, CONFIGURE))) == [SessionUpdated()]


def test_an_echo_in_another_format_makes_the_session_unusable() -> None:
    model = codec("g711")
    message = sent(model, CONFIGURE)
    message["session"]["audio"]["output"]["format"] = {"type": "audio/pcm", "rate": 24000}

    assert model.receive(echo_of(message)) == [
        SessionUpdated('audio.output.format.type is "audio/pcm", not "audio/pcmu"', unusable=True)
    ]


def test_the_preview_s_session_is_asked_for_and_compared() -> None:
    model = codec("g711", "preview")
    message = sent(model, CONFIGURE)

    assert message["session"]["input_audio_format"] == "g711_ulaw"
    assert model.receive(echo_of(message)) == [SessionUpdated()]
    message["session"]["input_audio_format"] = "pcm16"
    assert model.receive(echo_of(message)) == [
        SessionUpdated('input_audio_format is "pcm16", not "g711_ulaw"', unusable=True)
    ]


@pytest.mark.parametrize(
    ("dialect", "session", "other"),
    [("ga", {"modalities": ["audio", "text"]}, "preview"), ("preview", {"output_modalities": ["audio"]}, "ga")],
)
def test_an_endpoint_of_the_other_dialect_is_told_with_the_remedy(dialect: Any, session: Any, other: str) -> None:
    created = json.dumps({"type": "session.created", "session": {"id": "sess_1"} | session})

    assert codec(dialect=dialect).receive(created) == [
        ModelFault(
            f"the endpoint speaks {other}, not {dialect}: use a URL of its form, or set REALTIME_DIALECT={other}"
        ),
        events.SessionCreated("sess_1"),
    ]
    assert codec(dialect=other).receive(created) == [events.SessionCreated("sess_1")]  # type: ignore[arg-type]


def test_flags_that_were_changed_are_expected_from_then_on() -> None:
    model = codec()
    first = sent(model, CONFIGURE)
    model.receive(echo_of(first))
    second = sent(model, OPEN)

    assert second["session"]["audio"] == {
        "input": {
            "turn_detection": first["session"]["audio"]["input"]["turn_detection"]
            | {"create_response": True, "interrupt_response": True}
        }
    }
    first["session"]["audio"]["input"]["turn_detection"] |= {"create_response": True, "interrupt_response": True}
    assert model.receive(echo_of(first)) == [SessionUpdated()]
    assert model.receive(echo_of(first)) == [SessionUpdated()]


def test_an_echo_is_compared_with_what_it_answers_when_two_are_under_way() -> None:
    model = codec()
    first = sent(model, CONFIGURE)
    sent(model, OPEN)

    assert model.receive(echo_of(first)) == [SessionUpdated()]
    (event,) = model.receive(echo_of(first))
    assert isinstance(event, SessionUpdated)
    assert "create_response is false, not true" in event.mismatch


def test_a_refused_update_is_not_waited_for() -> None:
    model = codec()
    refused = sent(model, SetTurnFlags(ServerVad(threshold=0.9), interrupt_response=False, create_response=False))
    message = sent(model, CONFIGURE)
    (error,) = model.receive(json.dumps({"type": "error", "error": {"code": "x", "event_id": refused["event_id"]}}))

    assert error == events.ModelError("x", "", refused["event_id"])
    assert model.receive(echo_of(message)) == [SessionUpdated()]


def test_a_session_that_is_set_up_once_more_is_told_what_changes_and_answers_under_its_name() -> None:
    model = codec()
    model.receive(echo_of(sent(model, CONFIGURE)))
    message = sent(model, msgspec.structs.replace(CONFIGURE, instructions="Be kind.", event_id="handoff-1"))

    assert (message["event_id"], message["session"]) == ("handoff-1", {"type": "realtime", "instructions": "Be kind."})
    assert model.receive(echo_of(message)) == [SessionUpdated(request="handoff-1")]


def test_what_was_refused_is_not_in_force_when_the_session_is_changed_again() -> None:
    model = codec()
    model.receive(echo_of(sent(model, CONFIGURE)))
    kind = msgspec.structs.replace(CONFIGURE, instructions="Be kind.", event_id="handoff-1")
    sent(model, kind)
    model.receive(json.dumps({"type": "error", "error": {"code": "x", "event_id": "handoff-1"}}))
    again = sent(model, msgspec.structs.replace(kind, event_id="handoff-2"))

    assert again["session"] == {"type": "realtime", "instructions": "Be kind."}


def test_an_echo_that_nobody_asked_for_agrees_with_anything() -> None:
    assert codec().receive(samples.text("server", "session.updated")) == [SessionUpdated()]


# --- to the model ----------------------------------------------------------------------------------------------------


def test_the_caller_s_audio_becomes_pcm() -> None:
    model, whole = codec(), Upsampler()
    frames = [bytes([255 - number]) * 160 for number in range(5)]
    appended = [base64.b64decode(sent(model, AppendAudio(frame))["audio"]) for frame in frames]

    assert [len(audio) for audio in appended] == [960] * 5
    assert b"".join(appended) == whole.feed(b"".join(frames))


def test_the_caller_s_mulaw_passes_through() -> None:
    assert codec("g711").send(AppendAudio(b"\xff\x7f\x00")) == ['{"type":"input_audio_buffer.append","audio":"/38A"}']


@pytest.mark.parametrize("audio", ["pcm24k", "g711"])
def test_no_audio_is_no_message(audio: Any) -> None:
    assert codec(audio).send(AppendAudio(b"")) == []


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (
            CreateResponse("r1"),
            {"type": "response.create", "event_id": "r1", "response": {"metadata": {"request": "r1"}}},
        ),
        (
            CreateResponse("r2", instructions="Say hello.", tool_choice="none"),
            {
                "type": "response.create",
                "event_id": "r2",
                "response": {
                    "metadata": {"request": "r2"},
                    "instructions": "Say hello.",
                    "tool_choice": "none",
                },
            },
        ),
        (
            CancelResponse("e1", "resp_1"),
            {"type": "response.cancel", "event_id": "e1", "response_id": "resp_1"},
        ),
        (
            TruncateItem("e2", "item_1", 0, 1500, "mark"),
            {
                "type": "conversation.item.truncate",
                "event_id": "e2",
                "item_id": "item_1",
                "content_index": 0,
                "audio_end_ms": 1500,
            },
        ),
        (
            AddUserText("e3", "The caller pressed 4."),
            {
                "type": "conversation.item.create",
                "event_id": "e3",
                "item": {
                    "type": "message",
                    "role": "user",
                    "content": [{"type": "input_text", "text": "The caller pressed 4."}],
                },
            },
        ),
        (
            AddToolOutput("e4", "call_1", '{"open":true}'),
            {
                "type": "conversation.item.create",
                "event_id": "e4",
                "item": {"type": "function_call_output", "call_id": "call_1", "output": '{"open":true}'},
            },
        ),
    ],
)
def test_an_order_is_written_as_the_api_wants_it(command: ModelCommand, message: Any) -> None:
    assert sent(codec(), command) == message
    assert sent(codec(dialect="preview"), command) == message
    TypeAdapter[Any](RealtimeClientEvent).validate_python(message)
    TypeAdapter[Any](PreviewClientEvent).validate_python(message)


@pytest.mark.parametrize(("approve", "told"), [(True, {}), (False, {"reason": "not allowed on this line"})])
def test_an_mcp_call_is_approved_or_refused_as_the_api_wants_it(approve: bool, told: dict[str, str]) -> None:
    answer = sent(codec(), AnswerMcpApproval("approval_1", "item_9", approve, told.get("reason", "")))

    assert answer["item"] == {
        "type": "mcp_approval_response",
        "id": "approval_1",
        "approval_request_id": "item_9",
        "approve": approve,
        **told,
    }
    TypeAdapter[Any](RealtimeClientEvent).validate_python(answer)


def test_a_listing_that_failed_is_told_with_the_server_that_its_item_named() -> None:
    model = codec()
    item = {"id": "l1", "type": "mcp_list_tools", "server_label": "calendar", "tools": []}
    failed = json.dumps({"type": "mcp_list_tools.failed", "event_id": "e", "item_id": "l1"})

    assert model.receive(json.dumps({"type": "conversation.item.added", "event_id": "e", "item": item})) == []
    assert model.receive(failed) == [events.McpListingFailed("calendar")]
    assert codec().receive(failed) == [events.McpListingFailed("")]


def test_a_response_that_was_asked_for_comes_back_under_its_name() -> None:
    model = codec()
    asked = sent(model, CreateResponse("r1"))
    created = {"type": "response.created", "response": {"id": "resp_1", "metadata": asked["response"]["metadata"]}}

    assert model.receive(json.dumps(created)) == [events.ResponseCreated("resp_1", "r1")]
