"""The preview dialect of the stand-in: every event is judged by the beta types of the openai package (`VirtualClient`),
and what those leave open by tables typed from the documents."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.realtime.test_fuzz import EVENTS, JSON
from tests.support.realtime_client import VirtualClient, silence, tone
from voice_agent.sim.realtime import (
    ClientText,
    Energy,
    RealtimeOptions,
    RealtimeSession,
    SendEvent,
    Think,
    TimerFired,
)

FLAT = {
    "modalities": ["audio", "text"],
    "instructions": "Be brief.",
    "voice": "verse",
    "input_audio_format": "g711_ulaw",
    "output_audio_format": "pcm16",
    "input_audio_transcription": {"model": "whisper-1"},
    "input_audio_noise_reduction": {"type": "near_field"},
    "turn_detection": {"type": "server_vad", "threshold": 0.6, "prefix_padding_ms": 200, "silence_duration_ms": 400},
    "tools": [{"type": "function", "name": "hours", "description": "d", "parameters": {"type": "object"}}],
    "tool_choice": "auto",
    "temperature": 0.7,
    "max_response_output_tokens": 500,
    "speed": 1.1,
}
"""A session as Azure's preview reference writes it."""


def client(**options: Any) -> VirtualClient:
    return VirtualClient(RealtimeOptions(**{"dialect": "preview", "model": "gpt-4o-realtime-preview"} | options))


def manual(**options: Any) -> VirtualClient:
    made = client(**options)
    made.send(type="session.update", session={"turn_detection": None, "input_audio_transcription": {"model": "w"}})
    return made


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def refused(made: VirtualClient, **event: Any) -> tuple[str, str]:
    """Give the code and the parameter of the one error that an event causes."""
    (error,) = made.send(**event)
    return error["error"]["code"], error["error"]["param"]


# --- the session -----------------------------------------------------------------------------------------------------


def test_a_session_begins_flat_and_with_its_conversation() -> None:
    created, conversation = client().events

    assert created["session"] == {
        "model": "gpt-4o-realtime-preview",
        "modalities": ["audio", "text"],
        "instructions": "You are a helpful, friendly voice assistant.",
        "voice": "alloy",
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_transcription": None,
        "input_audio_noise_reduction": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "create_response": True,
            "interrupt_response": True,
        },
        "tools": [],
        "tool_choice": "auto",
        "temperature": 0.8,
        "max_response_output_tokens": "inf",
        "speed": 1.0,
        "tracing": None,
    }
    assert conversation["type"] == "conversation.created"
    assert conversation["event_id"] == "event_2"


def test_everything_that_is_asked_for_comes_back_as_it_was_written() -> None:
    (updated,) = client().send(type="session.update", session=FLAT)
    detection = FLAT["turn_detection"] | {"create_response": True, "interrupt_response": True}  # type: ignore[operator]

    assert {name: updated["session"][name] for name in FLAT} == FLAT | {"turn_detection": detection}


def test_a_refused_update_leaves_the_temperature_too() -> None:
    made = client()
    made.send(type="session.update", session={"temperature": 1.0, "instructions": 5})
    (updated,) = made.send(type="session.update", session={"instructions": "x"})

    assert updated["session"]["temperature"] == 0.8


@pytest.mark.parametrize("off", [None, {"type": "none"}])
def test_turn_detection_is_switched_off_by_null_and_as_azure_writes_it(off: Any) -> None:
    (updated,) = client().send(type="session.update", session={"turn_detection": off})

    assert updated["session"]["turn_detection"] is None


def test_a_session_may_carry_an_identity() -> None:
    options = RealtimeOptions(dialect="preview", session_id="sess_1", expires_at=5)
    created, _ = RealtimeSession(options, Energy()).start(0)

    assert isinstance(created, SendEvent)
    assert '"session":{"id":"sess_1","object":"realtime.session","expires_at":5,' in created.text


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"type": "realtime"}, "unknown_parameter", "session.type"),
        ({"audio": {"output": {"voice": "marin"}}}, "unknown_parameter", "session.audio"),
        ({"output_modalities": ["audio"]}, "unknown_parameter", "session.output_modalities"),
        ({"max_output_tokens": 5}, "unknown_parameter", "session.max_output_tokens"),
        ({"truncation": "auto"}, "unknown_parameter", "session.truncation"),
        ({"reasoning": {"effort": "low"}}, "unknown_parameter", "session.reasoning"),
        ({"turn_detection": {"type": "server_vad", "idle_timeout_ms": 6000}}, "unknown_parameter",
         "session.turn_detection.idle_timeout_ms"),
        ({"input_audio_format": "audio/pcmu"}, "invalid_value", "session.input_audio_format"),
        ({"output_audio_format": {"type": "audio/pcmu"}}, "invalid_type", "session.output_audio_format"),
        ({"modalities": ["audio"]}, "invalid_value", "session.modalities"),
        ({"modalities": "audio"}, "invalid_type", "session.modalities"),
        ({"temperature": 0.5}, "decimal_below_min_value", "session.temperature"),
        ({"turn_detection": {"type": "server_vad", "threshold": 2}}, "decimal_above_max_value",
         "session.turn_detection.threshold"),
        ({"turn_detection": 5}, "invalid_type", "session.turn_detection"),
        ({"input_audio_transcription": {"modell": "x"}}, "unknown_parameter",
         "session.input_audio_transcription.modell"),
        ({"voice": 5}, "invalid_type", "session.voice"),
        ({"speed": 3}, "decimal_above_max_value", "session.speed"),
        ({"max_response_output_tokens": 0}, "integer_below_min_value", "session.max_response_output_tokens"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
        ({"tool_choice": {"type": "function", "name": "f"}}, "missing_required_parameter",
         "session.tool_choice.function"),
        ({"tool_choice": "any"}, "invalid_value", "session.tool_choice"),
    ],
)  # fmt: skip
def test_a_shape_of_the_other_dialect_and_a_wrong_value_are_refused_by_the_name_it_has_here(
    session: Any, code: str, param: str
) -> None:
    assert refused(client(), type="session.update", session=session) == (code, param)


def test_an_error_speaks_of_the_parameter_as_it_is_called_here() -> None:
    (error,) = client().send(type="session.update", session={"voice": 5}, event_id="mine")

    assert error["error"] == {
        "type": "invalid_request_error",
        "code": "invalid_type",
        "message": "Invalid type for 'session.voice': expected a string or an object, but got an integer instead.",
        "param": "session.voice",
        "event_id": "mine",
    }


def test_ga_refuses_the_flat_shape_likewise() -> None:
    made = VirtualClient()
    for name in ("modalities", "voice", "input_audio_format", "turn_detection", "temperature"):
        flat = {"type": "realtime", name: FLAT[name]}
        assert refused(made, type="session.update", session=flat) == ("unknown_parameter", f"session.{name}")


# --- responses and items ---------------------------------------------------------------------------------------------


def test_a_spoken_answer_has_its_events_in_order_and_by_their_names() -> None:
    made = manual()
    made.brain = lambda _: ["Hi."]
    events = made.send(type="response.create") + made.wait(1000)

    assert types(events) == [
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.created",
        "response.content_part.added",
        "response.audio_transcript.delta",
        "response.audio.delta",
        "response.audio.done",
        "response.audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    assert [event["event_id"] for event in made.events] == [f"event_{n + 1}" for n in range(len(made.events))]
    response = events[-1]["response"]
    assert {name: response[name] for name in ("modalities", "voice", "output_audio_format", "temperature")} == {
        "modalities": ["audio", "text"],
        "voice": "alloy",
        "output_audio_format": "pcm16",
        "temperature": 0.8,
    }
    assert response["output"][0]["content"] == [{"type": "audio", "transcript": "Hi."}]
    assert response["usage"]["input_token_details"].keys() == {"text_tokens", "audio_tokens", "cached_tokens"}


def test_a_written_answer_has_its_own_names() -> None:
    made = manual()
    made.brain = lambda _: ["Hi."]
    events = made.send(type="response.create", response={"modalities": ["text"], "max_response_output_tokens": 50})

    assert [name for name in types(events) if "text" in name] == ["response.text.delta", "response.text.done"]
    response = events[-1]["response"]
    assert response["modalities"] == ["text"]
    assert response["max_output_tokens"] == 50
    assert response["output"][0]["content"] == [{"type": "text", "text": "Hi."}]


def test_the_end_of_a_call_s_arguments_has_no_name() -> None:
    made = manual()
    made.brain = lambda _: [("hours", "{}")]
    made.send(type="response.create")
    (done,) = made.of("response.function_call_arguments.done")

    assert "name" not in done
    assert made.of("response.output_item.done")[0]["item"]["name"] == "hours"


def test_a_spoken_turn_is_heard_and_answered() -> None:
    made = client()
    made.send(type="session.update", session={"input_audio_transcription": {"model": "whisper-1"}})
    made.stream(silence(300) + tone(600) + silence(900))
    made.wait(2000)

    seen = types(made.events)
    assert [name for name in seen if name.startswith(("input_audio_buffer", "conversation.item"))] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.created",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
        "conversation.item.created",
    ]
    assert made.of("response.done")[0]["response"]["status"] == "completed"


def test_the_assistant_s_text_is_brought_along_as_text() -> None:
    made = manual()
    thoughts: list[Think] = []
    made.brain = lambda think: thoughts.append(think) or ["Yes."]  # type: ignore[func-returns-value]
    item = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "I am Ann."}]}
    (created,) = made.send(type="conversation.item.create", item=item)
    made.send(type="response.create")

    assert created["type"] == "conversation.item.created"
    assert created["item"]["content"] == item["content"]
    assert [(line.kind, line.text) for line in thoughts[0].conversation] == [("assistant", "I am Ann.")]


def test_a_response_may_have_items_of_its_own() -> None:
    made = manual()
    thoughts: list[Think] = []
    made.brain = lambda think: thoughts.append(think) or ["Yes."]  # type: ignore[func-returns-value]
    items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Who?"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Ann."}]},
    ]
    response = {"conversation": "none", "input": items, "tool_choice": {"type": "function", "function": {"name": "f"}}}
    made.send(type="response.create", response=response)

    assert [line.text for line in thoughts[0].conversation] == ["Who?", "Ann."]
    assert thoughts[0].tool_choice == {"type": "function", "name": "f"}


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        ({"type": "response.create", "response": {"output_modalities": ["audio"]}}, "unknown_parameter",
         "response.output_modalities"),
        ({"type": "response.create", "response": {"audio": {}}}, "unknown_parameter", "response.audio"),
        ({"type": "response.create", "response": {"temperature": 2}}, "decimal_above_max_value",
         "response.temperature"),
        ({"type": "response.create", "response": {"output_audio_format": "pcm"}}, "invalid_value",
         "response.output_audio_format"),
        ({"type": "response.create", "response": {"input": 5}}, "invalid_type", "response.input"),
        ({"type": "response.create", "response": {"max_response_output_tokens": 0}}, "integer_below_min_value",
         "response.max_response_output_tokens"),
        ({"type": "conversation.item.create",
          "item": {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]}},
         "invalid_value", "item.content[0].type"),
        ({"type": "conversation.item.create", "item": {"type": "message", "role": "assistant", "content": [5]}},
         "invalid_type", "item.content[0]"),
        ({"type": "transcription_session.update", "session": {}}, "invalid_value", "type"),
        ({"type": "session.think"}, "invalid_value", "type"),
    ],
)  # fmt: skip
def test_what_a_response_or_an_item_cannot_have_is_refused(event: Any, code: str, param: str) -> None:
    assert refused(manual(), **event) == (code, param)


def test_a_tool_choice_that_names_a_function_is_shown_as_azure_writes_it() -> None:
    choice = {"type": "function", "function": {"name": "hours"}}
    made = client()
    # Not by the client, for the beta types call it a string.
    update = json.dumps({"type": "session.update", "session": {"tool_choice": choice}})
    (updated,) = made.session.feed(0, ClientText(update))

    assert isinstance(updated, SendEvent)
    assert f'"tool_choice":{json.dumps(choice, separators=(",", ":"))}' in updated.text


def test_a_session_ends_as_the_other_does() -> None:
    made = client(session_minutes=1)
    made.now_ms = 60_000
    made.feed(TimerFired())

    assert made.events[-1]["error"]["code"] == "session_expired"
    assert made.closed is not None


@given(st.lists(EVENTS, max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_event_is_answered_in_conforming_events(events: list[dict[str, Any]]) -> None:
    made = client(pace=1)
    for event in events:
        made.send(**event)
        made.append(tone(40))
        made.wait(100)


def test_alaw_has_a_name_of_its_own() -> None:
    made = client()
    made.send(type="session.update", session={"input_audio_format": "g711_alaw", "output_audio_format": "g711_alaw"})

    session = made.of("session.updated")[-1]["session"]
    assert (session["input_audio_format"], session["output_audio_format"]) == ("g711_alaw", "g711_alaw")


NAMES = st.sampled_from([*FLAT, "tracing", "include", "prompt", "conversation", "input", "metadata"])
VALUES = JSON | st.sampled_from([*FLAT.values(), "g711_ulaw", ["text"], "none", {"type": "none"}, "semantic_vad"])
BODIES = st.dictionaries(NAMES, VALUES, max_size=4)


@given(st.lists(st.tuples(st.sampled_from(["session.update", "response.create"]), BODIES), max_size=6))
@settings(max_examples=60, deadline=None)
def test_any_flat_body_is_answered_in_conforming_events(events: list[tuple[str, dict[str, Any]]]) -> None:
    made = client(pace=1)
    for kind, body in events:
        # The beta types call a tool choice, and what is traced, a string.
        plain = {name: value for name, value in body.items() if name not in {"tool_choice", "tracing", "include"}}
        made.send(type=kind, session=plain, response=plain)
        made.append(tone(40))
        made.wait(100)
