from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.review.model_course import ModelCourse


def fed(*events: tuple[int, Any]) -> ModelCourse:
    course = ModelCourse(silence_ms=500)
    for now_ms, event in events:
        text = event if isinstance(event, str) else msgspec.json.encode(event).decode()
        course.take(now_ms, now_ms - 20, text, lambda session_ms: session_ms + 100)
    return course


def test_a_turn_ends_where_the_voice_did_not_where_that_was_noticed() -> None:
    course = fed(
        (1000, {"type": "input_audio_buffer.speech_started", "item_id": "a", "audio_start_ms": 700}),
        (2600, {"type": "input_audio_buffer.speech_stopped", "item_id": "a", "audio_end_ms": 2400}),
        (9000, {"type": "input_audio_buffer.speech_started", "item_id": "b", "audio_start_ms": 8700}),
    )

    assert list(course.turns()) == [("a", 800, 2000), ("b", 8800, None)]
    assert course.noticed(2000, 3000) == 2600
    assert course.noticed(3000, 4000) == 3000


@pytest.mark.parametrize("kind", ["response.output_audio_transcript.delta", "response.audio_transcript.delta"])
def test_words_are_joined_in_both_dialects(kind: str) -> None:
    course = fed(*((0, {"type": kind, "item_id": "a", "delta": part}) for part in ("Good ", "morning.")))

    assert course.words("a") == "Good morning."
    assert course.words("b") == ""


def test_a_response_lasts_until_it_is_done_or_the_call_is_over() -> None:
    course = fed(
        (1000, {"type": "response.created", "response": {"id": "r"}}),
        (2000, {"type": "response.done", "response": {"id": "r", "status": "cancelled"}}),
        (3000, {"type": "response.created", "response": {"id": "s"}}),
    )

    assert list(course.responses(5000)) == [(980, 1980, "cancelled"), (2980, 5000, "")]


def test_the_first_sound_of_an_item_counts() -> None:
    sound = {"type": "response.output_audio.delta", "item_id": "a", "delta": "AAAA"}
    course = fed((1000, sound), (1200, sound))

    assert course.first_sound("a", 7) == 1000
    assert course.first_sound("b", 7) == 7


@pytest.mark.parametrize(
    ("fact", "level", "told"),
    [
        ({"type": "EndRequested", "reason": "drain"}, "info", "drain"),
        ({"type": "MachineVerdict", "answered_by": "fax"}, "info", "fax"),
    ],
)
def test_what_no_report_tells_is_a_moment(fact: Any, level: str, told: str) -> None:
    course = ModelCourse(500)
    course.take_fact(1000, msgspec.json.encode(fact).decode())
    ((at_ms, said, _, detail),) = course.moments

    assert (at_ms, said, detail) == (1000, level, told)


def test_a_response_ends_with_the_session_that_made_it() -> None:
    course = fed((1000, {"type": "response.created", "response": {"id": "r"}}))
    course.take_fact(2500, '{"type":"ModelClosed","code":1006}')

    assert list(course.responses(5000)) == [(980, 2500, "lost with its session")]
    assert course.moments == [], "the call's own report says so"


@given(
    st.text()
    | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists)
    .map(msgspec.json.encode)
    .map(bytes.decode)
)
def test_whatever_the_model_says_is_passed_over_at_worst(text: str) -> None:
    course = fed((0, text))
    course.take_fact(0, text)

    assert list(course.turns()) == []
