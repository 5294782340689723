import base64
import contextlib
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import TypeAdapter

from tests.support import realtime_samples as samples
from voice_agent.errors import PeerError
from voice_agent.wire import realtime
from voice_agent.wire.dialects import PREVIEW_NAMES
from voice_agent.wire.realtime import Item, Problem, Response

SERVER: dict[str, realtime.ServerMessage] = {
    "error": realtime.ServerError(
        Problem("invalid_request_error", "invalid_event", "The 'type' field is missing.", "event_567")
    ),
    "session.created": realtime.SessionCreated(samples.fields("server", "session.created")["session"]),
    "session.updated": realtime.SessionUpdated(samples.fields("server", "session.updated")["session"]),
    "input_audio_buffer.speech_started": realtime.SpeechStarted("msg_003", 1000),
    "input_audio_buffer.speech_stopped": realtime.SpeechStopped("msg_003", 2000),
    "input_audio_buffer.committed": realtime.InputCommitted("msg_002"),
    "input_audio_buffer.timeout_triggered": realtime.TimeoutTriggered("item_CEKKrWH0GiwN0ET97NUZc"),
    "conversation.item.input_audio_transcription.completed": realtime.TranscriptionCompleted(
        "item_CCXGQ4e1ht4cOraEYcuR2",
        "Hey, can you hear me?",
        {
            "type": "tokens",
            "total_tokens": 22,
            "input_tokens": 13,
            "input_token_details": {"text_tokens": 0, "audio_tokens": 13},
            "output_tokens": 9,
        },
    ),
    "conversation.item.input_audio_transcription.failed": realtime.TranscriptionFailed(
        "msg_003", Problem("transcription_error", "audio_unintelligible", "The audio could not be transcribed.")
    ),
    "conversation.item.truncated": realtime.ItemTruncated("msg_004", 1500),
    "response.created": realtime.ResponseCreated(Response("resp_C9G8p7IH2WxLbkgPNouYL", "in_progress")),
    "response.done": realtime.ResponseDone(
        Response(
            "resp_CCXHw0UJld10EzIUXQCNh",
            "completed",
            usage=samples.fields("server", "response.done")["response"]["usage"],
        )
    ),
    "response.output_audio.delta": realtime.AudioDelta("resp_001", "msg_008", "8//2//v/9//q/+//", 0),
    "response.output_audio.done": realtime.AudioDone("resp_001", "msg_008", 0),
    "response.output_audio_transcript.delta": realtime.TranscriptDelta("resp_001", "msg_008", "Hello, how can I a"),
    "response.output_text.delta": realtime.TextDelta("resp_001", "msg_007", "Sure, I can h"),
    "response.output_item.done": realtime.OutputItemDone(
        "resp_002",
        Item("function_call", "fc_001", "completed", "call_001", "get_weather", '{"location": "San Francisco"}'),
    ),
    "conversation.item.added": realtime.ItemAdded(Item("message", "item_C9G8pGVKYnaZu8PH5YQ9O", "completed")),
    "conversation.item.done": realtime.ItemDone(Item("message", "item_CCXLfxmM5sXVJVz4mCa2S", "completed")),
    "mcp_list_tools.failed": realtime.McpListingFailed("mcp_list_tools_001"),
    "response.mcp_call.in_progress": realtime.McpCallBegan("mcp_call_001"),
    "response.mcp_call.completed": realtime.McpCallCompleted("mcp_call_001"),
    "response.mcp_call.failed": realtime.McpCallFailed("mcp_call_001"),
}
CLIENT: dict[str, realtime.ClientMessage] = {
    "session.update": realtime.SessionUpdate(
        event_id="event_123", session=samples.fields("client", "session.update")["session"]
    ),
    "transcription_session.update": realtime.TranscriptionSessionUpdate(
        event_id="event_124", session=samples.fields("client", "transcription_session.update")["session"]
    ),
    "input_audio_buffer.append": realtime.InputAppend(event_id="event_456", audio="8//2//v/9//q/+//"),
    "input_audio_buffer.commit": realtime.InputCommit(event_id="event_789"),
    "input_audio_buffer.clear": realtime.InputClear(event_id="event_012"),
    "conversation.item.create": realtime.ItemCreate(
        event_id="event_345",
        previous_item_id="root",
        item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
    ),
    "conversation.item.retrieve": realtime.ItemRetrieve(event_id="event_901", item_id="item_003"),
    "conversation.item.truncate": realtime.ItemTruncate(
        event_id="event_678", item_id="item_1234", content_index=0, audio_end_ms=1500
    ),
    "conversation.item.delete": realtime.ItemDelete(event_id="event_902", item_id="item_003"),
    "response.create": realtime.ResponseCreate(
        event_id="event_234", response=samples.fields("client", "response.create")["response"]
    ),
    "response.cancel": realtime.ResponseCancel(event_id="event_567", response_id="resp_001"),
    "output_audio_buffer.clear": realtime.OutputClear(event_id="optional_client_event_id"),
}


def problem_of(read: Callable[[str], object], text: str) -> str:
    with pytest.raises(PeerError) as caught:
        read(text)
    return str(caught.value)


def with_field(name: str, **changed: Any) -> str:
    return json.dumps(samples.fields("server", name) | changed)


# --- from the server -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SERVER)
def test_a_published_event_is_read(name: str) -> None:
    assert realtime.parse(samples.text("server", name)) == SERVER[name]


@pytest.mark.parametrize("name", realtime.IGNORED)
def test_a_published_event_that_means_nothing_here_is_known(name: str) -> None:
    assert isinstance(realtime.parse(samples.text("server", name)), realtime.Ignored)


@pytest.mark.parametrize(("old", "new"), PREVIEW_NAMES.items())
def test_the_preview_s_name_means_the_same(old: str, new: str) -> None:
    message = realtime.parse(samples.text("server", old))

    same = realtime.parse(samples.text("server", new))
    assert isinstance(message, type(same) if new in SERVER else realtime.Ignored)
    assert msgspec.structs.astuple(message) == msgspec.structs.astuple(same)


def test_there_is_a_sample_of_every_event() -> None:
    assert sorted({*SERVER, *realtime.IGNORED, *PREVIEW_NAMES}) == samples.names("server")
    assert sorted(CLIENT) == samples.names("client")


@pytest.mark.parametrize("side", ["server", "client"])
def test_the_samples_are_what_the_vendor_s_own_types_say(side: Any) -> None:
    vendor: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent if side == "server" else RealtimeClientEvent)
    for name in samples.names(side):
        if name not in PREVIEW_NAMES and not name.startswith("transcription_session."):
            assert vendor.validate_json(samples.text(side, name)).type == name


def test_unknown_fields_are_skipped() -> None:
    assert realtime.parse(with_field("conversation.item.truncated", phase="x", deep=[{"y": 1}])) == (
        realtime.ItemTruncated("msg_004", 1500)
    )


def test_an_unknown_type_is_told_by_its_name_cut_short() -> None:
    assert realtime.parse('{"type":"response.thought.delta"}') == realtime.Unknown("response.thought.delta")
    assert realtime.parse(json.dumps({"type": "x" * 9000})) == realtime.Unknown("x" * 100)


def test_status_details_may_be_a_plain_string() -> None:
    message = realtime.parse(with_field("response.done", response={"id": "r", "status_details": "turn_detected"}))

    assert message == realtime.ResponseDone(Response("r", status_details="turn_detected"))


def test_a_voice_may_be_an_object() -> None:
    response = {"id": "r", "status": "new word", "audio": {"output": {"voice": {"id": "voice_1"}}}}

    assert realtime.parse(with_field("response.created", response=response)) == (
        realtime.ResponseCreated(Response("r", "new word"))
    )


def test_an_error_may_lack_all_but_its_existence() -> None:
    assert realtime.parse('{"type":"error","error":{}}') == realtime.ServerError(Problem())
    assert realtime.parse('{"type":"error","error":"no"}') == realtime.ServerError("no")
    assert realtime.parse('{"type":"error","error":{"code":429}}') == realtime.ServerError(Problem(code=429))


def test_a_broken_field_is_named() -> None:
    problem = problem_of(realtime.parse, with_field("input_audio_buffer.speech_started", audio_start_ms="soon"))

    assert problem == "input_audio_buffer.speech_started: Expected `int`, got `str` - at `$.audio_start_ms`"


def test_a_number_that_json_readers_would_not_agree_on_is_refused() -> None:
    assert "audio_end_ms" in problem_of(realtime.parse, with_field("conversation.item.truncated", audio_end_ms=2**60))


def test_a_missing_field_is_named() -> None:
    problem = problem_of(realtime.parse, '{"type":"response.output_audio.done","response_id":"r"}')

    assert problem == "response.output_audio.done: Object missing required field `item_id`"


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"type"', "{}", '{"type":7}', '{"type":null}', "[" * 100_000])
def test_what_is_no_event_is_refused(text: str) -> None:
    assert problem_of(realtime.parse, text)
    assert problem_of(realtime.parse_client, text)


def test_half_a_character_is_refused_without_being_quoted() -> None:
    assert problem_of(realtime.parse, '{"type":"x\ud800"}') == "not text"


def test_an_unknown_type_is_not_quoted_where_the_rest_is_broken() -> None:
    assert "SECRET" not in problem_of(realtime.parse, '{"type":"SECRET\\u0000","x":}')
    assert problem_of(realtime.parse, '{"type":"SECRET","type":"session.created"}') == "session.created: two types"


def test_a_broken_delta_does_not_show_its_audio() -> None:
    problem = problem_of(realtime.parse, with_field("response.output_audio.delta", item_id=None, delta="SECRET"))

    assert "SECRET" not in problem
    assert "item_id" in problem


@given(st.text() | samples.mutated("server"))
def test_reading_a_server_never_fails_but_by_a_peer_error(text: str) -> None:
    with contextlib.suppress(PeerError):
        realtime.parse(text)


# --- from a client ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLIENT)
def test_a_published_client_event_is_read(name: str) -> None:
    assert realtime.parse_client(samples.text("client", name)) == CLIENT[name]


@pytest.mark.parametrize("name", CLIENT)
def test_a_published_client_event_is_written(name: str) -> None:
    written = realtime.encode(CLIENT[name])

    assert json.loads(written) == samples.fields("client", name)
    assert written.startswith(f'{{"type":"{name}"')


def test_what_is_not_set_is_not_written() -> None:
    assert realtime.encode(realtime.ResponseCancel()) == '{"type":"response.cancel"}'


def test_a_client_s_unknown_type_is_told() -> None:
    assert realtime.parse_client('{"type":"session.begin"}') == realtime.Unknown("session.begin")


def test_a_client_s_broken_field_is_named() -> None:
    problem = problem_of(realtime.parse_client, '{"type":"conversation.item.delete"}')

    assert problem == "conversation.item.delete: Object missing required field `item_id`"


@given(st.text() | samples.mutated("client"))
def test_reading_a_client_never_fails_but_by_a_peer_error(text: str) -> None:
    with contextlib.suppress(PeerError):
        realtime.parse_client(text)


NAMES = st.text(max_size=20)
OBJECTS = st.dictionaries(NAMES, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | NAMES, max_size=4)
MILLISECONDS = st.integers(0, 2**53)


@given(
    st.one_of(
        st.builds(realtime.SessionUpdate, event_id=st.none() | NAMES, session=OBJECTS),
        st.builds(realtime.InputAppend, event_id=st.none() | NAMES, audio=NAMES),
        st.builds(realtime.ItemCreate, event_id=NAMES, item=OBJECTS, previous_item_id=st.none() | NAMES),
        st.builds(realtime.ItemTruncate, item_id=NAMES, content_index=MILLISECONDS, audio_end_ms=MILLISECONDS),
        st.builds(realtime.ResponseCreate, event_id=NAMES, response=st.none() | OBJECTS),
        st.builds(realtime.ResponseCancel, response_id=st.none() | NAMES),
        st.sampled_from(list(CLIENT.values())),
    )
)
def test_what_is_written_is_read_as_it_was(message: realtime.ClientMessage) -> None:
    assert realtime.parse_client(realtime.encode(message)) == message


# --- audio -----------------------------------------------------------------------------------------------------------


@given(st.binary(max_size=2000))
def test_appended_audio_comes_out_as_it_went_in(audio: bytes) -> None:
    message = realtime.parse_client(realtime.encode_append(audio))

    assert isinstance(message, realtime.InputAppend)
    assert message.audio == base64.b64encode(audio).decode()
    assert realtime.decode_audio(message.audio) == audio


@pytest.mark.parametrize("text", ["A", "AAA", "A A=", "ä", "AAAA\n", "AA==AA=="])
def test_audio_that_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(PeerError, match=r"^delta is not base64$"):
        realtime.decode_audio(text, "delta")
