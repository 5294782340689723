from typing import Any

import msgspec
import pytest
from openai.types.beta.realtime import SessionUpdateEvent as PreviewSessionUpdate
from openai.types.realtime import SessionUpdateEvent
from pydantic import TypeAdapter

from voice_agent.agent import McpServer, SemanticVad, ServerVad, Tool, Transcription
from voice_agent.call.commands import ConfigureSession, SetTurnFlags
from voice_agent.wire.dialects import GA, PREVIEW
from voice_agent.wire.model_session import differences, turn_flags, whole_session

TOOL = Tool(name="hours", description="Opening hours", parameters={"type": "object", "properties": {}}, kind="python")
FULL = ConfigureSession(
    instructions="Be brief.",
    voice="marin",
    tools=(TOOL,),
    turn_detection=ServerVad(threshold=0.6, prefix_padding_ms=200, silence_duration_ms=400),
    interrupt_response=True,
    create_response=False,
    transcription=Transcription(model="gpt-4o-mini-transcribe", language="en"),
    noise_reduction="near_field",
)
BARE = ConfigureSession(
    instructions="",
    voice="cedar",
    tools=(),
    turn_detection=SemanticVad(eagerness="low"),
    interrupt_response=False,
    create_response=True,
    transcription=None,
    noise_reduction=None,
)
WHOLE_SERVER = McpServer(
    server_label="calendar",
    server_url="https://mcp.example.com/mcp",
    authorization="${TOKEN}",
    headers={"X-Branch": "downtown"},
    server_description="Appointments.",
    allowed_tools=("book",),
    require_approval="always",
    approve=("book",),
)
BARE_SERVER = McpServer(server_label="billing", server_url="https://mcp.example.com/billing")
VAD = {
    "type": "server_vad",
    "threshold": 0.6,
    "prefix_padding_ms": 200,
    "silence_duration_ms": 400,
    "create_response": False,
    "interrupt_response": True,
}


def echo(**changes: Any) -> dict[str, Any]:
    """What a server would answer to FULL with pcm24k, its defaults added; changes by path, with dots as `__`."""
    session = whole_session(GA, "pcm24k", FULL) | {"id": "sess_1", "object": "realtime.session", "tracing": None}
    session["audio"]["output"]["speed"] = 1
    session["audio"]["input"]["turn_detection"] = VAD | {"idle_timeout_ms": None}
    for path, value in changes.items():
        *above, last = path.split("__")
        target = session
        for key in above:
            target = target[key]
        target[last] = value
    return session


def differing(**changes: Any) -> tuple[str, bool]:
    return differences(GA, whole_session(GA, "pcm24k", FULL), echo(**changes))


def test_a_session_is_asked_for_with_nothing_left_to_defaults() -> None:
    assert whole_session(GA, "pcm24k", FULL) == {
        "type": "realtime",
        "output_modalities": ["audio"],
        "instructions": "Be brief.",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "turn_detection": VAD,
                "transcription": {"model": "gpt-4o-mini-transcribe", "language": "en"},
                "noise_reduction": {"type": "near_field"},
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"},
        },
        "tools": [
            {
                "type": "function",
                "name": "hours",
                "description": "Opening hours",
                "parameters": {"type": "object", "properties": {}},
            }
        ],
        "tool_choice": "auto",
    }


def test_mcp_servers_stand_behind_the_functions_with_what_is_given_of_them() -> None:
    command = msgspec.structs.replace(FULL, mcp=(WHOLE_SERVER, BARE_SERVER))

    assert whole_session(GA, "pcm24k", command)["tools"][1:] == [
        {
            "type": "mcp",
            "server_label": "calendar",
            "server_url": "https://mcp.example.com/mcp",
            "authorization": "${TOKEN}",
            "headers": {"X-Branch": "downtown"},
            "server_description": "Appointments.",
            "allowed_tools": ["book"],
            "require_approval": "always",
        },
        {
            "type": "mcp",
            "server_label": "billing",
            "server_url": "https://mcp.example.com/billing",
            "require_approval": "never",
        },
    ]
    TypeAdapter(SessionUpdateEvent).validate_python(
        {"type": "session.update", "session": whole_session(GA, "pcm24k", command)}
    )


def test_the_preview_has_no_word_for_mcp_servers() -> None:
    command = msgspec.structs.replace(FULL, mcp=(WHOLE_SERVER,))

    assert [tool["type"] for tool in whole_session(PREVIEW, "pcm24k", command)["tools"]] == ["function"]


def test_what_is_not_wanted_is_switched_off_by_null() -> None:
    session = whole_session(GA, "g711", BARE)

    assert session["audio"] == {
        "input": {
            "format": {"type": "audio/pcmu"},
            "turn_detection": {
                "type": "semantic_vad",
                "eagerness": "low",
                "create_response": True,
                "interrupt_response": False,
            },
            "transcription": None,
            "noise_reduction": None,
        },
        "output": {"format": {"type": "audio/pcmu"}, "voice": "cedar"},
    }
    assert session["tools"] == []


def test_the_vendor_s_own_types_take_both() -> None:
    vendor = TypeAdapter(SessionUpdateEvent)
    for command in (FULL, BARE):
        vendor.validate_python({"type": "session.update", "session": whole_session(GA, "g711", command)})


def test_flags_are_changed_without_touching_anything_else() -> None:
    command = SetTurnFlags(FULL.turn_detection, interrupt_response=True, create_response=False)

    assert turn_flags(GA, command) == {"type": "realtime", "audio": {"input": {"turn_detection": VAD}}}


def test_the_preview_is_flat_and_knows_no_type() -> None:
    assert whole_session(PREVIEW, "g711", FULL) == {
        "modalities": ["audio", "text"],
        "instructions": "Be brief.",
        "voice": "marin",
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "gpt-4o-mini-transcribe", "language": "en"},
        "input_audio_noise_reduction": {"type": "near_field"},
        "turn_detection": VAD,
        "tools": [
            {
                "type": "function",
                "name": "hours",
                "description": "Opening hours",
                "parameters": {"type": "object", "properties": {}},
            }
        ],
        "tool_choice": "auto",
    }
    assert whole_session(PREVIEW, "pcm24k", BARE)["output_audio_format"] == "pcm16"


def test_the_vendor_s_types_of_the_preview_take_both() -> None:
    vendor = TypeAdapter(PreviewSessionUpdate)
    for command in (FULL, BARE):
        session = whole_session(PREVIEW, "g711", command)
        parsed = vendor.validate_python({"type": "session.update", "session": session}, strict=True)

        assert not parsed.session.model_extra


def test_flags_of_the_preview_are_changed_alone() -> None:
    command = SetTurnFlags(FULL.turn_detection, interrupt_response=True, create_response=False)

    assert turn_flags(PREVIEW, command) == {"turn_detection": VAD}


def test_an_echo_of_the_preview_is_compared_likewise() -> None:
    asked = whole_session(PREVIEW, "g711", FULL)

    assert differences(PREVIEW, asked, asked | {"id": "sess_1", "temperature": 0.8}) == ("", False)
    assert differences(PREVIEW, asked, asked | {"output_audio_format": "pcm16"}) == (
        'output_audio_format is "pcm16", not "g711_ulaw"',
        True,
    )
    text, unusable = differences(PREVIEW, asked, asked | {"voice": "alloy", "turn_detection": None})
    assert text.startswith('voice is "alloy", not "marin"; turn_detection is null, not {')
    assert not unusable


def test_an_echo_with_the_server_s_defaults_agrees() -> None:
    assert differing() == ("", False)


def test_an_echo_that_leaves_things_out_agrees() -> None:
    asked = whole_session(GA, "pcm24k", FULL)

    assert differences(GA, asked, {}) == ("", False)
    assert differences(GA, asked, {"audio": None}) == ("", False)
    assert differing(audio__input__format={"type": "audio/pcm"}, audio__output__format=None) == ("", False)


def test_another_format_makes_the_session_unusable() -> None:
    text, unusable = differing(audio__output__format={"type": "audio/pcmu"})

    assert text == 'audio.output.format.type is "audio/pcmu", not "audio/pcm"'
    assert unusable


def test_another_rate_makes_the_session_unusable() -> None:
    text, unusable = differing(audio__input__format={"type": "audio/pcm", "rate": 16000})

    assert text == "audio.input.format.rate is 16000, not 24000"
    assert unusable


def test_another_voice_is_told() -> None:
    assert differing(audio__output__voice="alloy") == ('audio.output.voice is "alloy", not "marin"', False)


def test_a_voice_may_come_back_as_an_object() -> None:
    assert differing(audio__output__voice={"id": "marin"}) == ("", False)
    assert differing(audio__output__voice={"id": "alloy"})[0].startswith('audio.output.voice is {"id":"alloy"}')


def test_other_turn_detection_is_told_setting_by_setting() -> None:
    other = VAD | {"silence_duration_ms": 200, "create_response": True, "threshold": 0.6000000238418579}

    text, unusable = differing(audio__input__turn_detection=other)

    assert text.split("; ") == [
        "audio.input.turn_detection.silence_duration_ms is 200, not 400",
        "audio.input.turn_detection.create_response is true, not false",
    ]
    assert not unusable


@pytest.mark.parametrize("threshold", [1, 10**400, "0.6", None, [0.6]])
def test_a_number_may_come_back_as_anything(threshold: Any) -> None:
    text, unusable = differing(audio__input__turn_detection=VAD | {"threshold": threshold})

    assert text.startswith("audio.input.turn_detection.threshold is ")
    assert not unusable


def test_turn_detection_that_is_off_is_told() -> None:
    text, unusable = differing(audio__input__turn_detection=None)

    assert text.startswith("audio.input.turn_detection is null, not {")
    assert not unusable
