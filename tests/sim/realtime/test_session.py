import json
from typing import Any

import pytest

from tests.support.realtime_client import VirtualClient, silence, tone
from voice_agent.sim.realtime import ClientText, CloseSocket, RealtimeOptions, Speak, StopWork, Think, TimerFired
from voice_agent.sim.realtime.session import MOST_APPENDED_BYTES


def types(events: list[dict[str, object]]) -> list[object]:
    return [event["type"] for event in events]


def test_a_session_begins_with_the_whole_configuration() -> None:
    client = VirtualClient(RealtimeOptions(model="gpt-realtime-mini"))
    (created,) = client.events

    assert created["type"] == "session.created"
    assert created["session"]["model"] == "gpt-realtime-mini"
    assert created["session"]["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    assert "id" not in created["session"]


def test_a_spoken_answer_has_its_events_in_the_documented_order() -> None:
    client = VirtualClient()
    client.setup()
    client.brain = lambda _: ["Hi."]
    events = client.send(type="response.create") + client.wait(1000)

    assert types(events) == [
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]


def test_a_function_call_has_its_events_in_the_documented_order() -> None:
    client = VirtualClient()
    client.setup()
    client.brain = lambda _: [("hours", '{"day": "Monday"}')]
    events = client.send(type="response.create")

    assert types(events) == [
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
    ]
    assert events[2]["item"]["arguments"] == ""
    assert events[-1]["response"]["output"][0]["arguments"] == '{"day": "Monday"}'


def test_speech_and_a_call_are_two_items_of_one_response() -> None:
    client = VirtualClient()
    client.setup()
    client.brain = lambda _: ["Goodbye.", ("hang_up", "{}")]
    client.send(type="response.create")
    client.wait(1000)
    (done,) = client.of("response.done")

    assert [item["type"] for item in done["response"]["output"]] == ["message", "function_call"]
    assert [event["output_index"] for event in client.of("response.output_item.done")] == [0, 1]


def test_audio_is_sent_faster_than_it_plays_but_not_at_once() -> None:
    client = VirtualClient(RealtimeOptions(pace=4, delta_ms=200))
    client.setup()
    client.brain = lambda _: ["x" * 100]  # one second
    client.send(type="response.create")
    sent = [len(client.spoken()) // 48]
    for _ in range(4):
        client.wait(50)
        sent.append(len(client.spoken()) // 48)

    assert sent == [200, 400, 600, 800, 1000]


def test_without_pace_audio_is_sent_at_once() -> None:
    client = VirtualClient(RealtimeOptions(pace=0))
    client.setup()
    client.send(type="response.create")

    assert client.events[-1]["type"] == "response.done"


@pytest.mark.parametrize(("law", "silence"), [("audio/pcmu", 0xFF), ("audio/pcma", 0xD5)])
def test_a_law_of_the_telephone_is_sent_in_its_own_format_with_its_tail(law: str, silence: int) -> None:
    client = VirtualClient(RealtimeOptions(pace=0))
    pcmu = {"type": law}
    client.setup()
    client.send(
        type="session.update",
        session={"type": "realtime", "audio": {"input": {"format": pcmu}, "output": {"format": pcmu}}},
    )
    client.brain = lambda _: ["x" * 50]
    client.send(type="response.create")

    assert len(client.spoken()) == 8 * 503  # the filter's delay is brought out at the end
    assert client.spoken()[0] in {silence, silence ^ 0x80}
    assert client.of("response.done")[0]["response"]["audio"]["output"]["format"] == pcmu


@pytest.mark.parametrize(
    ("law", "loud", "quiet"),
    [("audio/pcmu", b"\x10\x90" * 2000, b"\xff" * 4800), ("audio/pcma", b"\x30\xb0" * 2000, b"\xd5" * 4800)],
)
def test_a_turn_in_a_law_of_the_telephone_is_heard(law: str, loud: bytes, quiet: bytes) -> None:
    client = VirtualClient()
    client.setup(server_vad=True)
    client.send(type="session.update", session={"type": "realtime", "audio": {"input": {"format": {"type": law}}}})
    client.stream(quiet + loud + quiet, bytes_per_ms=8)

    assert client.of("input_audio_buffer.speech_started")[0]["audio_start_ms"] == pytest.approx(300, abs=40)
    assert client.of("input_audio_buffer.committed")


def test_a_turn_is_told_step_by_step() -> None:
    client = VirtualClient()
    client.setup(server_vad=True)
    events = client.stream(silence(500) + tone(600) + silence(700))
    item_id = events[0]["item_id"]

    assert types(events)[:8] == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "rate_limits.updated",
        "conversation.item.input_audio_transcription.delta",
    ]
    assert {event["item_id"] for event in events[:3]} == {item_id}
    assert events[3]["item"]["content"] == [{"type": "input_audio", "transcript": None}]


def test_the_padding_belongs_to_the_turn_and_so_does_the_silence() -> None:
    client = VirtualClient()
    client.setup(server_vad=True)
    client.stream(silence(1000) + tone(600) + silence(700))

    assert client.of("input_audio_buffer.speech_started")[0]["audio_start_ms"] == pytest.approx(700, abs=33)
    assert client.of("input_audio_buffer.speech_stopped")[0]["audio_end_ms"] == pytest.approx(2100, abs=65)


def test_silence_passes_only_in_appended_audio() -> None:
    client = VirtualClient()
    client.setup(server_vad=True)
    client.stream(tone(600))
    client.wait(60_000)

    assert not client.of("input_audio_buffer.speech_stopped")


def test_the_callers_voice_cancels_an_answer_in_the_middle() -> None:
    client = VirtualClient()
    client.setup(server_vad=True)
    client.brain = lambda _: ["A very long answer. " * 20]
    client.send(type="response.create")
    client.stream(tone(200))
    client.wait(5000)
    (done,) = client.of("response.done")
    kinds = types(client.events)
    after = kinds[kinds.index("input_audio_buffer.speech_started") :]

    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert done["response"]["output"][0]["status"] == "incomplete"
    assert "response.output_audio.delta" not in after
    assert StopWork(done["response"]["id"]) in client.orders


def test_without_interruption_the_answer_goes_on_and_the_turns_own_is_refused() -> None:
    client = VirtualClient()
    detection = {"type": "server_vad", "interrupt_response": False, "silence_duration_ms": 200}
    client.send(type="session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    client.brain = lambda _: ["A very long answer. " * 40]
    client.send(type="response.create")
    client.stream(tone(200) + silence(400))

    assert not client.of("response.done")
    assert client.of("error")[0]["error"]["code"] == "conversation_already_has_active_response"


def test_without_create_response_a_turn_is_only_committed() -> None:
    client = VirtualClient()
    detection = {"type": "server_vad", "create_response": False}
    client.send(type="session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    client.stream(tone(300) + silence(700))

    assert client.of("input_audio_buffer.committed")
    assert not client.of("response.created")


@pytest.mark.parametrize(("eagerness", "silence_ms"), [("high", 400), ("auto", 700), ("low", 1200)])
def test_semantic_vad_waits_by_its_eagerness(eagerness: str, silence_ms: int) -> None:
    client = VirtualClient()
    detection = {"type": "semantic_vad", "eagerness": eagerness}
    client.send(type="session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    client.stream(tone(320) + silence(2000))

    stopped = client.of("input_audio_buffer.speech_stopped")[0]["audio_end_ms"]
    assert stopped == pytest.approx(320 + silence_ms, abs=65)


def test_a_quiet_voice_needs_a_low_threshold() -> None:
    def heard(threshold: float) -> bool:
        client = VirtualClient()
        detection = {"type": "server_vad", "threshold": threshold}
        client.send(
            type="session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
        )
        client.stream(tone(300, amplitude=250))  # -45 dBFS
        return bool(client.of("input_audio_buffer.speech_started"))

    assert heard(0.4)
    assert not heard(0.9)


def test_manual_turns_are_committed_without_an_answer() -> None:
    client = VirtualClient()
    client.setup()
    client.append(tone(300))
    events = client.send(type="input_audio_buffer.commit")

    assert types(events)[:3] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert not client.of("response.created")


def test_committing_less_than_a_tenth_of_a_second_is_refused() -> None:
    client = VirtualClient()
    client.setup()
    client.append(tone(99))
    (error,) = client.send(type="input_audio_buffer.commit", event_id="mine")

    assert error["error"]["code"] == "input_audio_buffer_commit_empty"
    assert error["error"]["event_id"] == "mine"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "conversation.item.delete"},
        {"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": "5"},
        {"type": "hello"},
        {},
    ],
)
def test_an_error_names_the_event_that_it_answers_though_it_could_not_be_read(event: dict[str, Any]) -> None:
    (error,) = VirtualClient().send(**event, event_id="mine")

    assert error["error"]["event_id"] == "mine"


def test_cleared_audio_is_gone() -> None:
    client = VirtualClient()
    client.setup()
    client.append(tone(500))
    client.send(type="input_audio_buffer.clear")

    assert client.send(type="input_audio_buffer.commit")[0]["type"] == "error"


def test_a_commit_in_the_middle_of_speech_keeps_the_announced_item() -> None:
    client = VirtualClient()
    client.setup(server_vad=True)
    client.stream(tone(400))
    announced = client.of("input_audio_buffer.speech_started")[0]["item_id"]
    committed = client.send(type="input_audio_buffer.commit")[0]

    assert committed["item_id"] == announced
    assert not client.stream(silence(1000))


def test_thinking_waits_for_the_callers_words() -> None:
    client = VirtualClient()
    client.setup(server_vad=True)
    client.lazy = True
    client.stream(tone(300) + silence(700))

    assert client.of("response.created")
    assert not [order for order in client.orders if isinstance(order, Think)]


def test_the_brain_reads_words_instructions_and_tools() -> None:
    client = VirtualClient()
    tool = {"type": "function", "name": "hours", "description": "", "parameters": {"type": "object"}}
    client.setup(server_vad=True, instructions="Be kind.", tools=[tool])
    client.words = iter(["what are your hours"])
    client.stream(tone(300) + silence(700))
    (think,) = [order for order in client.orders if isinstance(order, Think)]

    assert [(line.kind, line.text) for line in think.conversation] == [("user", "what are your hours")]
    assert (think.instructions, think.tools, think.tool_choice) == ("Be kind.", (tool,), "auto")


def test_words_are_told_only_where_transcription_is_on() -> None:
    client = VirtualClient()
    client.send(type="session.update", session={"type": "realtime", "audio": {"input": {"transcription": None}}})
    client.stream(tone(300) + silence(700))

    assert client.of("response.created")
    assert not [kind for kind in types(client.events) if "transcription" in str(kind)]


def test_a_session_ends_after_an_hour() -> None:
    client = VirtualClient()
    client.setup()
    client.wait(60 * 60_000)

    assert client.of("error")[0]["error"]["code"] == "session_expired"
    assert client.closed == CloseSocket(1001, "maximum duration of 60 minutes")
    assert client.session.deadline() is None
    assert client.send(type="response.create") == []


def test_an_idle_caller_triggers_the_timeout_after_the_playout() -> None:
    client = VirtualClient()
    detection = {"type": "server_vad", "idle_timeout_ms": 5000}
    client.send(type="session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    client.brain = lambda _: ["x" * 200]  # two seconds
    client.send(type="response.create")
    client.stream(silence(6900))
    before = list(client.of("input_audio_buffer.timeout_triggered"))
    client.stream(silence(200))

    assert before == []
    assert client.of("input_audio_buffer.timeout_triggered")
    assert len(client.of("response.created")) == 2


def test_an_idle_caller_whose_line_is_dead_triggers_nothing() -> None:
    client = VirtualClient()
    detection = {"type": "server_vad", "idle_timeout_ms": 5000}
    client.send(type="session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}})
    client.send(type="response.create")
    client.wait(30_000)

    assert not client.of("input_audio_buffer.timeout_triggered")


@pytest.mark.parametrize(
    ("text", "code", "param"),
    [
        ("{", "invalid_event", None),
        ('{"type": "conversation.item.delete"}', "missing_required_parameter", "item_id"),
        ('{"type": "session.start"}', "invalid_value", "type"),
        ('{"type": "output_audio_buffer.clear"}', "invalid_event", "type"),
        ('{"type": "transcription_session.update", "session": {}}', "invalid_value", "type"),
        ('{"type": "input_audio_buffer.append", "audio": "?"}', "invalid_value", "audio"),
    ],
)
def test_what_cannot_be_read_is_answered_and_the_session_goes_on(text: str, code: str, param: str | None) -> None:
    client = VirtualClient()
    (event,) = client.feed(ClientText(text))

    assert (event["error"]["code"], event["error"]["param"]) == (code, param)
    assert client.send(type="response.create")[0]["type"] == "response.created"


def test_the_same_inputs_give_the_same_texts() -> None:
    def play() -> str:
        client = VirtualClient()
        client.setup(server_vad=True)
        client.stream(tone(300) + silence(900) + tone(400) + silence(900))
        return json.dumps(client.events)

    assert play() == play()


def test_a_timer_that_fires_early_does_nothing() -> None:
    client = VirtualClient()
    client.setup()

    assert client.feed(TimerFired()) == []


def test_every_sentence_is_spoken_on_its_own() -> None:
    client = VirtualClient()
    client.setup()
    client.send(type="response.create")
    client.wait(1000)

    assert [order.text for order in client.orders if isinstance(order, Speak)] == ["Hello there.", "How can I help?"]
    assert client.of("response.output_audio_transcript.done")[0]["transcript"] == "Hello there. How can I help?"
    assert len(client.spoken()) == len(tone(270))


def test_the_callers_words_come_as_deltas_too() -> None:
    client = VirtualClient()
    client.words = iter(["how are you today"])
    client.setup()
    client.append(tone(200))
    client.send(type="input_audio_buffer.commit")
    deltas = client.of("conversation.item.input_audio_transcription.delta")

    assert [event["delta"] for event in deltas] == ["how", " are", " you", " today"]


def test_an_event_takes_so_much_audio_and_so_long_an_id() -> None:
    client = VirtualClient()
    (much,) = client.send(type="input_audio_buffer.append", audio="A" * (MOST_APPENDED_BYTES * 4 // 3 + 8))
    (long,) = client.send(type="input_audio_buffer.clear", event_id="x" * 513)

    assert (much["error"]["code"], much["error"]["param"]) == ("string_above_max_length", "audio")
    assert (long["error"]["code"], long["error"]["param"]) == ("string_above_max_length", "event_id")
    assert len(client.send(type="input_audio_buffer.clear", event_id="x" * 512)) == 1
    assert client.events[-1]["type"] == "input_audio_buffer.cleared"
