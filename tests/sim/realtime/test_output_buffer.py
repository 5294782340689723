import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.realtime_client import Event, VirtualClient, silence, tone
from voice_agent.sim.realtime import FRAME_BYTES, FrameDue, HeardAudio, OutputBuffer, PlayFrame, RealtimeOptions
from voice_agent.sim.realtime.filtered import is_safe
from voice_agent.sim.realtime.outbox import Outbox


class Listener:
    """A peer on a virtual clock: plays a frame every 20 ms and keeps what it heard."""

    def __init__(self, pace: int = 4) -> None:
        self.client = VirtualClient(RealtimeOptions(pace=pace), OutputBuffer())
        self.heard = b""

    def listen(self, duration_ms: int, say: bytes = b"") -> list[Event]:
        """Let time pass; what is said comes in frames of 20 ms. Gives the events."""
        before = len(self.client.events)
        for start in range(0, duration_ms // 20 * FRAME_BYTES, FRAME_BYTES):
            self.client.wait(20)
            self.client.feed(HeardAudio(say[start : start + FRAME_BYTES].ljust(FRAME_BYTES, b"\0")))
            self.client.feed(FrameDue())
            frame = self.client.orders.pop()
            assert isinstance(frame, PlayFrame)
            assert len(frame.pcm) == FRAME_BYTES
            self.heard += frame.pcm
        return self.client.events[before:]

    def ask(self) -> list[Event]:
        """Write a line and ask for the answer: 12 and 15 characters, so 270 ms of speech."""
        content = [{"type": "input_text", "text": "Hi."}]
        item = {"type": "message", "role": "user", "content": content}
        self.client.send(type="conversation.item.create", item=item)
        return self.client.send(type="response.create")


def types(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def loud_ms(pcm: bytes) -> int:
    return sum(1 for start in range(0, len(pcm), 48) if any(pcm[start : start + 48]))


def test_audio_is_played_and_not_sent() -> None:
    listener = Listener()
    listener.ask()
    events = listener.listen(400)

    sent = types(listener.client.events)
    assert "response.output_audio.delta" not in sent
    assert "response.output_audio_transcript.done" in sent
    assert loud_ms(listener.heard) == 270
    assert types(events)[-1] == "output_audio_buffer.stopped"


def test_started_comes_with_the_first_audio_and_stopped_when_all_was_played_and_done() -> None:
    listener = Listener()
    listener.ask()
    listener.listen(400)

    sent = types(listener.client.events)
    started, stopped = (sent.index(f"output_audio_buffer.{name}") for name in ("started", "stopped"))
    assert sent.index("response.content_part.added") < started < sent.index("response.done") < stopped
    assert (sent.count("output_audio_buffer.started"), sent.count("output_audio_buffer.stopped")) == (1, 1)


def test_a_pause_of_a_slow_voice_is_silence_and_no_end() -> None:
    listener = Listener()
    listener.client.lazy = True
    listener.ask()
    events = listener.listen(500)

    assert events == []
    assert loud_ms(listener.heard) == 0


def test_the_caller_cuts_the_tail_of_an_answer_that_was_done_and_the_server_truncates_it() -> None:
    listener = Listener(pace=0)
    listener.client.setup(server_vad=True)
    listener.client.brain = lambda _: ["word " * 100]
    listener.ask()
    assert types(listener.client.events)[-1] == "response.done"
    listener.listen(1000)
    events = listener.listen(400, tone(400))
    heard_ms = loud_ms(listener.heard)

    [truncated] = [event for event in events if event["type"] == "conversation.item.truncated"]
    sent = types(events)
    assert sent.index("input_audio_buffer.speech_started") < sent.index("output_audio_buffer.cleared")
    assert truncated["audio_end_ms"] == heard_ms < 1400
    assert "output_audio_buffer.stopped" not in sent
    assert loud_ms(listener.heard) == heard_ms


def test_an_answer_in_the_making_is_cancelled_before_it_is_cut() -> None:
    listener = Listener(pace=1)
    listener.client.setup(server_vad=True)
    listener.client.brain = lambda _: ["word " * 100]
    listener.ask()
    listener.listen(600)
    sent = types(listener.listen(300, tone(300)))

    order = ["response.done", "output_audio_buffer.cleared", "conversation.item.truncated"]
    assert [name for name in sent if name in order] == order


def test_speech_that_may_not_interrupt_cuts_nothing() -> None:
    listener = Listener(pace=0)
    detection = {"type": "server_vad", "interrupt_response": False}
    listener.client.send(
        type="session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
    )
    listener.client.brain = lambda _: ["word " * 50]
    listener.ask()
    sent = types(listener.listen(800, silence(200) + tone(300)))

    assert "input_audio_buffer.speech_started" in sent
    assert "output_audio_buffer.cleared" not in sent


def test_a_client_clears_what_plays_and_ends_its_making() -> None:
    listener = Listener(pace=1)
    listener.client.brain = lambda _: ["word " * 100]
    listener.ask()
    listener.listen(600)
    events = listener.client.send(type="output_audio_buffer.clear")

    assert types(events)[-3:] == ["response.done", "output_audio_buffer.cleared", "conversation.item.truncated"]
    assert events[-3]["response"]["status_details"]["reason"] == "client_cancelled"
    assert listener.client.send(type="output_audio_buffer.clear") == []


def test_without_a_peer_there_is_no_buffer_to_clear() -> None:
    [error] = VirtualClient().send(type="output_audio_buffer.clear")

    assert error["error"]["code"] == "invalid_event"


def test_an_item_that_nobody_heard_is_truncated_to_nothing() -> None:
    listener = Listener(pace=0)
    listener.ask()
    events = listener.client.send(type="output_audio_buffer.clear")

    assert types(events) == ["output_audio_buffer.cleared", "conversation.item.truncated"]
    assert events[-1]["audio_end_ms"] == 0


def test_a_deleted_item_and_one_of_no_conversation_are_cut_without_truncation() -> None:
    listener = Listener(pace=0)
    listener.client.send(type="response.create", response={"conversation": "none"})
    listener.listen(20)
    alone = listener.client.send(type="output_audio_buffer.clear")
    listener.ask()
    item_id = listener.client.events[-1]["response"]["output"][0]["id"]
    listener.client.send(type="conversation.item.delete", item_id=item_id)
    deleted = listener.client.send(type="output_audio_buffer.clear")

    assert types(alone) == types(deleted) == ["output_audio_buffer.cleared"]


def test_one_answer_after_the_other_is_announced_each_for_itself() -> None:
    listener = Listener(pace=0)
    listener.ask()
    listener.ask()
    events = [event for event in listener.listen(800) if event["type"].startswith("output_audio_buffer")]

    assert [(event["type"].partition(".")[2], event["response_id"]) for event in events] == [
        ("started", "resp_1"),
        ("stopped", "resp_1"),
        ("started", "resp_2"),
        ("stopped", "resp_2"),
    ]


def test_formats_of_the_session_are_those_of_the_line_whatever_is_asked() -> None:
    listener = Listener()
    audio = {"input": {"format": {"type": "audio/pcmu"}}, "output": {"format": {"type": "audio/pcmu"}, "voice": "ash"}}
    [updated] = listener.client.send(type="session.update", session={"type": "realtime", "audio": audio})
    made = listener.client.send(type="response.create", response={"audio": {"output": {"format": "pcmu"}}})

    shown = updated["session"]["audio"]
    assert shown["input"]["format"] == shown["output"]["format"] == {"type": "audio/pcm", "rate": 24000}
    assert shown["output"]["voice"] == "ash"
    assert made[0]["type"] == "response.created"


def test_a_session_is_configured_before_it_begins_or_says_why_not() -> None:
    session = VirtualClient(output=OutputBuffer()).session

    assert session.configure({"type": "realtime", "instructions": "Be brief."}) is None
    refusal = session.configure({"type": "realtime", "voice": "ash"})
    assert refusal is not None
    assert refusal["code"] == "unknown_parameter"
    assert session.configure("nothing") is not None


def test_the_filter_shows_speech_and_hides_the_setup() -> None:
    assert is_safe('{"type": "output_audio_buffer.started", "event_id": "e"}')
    assert not is_safe('{"type": "session.updated", "session": {}}')


@given(st.lists(st.one_of(st.integers(0, 3000), st.sampled_from(["frame", "cut"])), max_size=60))
def test_what_is_heard_and_what_is_cut_is_what_came(steps: list[Any]) -> None:
    buffer, outbox = OutputBuffer(), Outbox()
    came = heard = 0
    for step in steps:
        if step == "frame":
            heard += sum(map(bool, buffer.frame(outbox, lambda _: False)))
        elif step == "cut":
            cuts = buffer.cut(outbox)
            assert all(cut.heard_ms <= came // 48 for cut in cuts)
            came = heard
        else:
            delta = b"\1" * step
            fields = {"response_id": "r", "item_id": "i", "content_index": 0, "delta": delta}
            assert buffer.write("response.output_audio.delta", fields) == []
            came += step
    while buffer.playing is not None or heard < came:
        heard += sum(map(bool, buffer.frame(outbox, lambda _: False)))

    told = [json.loads(output.text)["type"] for output in outbox.take()]  # type: ignore[union-attr]
    assert heard == came
    assert told.count("output_audio_buffer.started") <= told.count("output_audio_buffer.stopped") + told.count(
        "output_audio_buffer.cleared"
    )
