from typing import Any

import pytest

from tests.support.realtime_client import VirtualClient
from voice_agent.sim.realtime import RealtimeOptions


def update(client: VirtualClient, **session: Any) -> dict[str, Any]:
    (event,) = client.send(type="session.update", session={"type": "realtime"} | session)
    return event


def test_an_update_changes_what_it_names_and_nothing_else() -> None:
    client = VirtualClient()
    before = client.events[0]["session"]
    after = update(client, instructions="Be brief.", audio={"output": {"voice": "marin"}})["session"]

    assert after["instructions"] == "Be brief."
    assert after["audio"]["output"] == before["audio"]["output"] | {"voice": "marin"}
    assert after["audio"]["input"] == before["audio"]["input"]


def test_a_new_turn_detection_takes_defaults_for_what_it_leaves_out() -> None:
    client = VirtualClient()
    update(client, audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 0.9}}})
    after = update(client, audio={"input": {"turn_detection": {"type": "server_vad", "prefix_padding_ms": 100}}})
    detection = after["session"]["audio"]["input"]["turn_detection"]

    assert (detection["threshold"], detection["prefix_padding_ms"]) == (0.5, 100)


def test_everything_that_the_shapes_allow_is_echoed() -> None:
    client = VirtualClient()
    given = {
        "output_modalities": ["text"],
        "tools": [{"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}],
        "tool_choice": {"type": "function", "name": "f"},
        "max_output_tokens": 100,
        "include": ["item.input_audio_transcription.logprobs"],
        "tracing": "auto",
        "truncation": {"type": "retention_ratio", "retention_ratio": 0.8},
        "reasoning": {"effort": "low"},
        "parallel_tool_calls": True,
        "audio": {
            "input": {
                "format": {"type": "audio/pcmu"},
                "transcription": {"model": "whisper-1", "language": "en", "prompt": None},
                "noise_reduction": {"type": "far_field"},
                "turn_detection": None,
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": {"id": "mine"}, "speed": 1.5},
        },
    }

    assert update(client, **given)["session"] == {
        **client.events[0]["session"],
        **given,
    }


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"type": "transcription"}, "invalid_parameter", "session.type"),
        ({"temperature": 0.8}, "unknown_parameter", "session.temperature"),
        ({"voice": "alloy"}, "unknown_parameter", "session.voice"),
        ({"audio": {"input": {"format": "g711_ulaw"}}}, "invalid_type", "session.audio.input.format"),
        ({"audio": {"input": {"format": {"type": "g711_ulaw"}}}}, "invalid_value", "session.audio.input.format.type"),
        (
            {"audio": {"input": {"format": {"rate": 1}}}},
            "missing_required_parameter",
            "session.audio.input.format.type",
        ),
        (
            {"audio": {"output": {"format": {"type": "audio/pcm", "rate": 8000}}}},
            "invalid_value",
            "session.audio.output.format.rate",
        ),
        ({"audio": {"output": {"speed": 2}}}, "decimal_above_max_value", "session.audio.output.speed"),
        ({"max_output_tokens": 0}, "integer_below_min_value", "session.max_output_tokens"),
        ({"max_output_tokens": None}, "invalid_type", "session.max_output_tokens"),
        ({"output_modalities": ["audio", "text"]}, "invalid_value", "session.output_modalities"),
        ({"model": "another"}, "invalid_parameter", "session.model"),
        ({"instructions": None}, "invalid_type", "session.instructions"),
        ({"tools": {}}, "invalid_type", "session.tools"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
        (
            {"tools": [{"type": "function", "name": "f", "parameters": []}]},
            "invalid_type",
            "session.tools[0].parameters",
        ),
        (
            {"tools": [{"type": "function", "name": "f", "strict": True}]},
            "unknown_parameter",
            "session.tools[0].strict",
        ),
        ({"tool_choice": "f"}, "invalid_value", "session.tool_choice"),
        ({"parallel_tool_calls": 1}, "invalid_type", "session.parallel_tool_calls"),
        (
            {"audio": {"input": {"noise_reduction": {}}}},
            "missing_required_parameter",
            "session.audio.input.noise_reduction.type",
        ),
        ({"audio": {"input": {"noise_reduction": []}}}, "invalid_type", "session.audio.input.noise_reduction"),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": True}}}},
            "invalid_type",
            "session.audio.input.turn_detection.threshold",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "idle_timeout_ms": 5000}}}},
            "unknown_parameter",
            "session.audio.input.turn_detection.idle_timeout_ms",
        ),
        ({"audio": {"input": {"turn_detection": "none"}}}, "invalid_type", "session.audio.input.turn_detection"),
    ],
)
def test_what_the_dialect_does_not_allow_is_refused_by_name(session: dict[str, Any], code: str, param: str) -> None:
    client = VirtualClient()
    error = update(client, **session)["error"]

    assert (error["code"], error["param"]) == (code, param)


def test_the_type_of_a_session_must_be_named() -> None:
    (event,) = VirtualClient().send(type="session.update", session={})

    assert (event["error"]["code"], event["error"]["param"]) == ("missing_required_parameter", "session.type")


def test_a_refused_update_changes_nothing() -> None:
    client = VirtualClient()
    update(client, instructions="new", audio={"output": {"voice": "marin", "speed": 9}})
    after = update(client)["session"]

    assert after == client.events[0]["session"]


def test_the_voice_is_frozen_once_it_was_heard() -> None:
    client = VirtualClient(RealtimeOptions(pace=0))
    client.setup()
    client.send(type="response.create")
    refused = update(client, audio={"output": {"voice": "cedar"}})
    same = update(client, audio={"output": {"voice": "alloy"}})
    (response,) = client.send(type="response.create", response={"audio": {"output": {"voice": "cedar"}}})

    assert refused["error"]["code"] == response["error"]["code"] == "cannot_update_voice"
    assert same["type"] == "session.updated"


def test_the_speed_stays_while_a_response_is_made() -> None:
    client = VirtualClient()
    client.setup()
    client.lazy = True
    client.send(type="response.create")
    refused = update(client, instructions="new", audio={"output": {"speed": 1.2}})
    same = update(client, audio={"output": {"speed": 1.0}})
    client.send(type="response.cancel")
    after = update(client, audio={"output": {"speed": 1.2}})

    assert (refused["error"]["code"], refused["error"]["param"]) == ("invalid_value", "session.audio.output.speed")
    assert same["session"]["instructions"] != "new"
    assert after["session"]["audio"]["output"]["speed"] == 1.2


def test_tracing_stays_as_it_is_once_it_is_on() -> None:
    client = VirtualClient()
    update(client, tracing=None)
    update(client, tracing="auto")

    assert update(client, tracing={"group_id": "g"})["error"]["param"] == "session.tracing"
    assert update(client, tracing=None)["error"]["param"] == "session.tracing"
    assert update(client, tracing="auto")["session"]["tracing"] == "auto"


def test_a_session_names_itself_on_demand() -> None:
    # VirtualClient would refuse these: the openai package's types do not declare them.
    from voice_agent.sim.realtime.settings import Settings

    session = Settings(RealtimeOptions(session_id="sess_1", expires_at=1)).wire()

    assert (session["id"], session["object"], session["expires_at"]) == ("sess_1", "realtime.session", 1)


def test_a_changed_input_format_drops_what_waited_in_the_old_one() -> None:
    client = VirtualClient()
    client.setup()
    client.append(bytes(48 * 500))
    update(client, audio={"input": {"format": {"type": "audio/pcmu"}}})

    assert client.send(type="input_audio_buffer.commit")[0]["error"]["code"] == "input_audio_buffer_commit_empty"
