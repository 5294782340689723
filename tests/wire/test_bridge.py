"""One call from wire to wire: texts in, texts out."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.realtime_samples import mutated as mutated_realtime
from tests.support.script import CLIPS, an_agent
from tests.support.twilio_messages import FROM_TWILIO
from tests.support.twilio_messages import mutated as mutated_twilio
from voice_agent.call.commands import (
    CallEnded,
    CallerBegan,
    CallStarted,
    ClosePhone,
    Command,
    ConnectModel,
    Note,
    RunTool,
    ToolStarted,
)
from voice_agent.call.events import (
    EndRequested,
    ModelClosed,
    ModelOpened,
    ModelRefused,
    PhoneClosed,
    PhoneFault,
    TimerFired,
    ToolFinished,
)
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.wire.bridge import Bridge, Output
from voice_agent.wire.texts import ModelText, PhoneText

START = (Path(__file__).parent / "samples" / "twilio" / "start.json").read_text(encoding="utf-8")
SID = "MZ00000000000000000000000000000001"
SPEECH = b"\x80" * 160


def from_phone(event: str, **fields: Any) -> PhoneText:
    return PhoneText(json.dumps({"event": event, "streamSid": SID, "sequenceNumber": "2", **fields}))


def from_model(kind: str, **fields: Any) -> ModelText:
    return ModelText(json.dumps({"event_id": "event_1", "type": kind, **fields}))


def base64_of(audio: bytes) -> str:
    return base64.b64encode(audio).decode()


def frame(timestamp_ms: int, audio: bytes = SPEECH) -> PhoneText:
    media = {"track": "inbound", "chunk": "1", "timestamp": str(timestamp_ms), "payload": base64_of(audio)}
    return from_phone("media", media=media)


def response(status: str, **fields: Any) -> dict[str, Any]:
    return {"id": "resp_1", "object": "realtime.response", "status": status, "output": [], **fields}


def told(outputs: list[Output]) -> list[Any]:
    """What came out, readable: texts as data, the rest as it is."""
    return [json.loads(out.text) if isinstance(out, PhoneText | ModelText) else out for out in outputs]


def to_model(outputs: list[Output]) -> list[dict[str, Any]]:
    return [json.loads(out.text) for out in outputs if isinstance(out, ModelText)]


def to_phone(outputs: list[Output]) -> list[dict[str, Any]]:
    return [json.loads(out.text) for out in outputs if isinstance(out, PhoneText)]


def reports(outputs: list[Output]) -> list[Command]:
    return [out for out in outputs if not isinstance(out, PhoneText | ModelText)]


def a_bridge(*, audio: str = "g711", greeting: str | None = None, preconnect: bool = True) -> Bridge:
    setup = CallSetup(
        call_sid="CA1",
        agent=an_agent(greeting=greeting),
        model=ModelSetup(audio=audio),  # type: ignore[arg-type]  # the test names the format
        preconnect=preconnect,
    )
    return Bridge(setup, CLIPS)


@pytest.fixture
def bridge() -> Bridge:
    """A bridge whose session is set up and whose stream has begun, at 100 ms."""
    talking = a_bridge()
    talking.start()
    talking.feed(50, ModelOpened())
    (update,) = to_model(talking.feed(60, from_model("session.created", session={"id": "sess_1"})))
    talking.feed(80, from_model("session.updated", session=update["session"]))
    talking.feed(100, PhoneText(START))
    return talking


def speaks(bridge: Bridge, now_ms: int, ms: int = 1000) -> list[Output]:
    """The model answers with so much audio."""
    outputs = bridge.feed(now_ms, from_model("response.created", response=response("in_progress")))
    ids = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}
    outputs += bridge.feed(
        now_ms, from_model("response.output_audio.delta", **ids, delta=base64_of(b"\x10" * (8 * ms)))
    )
    outputs += bridge.feed(now_ms, from_model("response.output_audio.done", **ids))
    return outputs


def test_it_begins_with_the_models_connection() -> None:
    bridge = a_bridge()

    assert bridge.start() == [ConnectModel()]
    assert bridge.deadline() == 6000


def test_without_preconnecting_it_begins_with_nothing_but_the_wait_for_the_stream() -> None:
    bridge = a_bridge(preconnect=False)

    assert bridge.start() == []
    assert bridge.deadline() == 10_000


def test_the_session_is_set_up_and_the_greeting_asked_for() -> None:
    bridge = a_bridge(greeting="Hello.")
    bridge.start()
    bridge.feed(50, ModelOpened())
    (update,) = told(bridge.feed(60, from_model("session.created", session={"id": "sess_1"})))
    quiet = bridge.feed(80, from_model("session.updated", session=update["session"]))
    started, create = told(bridge.feed(100, PhoneText(START)))

    assert update["type"] == "session.update"
    assert update["session"]["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert quiet == []
    assert started == CallStarted(80)
    assert create["type"] == "response.create"
    assert create["response"]["metadata"] == {"request": "greeting-1"}


def test_what_the_caller_says_is_appended(bridge: Bridge) -> None:
    outputs = bridge.feed(120, frame(0))

    assert told(outputs) == [{"type": "input_audio_buffer.append", "audio": base64_of(SPEECH)}]


def test_what_the_model_says_is_played_between_its_marks(bridge: Bridge) -> None:
    outputs = speaks(bridge, 200)

    assert told(outputs) == [
        {"event": "mark", "streamSid": SID, "mark": {"name": "start-1"}},
        {"event": "media", "streamSid": SID, "media": {"payload": base64_of(b"\x10" * 8000)}},
        {"event": "mark", "streamSid": SID, "mark": {"name": "play-2"}},
    ]


def test_a_barge_in_clears_the_carrier_and_truncates_the_model(bridge: Bridge) -> None:
    bridge.feed(120, frame(0))
    speaks(bridge, 120)
    bridge.feed(121, from_phone("mark", mark={"name": "start-1"}))
    for at_ms in range(20, 420, 20):
        bridge.feed(120 + at_ms, frame(at_ms))
    cut = bridge.feed(520, from_model("input_audio_buffer.speech_started", audio_start_ms=300, item_id="item_u"))
    bridge.feed(521, from_phone("mark", mark={"name": "cut-3"}))
    (truncate,) = [
        text for text in to_model(bridge.feed(540, frame(420))) if text["type"] == "conversation.item.truncate"
    ]

    assert to_phone(cut) == [
        {"event": "clear", "streamSid": SID},
        {"event": "mark", "streamSid": SID, "mark": {"name": "cut-3"}},
    ]
    assert reports(cut) == [CallerBegan()]
    assert (truncate["item_id"], truncate["content_index"]) == ("item_1", 0)
    assert abs(truncate["audio_end_ms"] - 400) <= 20


def test_a_tool_is_an_order_and_its_answer_an_item(bridge: Bridge) -> None:
    bridge.feed(200, from_model("response.created", response=response("in_progress")))
    item = {
        "id": "item_f",
        "object": "realtime.item",
        "type": "function_call",
        "status": "completed",
        "call_id": "call_1",
        "name": "look_up",
        "arguments": "{}",
    }
    ordered = bridge.feed(210, from_model("response.output_item.done", response_id="resp_1", output_index=0, item=item))
    bridge.feed(220, from_model("response.done", response=response("completed")))
    answer, again = to_model(bridge.feed(300, ToolFinished("call_1", "42")))

    assert ordered == [ToolStarted("call_1", "look_up", "{}"), RunTool("call_1", "look_up", "{}")]
    assert answer["item"] == {"type": "function_call_output", "call_id": "call_1", "output": "42"}
    assert again["type"] == "response.create"


def test_keys_become_text_when_their_timer_fires(bridge: Bridge) -> None:
    bridge.feed(200, from_phone("dtmf", dtmf={"track": "inbound_track", "digit": "4"}))
    for now_ms in (850, 1100, 1350, 1600):
        bridge.feed(now_ms, TimerFired())  # the stream is silent
    texts = to_model(bridge.feed(1700, TimerFired()))

    assert [text["type"] for text in texts] == ["conversation.item.create", "response.create"]
    assert texts[0]["item"]["content"][0]["text"] == "The caller pressed these keys: 4"


def test_resampled_the_caller_is_six_times_as_many_bytes_and_an_empty_frame_is_nothing() -> None:
    bridge = a_bridge(audio="pcm24k")
    bridge.start()
    (update,) = to_model(bridge.feed(60, from_model("session.created", session={"id": "sess_1"})))
    bridge.feed(80, from_model("session.updated", session=update["session"]))
    bridge.feed(100, PhoneText(START))
    (append,) = to_model(bridge.feed(120, frame(0)))

    assert len(base64.b64decode(append["audio"])) == 6 * len(SPEECH)
    assert bridge.feed(140, frame(20, b"")) == []


def test_what_a_peer_should_not_have_sent_is_told_and_skipped(bridge: Bridge) -> None:
    outputs = bridge.feed(200, PhoneText("{")) + bridge.feed(201, ModelText("[]"))

    assert [out.what for out in outputs if isinstance(out, Note)] == [
        "a message of the stream was skipped",
        "a message of the model was skipped",
    ]


def test_a_stream_of_another_format_is_closed_with_the_reason() -> None:
    bridge = a_bridge()
    bridge.start()
    outputs = bridge.feed(100, PhoneText(START.replace("audio/x-mulaw", "audio/L16")))

    (closed,) = [out for out in outputs if isinstance(out, ClosePhone)]
    assert closed.reason.startswith("start.mediaFormat: 'audio/L16'")
    assert isinstance(outputs[-1], CallEnded)


def test_a_refused_model_is_apologised_for_on_the_wire() -> None:
    bridge = a_bridge()
    bridge.start()
    bridge.feed(50, ModelRefused(401, "401: check the key"))
    texts = to_phone(bridge.feed(100, PhoneText(START)))

    assert [text["event"] for text in texts] == ["mark", "media", "mark"]
    assert texts[1]["media"]["payload"] == base64_of(CLIPS["apology"])


@pytest.mark.parametrize(
    "received",
    [
        PhoneText(START),
        ModelText("{}"),
        PhoneFault("binary"),
        ModelClosed(1000),
        TimerFired(),
        EndRequested("drain"),
        PhoneClosed(1000),
    ],
)
def test_after_its_end_nothing_comes_out(bridge: Bridge, received: Any) -> None:
    outputs = bridge.feed(200, from_phone("stop", stop={"accountSid": "AC1", "callSid": "CA1"}))

    assert isinstance(outputs[-1], CallEnded)
    assert bridge.deadline() is None
    assert bridge.feed(300, received) == []


FROM_PEERS = st.one_of(
    mutated_twilio(FROM_TWILIO).map(PhoneText),
    mutated_realtime("server").map(ModelText),
    st.sampled_from([frame(0), frame(40), from_phone("mark", mark={"name": "start-1"}), TimerFired()]),
)


@given(st.lists(FROM_PEERS, max_size=25), st.sampled_from(["g711", "pcm24k"]))
def test_whatever_the_peers_send_nothing_is_raised_and_all_that_comes_out_is_json(
    received: list[PhoneText | ModelText], audio: str
) -> None:
    bridge = a_bridge(audio=audio)
    bridge.start()
    outputs = bridge.feed(0, PhoneText(START))
    for index, text in enumerate(received):
        outputs += bridge.feed(index * 100, text)

    assert len(told(outputs)) == len(outputs)


@given(st.lists(FROM_PEERS, max_size=25))
def test_the_same_inputs_make_the_same_outputs(received: list[PhoneText | ModelText]) -> None:
    runs = []
    for _ in range(2):
        bridge = a_bridge(audio="pcm24k")
        outputs = bridge.start() + bridge.feed(0, PhoneText(START))
        for index, text in enumerate(received):
            outputs += bridge.feed(index * 100, text)
        runs.append(outputs)

    assert runs[0] == runs[1]
