from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.beta.realtime import SessionUpdateEvent as PreviewSessionUpdate
from openai.types.realtime import SessionUpdateEvent
from pydantic import TypeAdapter

from voice_agent.agent import ModelOptions, Prompt, Retention, SemanticVad, ServerVad, Tool, Transcription
from voice_agent.call.commands import ConfigureSession
from voice_agent.sim.realtime.messages import RealtimeOptions
from voice_agent.sim.realtime.settings import Settings
from voice_agent.wire.dialects import GA, PREVIEW, Dialect, look
from voice_agent.wire.model_session import changes, whole_session

USUAL = ConfigureSession(
    instructions="Be brief.",
    voice="marin",
    tools=(),
    turn_detection=ServerVad(),
    interrupt_response=True,
    create_response=True,
    transcription=None,
    noise_reduction=None,
)


def session(dialect: Dialect, options: ModelOptions) -> dict[str, Any]:
    return whole_session(dialect, "pcm24k", msgspec.structs.replace(USUAL, model=options))


@pytest.mark.parametrize(
    ("options", "path", "sent"),
    [
        (ModelOptions(reasoning_effort="low"), ("reasoning",), {"effort": "low"}),
        (ModelOptions(speed=1.1), ("audio", "output", "speed"), 1.1),
        (ModelOptions(max_output_tokens=800), ("max_output_tokens",), 800),
        (ModelOptions(max_output_tokens="inf"), ("max_output_tokens",), "inf"),
        (ModelOptions(truncation="disabled"), ("truncation",), "disabled"),
        (ModelOptions(prompt=Prompt("pmpt_1")), ("prompt",), {"id": "pmpt_1"}),
        (
            ModelOptions(prompt=Prompt("pmpt_1", "2", {"company": "Alder"})),
            ("prompt",),
            {"id": "pmpt_1", "version": "2", "variables": {"company": "Alder"}},
        ),
        (
            ModelOptions(truncation=Retention(0.8)),
            ("truncation",),
            {"type": "retention_ratio", "retention_ratio": 0.8},
        ),
        (
            ModelOptions(truncation=Retention(0.5, 8000)),
            ("truncation",),
            {"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": {"post_instructions": 8000}},
        ),
    ],
)
def test_what_the_agent_asks_of_its_model_is_sent_where_the_api_expects_it(
    options: ModelOptions, path: tuple[str, ...], sent: object
) -> None:
    written = session(GA, options)

    TypeAdapter(SessionUpdateEvent).validate_python({"type": "session.update", "session": written}, strict=True)
    assert look(written, path) == sent
    assert look(session(GA, ModelOptions()), path) is msgspec.UNSET


def test_instructions_are_left_out_only_where_kept_ones_stand_in_for_them() -> None:
    kept = msgspec.structs.replace(USUAL, instructions="", model=ModelOptions(prompt=Prompt("pmpt_1")))
    none = msgspec.structs.replace(USUAL, instructions="")

    assert "instructions" not in whole_session(GA, "pcm24k", kept)
    assert whole_session(GA, "pcm24k", none)["instructions"] == ""
    assert session(GA, ModelOptions(prompt=Prompt("pmpt_1")))["instructions"] == "Be brief."


@pytest.mark.parametrize(("dialect", "sent"), [(GA, 6000), (PREVIEW, msgspec.UNSET)])
def test_an_idle_timeout_is_sent_where_the_dialect_knows_it(dialect: Dialect, sent: object) -> None:
    asking = msgspec.structs.replace(USUAL, turn_detection=ServerVad(idle_timeout_ms=6000))

    assert look(whole_session(dialect, "pcm24k", asking), (*dialect.turn_detection, "idle_timeout_ms")) == sent
    assert look(whole_session(dialect, "pcm24k", USUAL), (*dialect.turn_detection, "idle_timeout_ms")) is msgspec.UNSET


def test_the_preview_has_other_words_for_two_of_them_and_none_for_the_rest() -> None:
    options = ModelOptions(speed=1.1, max_output_tokens=800, reasoning_effort="low", truncation="disabled")
    written = session(PREVIEW, options)

    PreviewSessionUpdate.model_validate({"type": "session.update", "session": written}, strict=True)
    more = {key: value for key, value in written.items() if key not in session(PREVIEW, ModelOptions())}
    assert more == {"speed": 1.1, "max_response_output_tokens": 800}


OPTIONS = st.builds(
    ModelOptions,
    reasoning_effort=st.sampled_from([None, "low", "high"]),
    speed=st.sampled_from([None, 1.1]),
    max_output_tokens=st.sampled_from([None, 800]),
    truncation=st.sampled_from([None, "disabled"]),
    prompt=st.sampled_from([None, Prompt("pmpt_1")]),
)
SESSIONS = st.builds(
    ConfigureSession,
    instructions=st.sampled_from(["Be brief.", "Be kind."]),
    voice=st.just("marin"),
    tools=st.sampled_from([(), (Tool("a", "b", {}, "hang_up"),)]),
    turn_detection=st.sampled_from([ServerVad(), ServerVad(threshold=0.8), SemanticVad()]),
    interrupt_response=st.booleans(),
    create_response=st.booleans(),
    transcription=st.sampled_from([None, Transcription(), Transcription(language="es")]),
    noise_reduction=st.sampled_from([None, "near_field"]),
    model=OPTIONS,
)


@given(SESSIONS, SESSIONS)
def test_a_session_that_is_changed_is_the_one_that_would_be_set_up_anew(
    former: ConfigureSession, wanted: ConfigureSession
) -> None:
    fresh, server = Settings(RealtimeOptions()), Settings(RealtimeOptions())
    before, after = (whole_session(GA, "pcm24k", each) for each in (former, wanted))
    for session in (fresh, server):  # its default is the model's
        session.update({"type": "realtime", "reasoning": {"effort": "low"}}, spoke=False)
    server.update(before, spoke=False)
    server.update(changes(GA, before, after), spoke=True)
    fresh.update(after, spoke=False)

    assert server.wire() == fresh.wire()


def test_what_is_as_it_was_is_not_sent_again_and_what_is_not_asked_for_any_more_is_put_back() -> None:
    former = whole_session(GA, "pcm24k", msgspec.structs.replace(USUAL, model=ModelOptions(speed=1.2)))
    wanted = whole_session(GA, "pcm24k", msgspec.structs.replace(USUAL, instructions="Be kind."))

    assert changes(GA, former, wanted) == {
        "type": "realtime",
        "instructions": "Be kind.",
        "audio": {"output": {"speed": 1.0}},
    }
    assert changes(GA, wanted, wanted) == {"type": "realtime"}
