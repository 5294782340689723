from typing import Any

import pytest

from tests.support.realtime_client import VirtualClient, tone
from voice_agent.sim.realtime import (
    Input,
    Line,
    RealtimeOptions,
    Recognise,
    RecognitionFailed,
    Spoken,
    Think,
    ThoughtCall,
    ThoughtDone,
    ThoughtText,
    WorkFailed,
)


def ready(**options: Any) -> VirtualClient:
    client = VirtualClient(RealtimeOptions(**options))
    client.setup()
    return client


def last_think(client: VirtualClient) -> Think:
    return [order for order in client.orders if isinstance(order, Think)][-1]


def test_only_one_response_writes_to_the_conversation() -> None:
    client = ready()
    client.send(type="response.create")
    (error,) = client.send(type="response.create", event_id="second")

    assert error["error"]["code"] == "conversation_already_has_active_response"
    assert error["error"]["event_id"] == "second"


def test_out_of_band_responses_run_beside_it_and_leave_no_item() -> None:
    client = ready(pace=0)
    client.lazy = True
    client.send(type="response.create")
    client.lazy = False
    parameters = {"conversation": "none", "metadata": {"topic": "mood"}, "output_modalities": ["text"]}
    events = client.send(type="response.create", response=parameters)

    assert events[-1]["response"]["metadata"] == {"topic": "mood"}
    assert events[-1]["response"]["conversation_id"] is None
    assert not client.of("conversation.item.added")


def test_a_response_takes_its_own_parameters_over_the_sessions() -> None:
    client = ready(pace=0)
    tool = {"type": "function", "name": "f"}
    client.send(
        type="response.create",
        response={"instructions": "Shout.", "tools": [tool], "tool_choice": "required", "max_output_tokens": 50},
    )
    think = last_think(client)

    assert (think.instructions, think.tools, think.tool_choice) == ("Shout.", (tool,), "required")
    assert client.of("response.created")[0]["response"]["max_output_tokens"] == 50


def test_its_own_input_stands_in_for_the_conversation() -> None:
    client = ready(pace=0)
    message = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}
    client.send(type="conversation.item.create", item=message | {"id": "a"})
    client.send(type="conversation.item.create", item=message)
    other = {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "b"}]}
    client.send(type="response.create", response={"input": [{"type": "item_reference", "id": "a"}, other]})

    assert last_think(client).conversation == (Line("user", "a"), Line("system", "b"))


@pytest.mark.parametrize(
    ("response", "code"),
    [
        ({"modalities": ["text"]}, "unknown_parameter"),
        ({"output_modalities": ["text", "audio"]}, "invalid_value"),
        ({"conversation": "other"}, "invalid_value"),
        ({"metadata": {str(number): "" for number in range(17)}}, "object_above_max_properties"),
        ({"metadata": {"a": "x" * 513}}, "string_above_max_length"),
        ({"input": [{"type": "item_reference", "id": "nobody"}]}, "invalid_value"),
    ],
)
def test_parameters_that_cannot_be_are_refused(response: dict[str, Any], code: str) -> None:
    (error,) = ready().send(type="response.create", response=response)

    assert error["error"]["code"] == code


def test_writing_has_its_own_events() -> None:
    client = ready(pace=0)
    events = client.send(type="response.create", response={"output_modalities": ["text"]})

    assert [event["delta"] for event in events if "delta" in event] == [
        "Hello", " there.", " How", " can", " I", " help?",
    ]  # fmt: skip
    assert events[-1]["response"]["output"][0]["content"] == [
        {"type": "output_text", "text": "Hello there. How can I help?"}
    ]
    assert events[-1]["response"]["usage"]["output_token_details"] == {"text_tokens": 7, "audio_tokens": 0}


def test_usage_follows_the_arithmetic_of_the_api() -> None:
    client = ready(pace=0)
    client.send(type="session.update", session={"type": "realtime", "instructions": "x" * 40})
    client.append(tone(950))
    client.send(type="input_audio_buffer.commit")
    client.send(type="response.create")
    usage = client.of("response.done")[0]["response"]["usage"]

    assert usage["input_token_details"]["audio_tokens"] == 10  # one for each 100 ms begun
    assert usage["input_token_details"]["text_tokens"] == 10  # four characters each
    assert usage["output_token_details"]["audio_tokens"] == 6  # 270 ms, one for each 50 ms begun
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_token_details"]["cached_tokens"] == 0


def test_the_next_response_reads_the_last_ones_input_from_the_cache() -> None:
    client = ready(pace=0)
    client.send(type="response.create")
    client.send(type="response.create")
    first, second = (event["response"]["usage"] for event in client.of("response.done"))

    assert second["input_token_details"]["cached_tokens"] == first["input_tokens"]
    assert second["input_tokens"] > first["input_tokens"]


def test_the_limit_of_tokens_ends_a_response_as_incomplete() -> None:
    client = ready(pace=0)
    client.brain = lambda _: ["x" * 400]
    client.send(type="response.create", response={"max_output_tokens": 120})
    (done,) = client.of("response.done")

    assert done["response"]["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert len(client.spoken()) // 48 == 1000


def test_a_client_cancels_the_response_in_progress() -> None:
    client = ready()
    client.send(type="response.create")
    client.send(type="response.cancel")
    (done,) = client.of("response.done")

    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert client.wait(5000) == []


def test_cancelling_nothing_is_a_harmless_error() -> None:
    client = ready()
    errors = [client.send(type="response.cancel")[0], client.send(type="response.cancel", response_id="resp_9")[0]]

    assert {event["error"]["code"] for event in errors} == {"response_cancel_not_active"}


def test_a_response_cancelled_before_any_word_has_no_items() -> None:
    client = ready()
    client.lazy = True
    client.send(type="response.create")
    events = client.send(type="response.cancel")

    assert [event["type"] for event in events] == ["response.done"]
    assert events[0]["response"]["output"] == []


def test_what_comes_for_a_response_that_has_ended_is_dropped() -> None:
    client = ready()
    client.lazy = True
    client.send(type="response.create")
    client.send(type="response.cancel")
    late: list[Input] = [
        ThoughtText("resp_1", "late"),
        ThoughtCall("resp_1", "late", "{}"),
        ThoughtDone("resp_1"),
        Spoken("resp_1", "item_1", b"", last=True),
        WorkFailed("resp_1", "late"),
    ]

    assert [client.feed(result) for result in late] == [[], [], [], [], []]


def test_failed_work_fails_the_response() -> None:
    client = ready()
    client.lazy = True
    client.send(type="response.create")
    (done,) = client.feed(WorkFailed("resp_1", "out of order"))

    assert done["response"]["status"] == "failed"
    assert done["response"]["status_details"]["error"]["message"] == "out of order"


def test_failed_recognition_is_told_and_the_answer_goes_on() -> None:
    client = ready()
    client.append(tone(300))
    client.lazy = True
    client.send(type="input_audio_buffer.commit")
    client.send(type="response.create")
    (recognise,) = [order for order in client.orders if isinstance(order, Recognise)]
    events = client.feed(RecognitionFailed(recognise.item_id, "no ears"))

    assert events[0]["error"]["message"] == "no ears"
    assert isinstance(client.orders[-1], Think)


def test_words_and_speech_may_come_in_any_pieces() -> None:
    client = ready(pace=0, delta_ms=100)
    client.lazy = True
    client.send(type="response.create")
    client.feed(ThoughtText("resp_1", "One."))
    item_id = client.orders[-1].item_id  # type: ignore[union-attr]
    quiet = client.feed(Spoken("resp_1", item_id, tone(60), last=False))
    first = client.feed(Spoken("resp_1", item_id, tone(60), last=False))
    client.feed(ThoughtText("resp_1", "Two."))
    client.feed(ThoughtCall("resp_1", "f", "{}"))
    client.feed(ThoughtDone("resp_1"))
    client.feed(Spoken("resp_1", item_id, b"", last=True))
    client.feed(Spoken("resp_1", item_id, tone(50), last=True))
    client.feed(Spoken("resp_1", item_id, tone(50), last=True))  # one too many

    assert [event["type"] for event in quiet] == ["response.output_audio_transcript.delta"]
    assert [event["type"] for event in first] == ["response.output_audio.delta"]
    assert len(client.spoken()) == 48 * 170
    assert client.of("response.output_audio_transcript.done")[0]["transcript"] == "One. Two."
    assert client.events[-1]["response"]["status"] == "completed"


def test_a_response_without_any_thought_is_complete_and_empty() -> None:
    client = ready()
    client.brain = lambda _: []
    events = client.send(type="response.create")

    assert events[-1]["response"]["status"] == "completed"
    assert events[-1]["response"]["output"] == []


def test_words_after_a_call_are_a_second_message() -> None:
    client = ready(pace=0)
    client.brain = lambda _: ["One.", ("f", "{}"), "Two."]
    client.send(type="response.create")

    assert [item["type"] for item in client.of("response.done")[0]["response"]["output"]] == [
        "message",
        "function_call",
        "message",
    ]


def test_an_interrupted_text_keeps_what_was_written() -> None:
    client = ready()
    client.lazy = True
    client.send(type="response.create", response={"output_modalities": ["text"]})
    client.feed(ThoughtText("resp_1", "Half a"))
    events = client.send(type="response.cancel")

    assert events[0]["text"] == "Half a"
    assert events[-1]["response"]["output"][0]["status"] == "incomplete"


def test_a_limit_on_writing_holds_too() -> None:
    client = ready()
    client.brain = lambda _: ["x" * 40, "y" * 40]
    events = client.send(type="response.create", response={"output_modalities": ["text"], "max_output_tokens": 10})

    assert events[-1]["response"]["status"] == "incomplete"
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "x" * 40


def test_the_limits_of_the_account_are_told_but_never_enforced() -> None:
    client = ready(pace=0)
    for _ in range(3):
        client.send(type="response.create")
    last = client.of("rate_limits.updated")[-1]["rate_limits"]

    assert [(limit["name"], limit["remaining"] < limit["limit"]) for limit in last] == [
        ("requests", True),
        ("tokens", True),
    ]


WEATHER = {"type": "function", "name": "weather", "parameters": {}}
TIME = {"type": "function", "name": "time", "parameters": {}}


def calls_of(client: VirtualClient, **response: Any) -> list[tuple[str, str]]:
    """Ask for a response; give its calls."""
    client.send(type="response.create", response=response)
    client.wait(2000)
    output = client.of("response.done")[-1]["response"]["output"]
    return [(item["name"], item["arguments"]) for item in output if item["type"] == "function_call"]


def test_a_response_may_make_several_calls_at_once_unless_it_must_not() -> None:
    client = VirtualClient()
    client.brain = lambda _: [("weather", '{"day": 1}'), ("weather", '{"day": 2}')]

    assert calls_of(client, tools=[WEATHER]) == [("weather", '{"day": 1}'), ("weather", '{"day": 2}')]
    assert calls_of(client, tools=[WEATHER], parallel_tool_calls=False) == [("weather", '{"day": 1}')]
    client.setup(parallel_tool_calls=False)
    assert calls_of(client, tools=[WEATHER]) == [("weather", '{"day": 1}')]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", []),
        ("none", []),
        ("required", [("weather", "{}")]),
        ({"type": "function", "name": "time"}, [("time", "{}")]),
    ],
)
def test_a_brain_that_only_talks_makes_the_call_that_is_required(choice: Any, expected: list[tuple[str, str]]) -> None:
    assert calls_of(VirtualClient(), tools=[WEATHER, TIME], tool_choice=choice) == expected


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "name": "weather"}])
def test_a_brain_that_makes_the_call_is_not_corrected(choice: Any) -> None:
    client = VirtualClient()
    client.brain = lambda _: [("weather", '{"day": 1}')]

    assert calls_of(client, tools=[WEATHER], tool_choice=choice) == [("weather", '{"day": 1}')]
    assert calls_of(client, tools=[WEATHER], tool_choice="none") == []


def test_required_without_any_tool_requires_nothing() -> None:
    assert calls_of(VirtualClient(), tool_choice="required") == []
