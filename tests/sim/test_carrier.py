"""The simulated carrier, by scripts of a stream and by chance; messages are read as JSON, not by our own parser."""

import base64
import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.audio.dtmf import keys_in
from voice_agent.sim.carrier import (
    BridgeBinary,
    BridgeClosed,
    BridgeText,
    CallEnded,
    Carrier,
    CarrierCall,
    CloseSocket,
    Echo,
    HangUp,
    Input,
    Output,
    PressKey,
    Speak,
    StopSpeaking,
    Switches,
    TimerFired,
)
from voice_agent.wire.twilio import FromTwilio, Stop, encode

CALL = CarrierCall(call_sid="CA1", stream_sid="MZ1", account_sid="AC1", parameters={"token": "t"})


def media(audio: bytes, stream_sid: str = "MZ1") -> BridgeText:
    payload = base64.b64encode(audio).decode()
    return BridgeText(json.dumps({"event": "media", "streamSid": stream_sid, "media": {"payload": payload}}))


def mark(name: str) -> BridgeText:
    return BridgeText(json.dumps({"event": "mark", "streamSid": "MZ1", "mark": {"name": name}}))


CLEAR = BridgeText(json.dumps({"event": "clear", "streamSid": "MZ1"}))


class Line:
    """A carrier and its user's clock: runs all timers, as a shell does, and notes what was sent when."""

    def __init__(self, switches: Switches | None = None, origin_ms: int = 1000) -> None:
        self.carrier = Carrier(CALL, switches)
        self.origin_ms = origin_ms
        self.sent: list[tuple[int, Output]] = [(0, output) for output in self.carrier.start(origin_ms)]

    def at(self, now_ms: int, received: Input) -> list[Output]:
        self.until(now_ms)
        outputs = self.carrier.feed(self.origin_ms + now_ms, received)
        self.sent += [(now_ms, output) for output in outputs]
        return outputs

    def until(self, now_ms: int) -> None:
        while (due_ms := self.carrier.deadline()) is not None and due_ms < self.origin_ms + now_ms:
            outputs = self.carrier.feed(due_ms, TimerFired())
            assert outputs, "a deadline at which nothing happens"
            self.sent += [(due_ms - self.origin_ms, output) for output in outputs]

    def messages(self, *events: str) -> list[tuple[int, dict[str, Any]]]:
        read = [(at_ms, json.loads(encode(out))) for at_ms, out in self.sent if isinstance(out, FromTwilio)]
        return [(at_ms, message) for at_ms, message in read if not events or message["event"] in events]

    def echoes(self) -> list[tuple[int, str]]:
        return [(at_ms, message["mark"]["name"]) for at_ms, message in self.messages("mark")]


def test_a_stream_begins_with_connected_and_start() -> None:
    line = Line()

    assert line.messages() == [
        (0, {"event": "connected", "protocol": "Call", "version": "1.0.0"}),
        (
            0,
            {
                "event": "start",
                "sequenceNumber": "1",
                "streamSid": "MZ1",
                "start": {
                    "streamSid": "MZ1",
                    "accountSid": "AC1",
                    "callSid": "CA1",
                    "tracks": ["inbound"],
                    "customParameters": {"token": "t"},
                    "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                },
            },
        ),
    ]


def test_silence_is_sent_every_20_ms_with_counted_chunks() -> None:
    line = Line()

    line.until(41)

    payload = base64.b64encode(b"\xff" * 160).decode()
    assert line.messages("media") == [
        (
            20 * chunk,
            {
                "event": "media",
                "sequenceNumber": str(chunk + 1),
                "streamSid": "MZ1",
                "media": {
                    "track": "inbound",
                    "chunk": str(chunk),
                    "timestamp": str(20 * chunk - 20),
                    "payload": payload,
                },
            },
        )
        for chunk in (1, 2)
    ]


def test_the_callers_voice_begins_at_its_millisecond_and_ends_where_it_stops() -> None:
    line = Line()

    line.at(25, Speak(b"v" * 400))
    line.at(45, StopSpeaking())
    line.until(81)

    frames = [base64.b64decode(message["media"]["payload"]) for _, message in line.messages("media")]
    assert frames[1] == b"\xff" * 40 + b"v" * 120
    assert frames[2] == b"v" * 40 + b"\xff" * 120
    assert line.carrier.caller_track == b"\xff" * 200 + b"v" * 160 + b"\xff" * 280


def test_two_utterances_queue_up() -> None:
    line = Line()

    line.at(0, Speak(b"1" * 80))
    line.at(0, Speak(b"2" * 80))
    line.until(21)

    assert base64.b64decode(line.messages("media")[0][1]["media"]["payload"]) == b"1" * 80 + b"2" * 80


def test_a_mark_comes_back_at_the_millisecond_at_which_its_audio_was_played() -> None:
    line = Line()

    line.at(33, media(b"a" * 84))  # 10.5 ms
    line.at(33, mark("m"))
    line.until(100)

    assert line.echoes() == [(44, "m")]
    assert line.carrier.played == [(33, b"a" * 84)]


def test_a_mark_with_nothing_to_wait_for_comes_back_at_once() -> None:
    line = Line()

    line.at(5, mark("start"))

    assert line.echoes() == [(5, "start")]


def test_audio_of_several_messages_plays_without_a_pause_and_marks_keep_their_places() -> None:
    line = Line()

    for name in ("a", "b"):
        line.at(10, media(name.encode() * 80))
        line.at(10, mark(name))
    line.until(60)

    assert line.echoes() == [(20, "a"), (30, "b")]
    assert line.carrier.played == [(10, b"a" * 80), (20, b"b" * 80)]


def test_clear_drops_the_queue_and_echoes_what_was_pending_in_order() -> None:
    line = Line()
    line.at(0, media(b"a" * 800))
    line.at(0, mark("a"))
    line.at(0, media(b"b" * 800))
    line.at(0, mark("b"))

    line.at(110, CLEAR)
    line.at(110, mark("cut"))
    line.until(500)

    assert line.echoes() == [(100, "a"), (110, "b"), (110, "cut")]
    assert line.carrier.echoes == [Echo("a", 100, False), Echo("b", 110, True), Echo("cut", 110, False)]
    assert line.carrier.clears_ms == [110]
    assert [piece.played(line.carrier.now_ms * 8) for piece in line.carrier.queued] == [800, 80]


def test_audio_after_a_clear_plays_from_its_arrival() -> None:
    line = Line()
    line.at(0, media(b"a" * 800))

    line.at(20, CLEAR)
    line.at(30, media(b"b" * 80))
    line.until(61)

    assert line.carrier.played == [(0, b"a" * 160), (30, b"b" * 80)]
    assert line.carrier.agent_track == b"a" * 160 + b"\xff" * 80 + b"b" * 80 + b"\xff" * 160


def test_a_key_is_told_between_the_frames() -> None:
    line = Line()

    line.at(25, PressKey("#"))

    assert line.messages("dtmf") == [
        (
            25,
            {
                "event": "dtmf",
                "streamSid": "MZ1",
                "sequenceNumber": "3",
                "dtmf": {"track": "inbound_track", "digit": "#"},
            },
        )
    ]


def test_a_hang_up_ends_with_stop_and_a_close_frame() -> None:
    line = Line()
    line.at(0, media(b"a" * 800))

    outputs = line.at(10, HangUp())

    stop = {
        "event": "stop",
        "streamSid": "MZ1",
        "sequenceNumber": "2",
        "stop": {"accountSid": "AC1", "callSid": "CA1"},
    }
    assert isinstance(outputs[0], Stop)
    assert json.loads(encode(outputs[0])) == stop
    assert outputs[1:] == [CloseSocket(1000), CallEnded("caller_hung_up", continues=False)]
    assert line.carrier.deadline() is None
    assert line.carrier.played == [(0, b"a" * 80)]


def test_a_hang_up_may_come_without_stop_and_without_a_close_frame() -> None:
    assert Line().at(10, HangUp(with_stop=False, with_close=False)) == [
        CloseSocket(None),
        CallEnded("caller_hung_up", continues=False),
    ]


def test_a_redirected_call_leaves_the_stream_and_goes_on() -> None:
    assert Line().at(10, HangUp("redirected"))[1:] == [CloseSocket(1000), CallEnded("redirected", continues=True)]


def test_nothing_happens_after_the_end() -> None:
    line = Line()
    line.at(10, HangUp())

    assert line.at(20, media(b"a")) == line.at(40, HangUp()) == []
    assert line.carrier.now_ms == 10


@pytest.mark.parametrize("play", [False, True])
def test_when_the_bridge_closes_the_twiml_goes_on_with_or_without_the_queued_audio(play: bool) -> None:
    line = Line(Switches(play_buffer_after_close=play))
    line.at(0, media(b"a" * 800))
    line.at(0, mark("never echoed"))

    line.at(30, BridgeClosed(1000))
    line.at(35, media(b"late" * 100))
    line.at(35, PressKey("1"))
    line.at(35, BridgeClosed(1000))
    line.until(500)

    assert line.sent[-1] == (100 if play else 30, CallEnded("bridge_closed", continues=True))
    assert line.carrier.played == [(0, b"a" * (800 if play else 240))]
    assert line.echoes() == []
    assert line.carrier.warnings == []


def test_a_caller_may_hang_up_while_the_rest_is_played_after_a_close() -> None:
    line = Line(Switches(play_buffer_after_close=True))
    line.at(0, media(b"a" * 800))
    line.at(30, BridgeClosed(1000))

    assert line.at(50, HangUp()) == [CallEnded("caller_hung_up", continues=False)]


@pytest.mark.parametrize("code", [None, 1001, 1011])
@pytest.mark.parametrize("continues", [False, True])
def test_an_abnormal_close_is_reported_and_the_call_goes_on_or_not(code: int | None, continues: bool) -> None:
    line = Line(Switches(action_after_abnormal_close=continues))

    assert line.at(30, BridgeClosed(code)) == [CallEnded("bridge_lost", continues=continues)]
    assert [entry.code for entry in line.carrier.warnings] == [31921]


def test_frames_and_echoes_due_together_come_in_the_order_of_the_switch() -> None:
    def order(switches: Switches) -> list[str]:
        line = Line(switches)
        line.at(0, media(b"a" * 160))
        line.at(0, mark("played"))
        line.at(20, mark("idle"))
        line.until(21)
        return [message["event"] for _, message in line.messages("media", "mark")]

    assert order(Switches(echo_before_frame=False)) == ["media", "mark", "mark"]
    assert order(Switches(echo_before_frame=True)) == ["mark", "mark", "media"]


def test_echoes_may_wait_for_the_next_frames_time() -> None:
    line = Line(Switches(marks_at_frame_edges=True))

    line.at(5, mark("start"))
    line.at(5, media(b"a" * 80))
    line.at(5, mark("end"))
    line.at(45, mark("later"))
    line.until(100)

    assert line.echoes() == [(20, "start"), (20, "end"), (60, "later")]


def test_marks_may_be_forgotten_at_a_clear() -> None:
    line = Line(Switches(echo_marks_on_clear=False))

    line.at(0, media(b"a" * 800))
    line.at(0, mark("forgotten"))
    line.at(10, CLEAR)
    line.until(200)

    assert line.echoes() == []


def test_a_silent_caller_may_leave_gaps_in_which_the_timestamps_jump() -> None:
    line = Line(Switches(silent_gaps=True))

    line.carrier.feed(line.origin_ms + 45, Speak(b"v" * 80))
    outputs = line.carrier.feed(line.origin_ms + 101, TimerFired())

    (frame,) = [json.loads(encode(output))["media"] for output in outputs if isinstance(output, FromTwilio)]
    assert (frame["chunk"], frame["timestamp"]) == ("1", "40")
    assert base64.b64decode(frame["payload"]) == b"\xff" * 40 + b"v" * 80 + b"\xff" * 40


def test_another_frame_length_keeps_the_clock() -> None:
    line = Line(Switches(frame_ms=40))

    line.until(81)

    frames = [(at_ms, message["media"]) for at_ms, message in line.messages("media")]
    assert [(at_ms, frame["timestamp"]) for at_ms, frame in frames] == [(40, "0"), (80, "40")]
    assert len(base64.b64decode(frames[0][1]["payload"])) == 320


def test_a_late_timer_sends_all_that_was_due_in_the_order_of_its_times() -> None:
    line = Line()
    line.carrier.feed(line.origin_ms, media(b"a" * 200))
    line.carrier.feed(line.origin_ms, mark("25 ms"))

    outputs = line.carrier.feed(line.origin_ms + 47, TimerFired())

    events = [json.loads(encode(output))["event"] for output in outputs if isinstance(output, FromTwilio)]
    assert events == ["media", "mark", "media"]
    assert line.carrier.echoes == [Echo("25 ms", 25, False)]


@pytest.mark.parametrize(
    ("received", "code"),
    [
        (BridgeText("not JSON"), 31951),
        (BridgeText('{"event":"media","streamSid":"MZ1","media":{"payload":"%%%"}}'), 31951),
        (BridgeText('{"event":"hello","streamSid":"MZ1"}'), 31951),
        (BridgeText('{"event":"mark","streamSid":"MZ1"}'), 31951),
        (BridgeText('{"event":"media","streamSid":"MZ1","media":{"payload":"/w==","track":"outbound"}}'), 31951),
        (BridgeText('{"event":"mark","streamSid":"MZ1","mark":{"name":"m","at":1}}'), 31951),
        (BridgeText('{"event":"clear","streamSid":"MZ1","sequenceNumber":"3"}'), 31951),
        (media(b"a" * 80, stream_sid="MZ2"), 31951),
        (BridgeBinary(), 31950),
    ],
)
def test_a_message_that_the_protocol_does_not_allow_is_a_warning_once_and_changes_nothing(
    received: Input, code: int
) -> None:
    line = Line()

    outputs = line.at(10, received) + line.at(11, received)

    assert outputs == []
    assert [(entry.at_ms, entry.code) for entry in line.carrier.warnings] == [(10, code)]
    assert line.carrier.queued == []


def test_what_comes_before_start_is_a_warning() -> None:
    carrier = Carrier(CALL)

    assert carrier.feed(0, media(b"a")) == []
    assert [entry.code for entry in carrier.warnings] == [31951]
    assert carrier.deadline() is None


Step = tuple[int, Input | None]
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.tuples(
        st.integers(0, 70),
        st.one_of(
            st.integers(0, 900).map(lambda size: media(bytes([size % 251]) * size)),
            st.just(None),  # a mark; its name is its place
            st.just(CLEAR),
            st.integers(0, 400).map(lambda size: Speak(b"v" * size)),
            st.just(StopSpeaking()),
            st.just(PressKey("5")),
        ),
    ),
    max_size=30,
)
SWITCHES = st.builds(
    Switches,
    echo_marks_on_clear=st.booleans(),
    echo_before_frame=st.booleans(),
    marks_at_frame_edges=st.booleans(),
    silent_gaps=st.just(False),
)


@given(steps=STEPS, switches=SWITCHES)
def test_whatever_comes_the_books_balance(steps: list[Step], switches: Switches) -> None:
    line = Line(switches)
    now_ms = 0
    names: list[str] = []
    last_clear: int | None = None
    for wait_ms, received in steps:
        now_ms += wait_ms
        if received is CLEAR:
            last_clear = len(names)
        if received is None:
            names.append(f"m{len(names)}")
        line.at(now_ms, received or mark(names[-1]))
    line.until(now_ms + 4_000)
    carrier = line.carrier

    # Marks: each exactly once and in order, those that a clear may swallow aside.
    echoed = [name for _, name in line.echoes()]
    assert echoed == [name for name in names if name in set(echoed)]
    assert len(set(echoed)) == len(echoed)
    missing = [name for name in names if name not in set(echoed)]
    assert not missing or not switches.echo_marks_on_clear
    assert all(int(name[1:]) < (last_clear or 0) for name in missing)
    # Audio: never two things at once, never more than was sent, all of it unless it was cleared.
    stretches = carrier.queued
    assert all(before.end <= after.start for before, after in itertools.pairwise(stretches))
    assert all(piece.end - piece.start <= len(piece.audio) for piece in stretches)
    heard = sum(len(audio) for _, audio in carrier.played)
    sent = sum(len(piece.audio) for piece in stretches)
    assert heard == sent or (heard < sent and last_clear is not None)
    # Inbound: a gapless clock, and exactly the caller's track.
    frames = [message["media"] for _, message in line.messages("media")]
    assert [int(frame["timestamp"]) for frame in frames] == [20 * index for index in range(len(frames))]
    inbound = b"".join(base64.b64decode(frame["payload"]) for frame in frames)
    assert carrier.caller_track.startswith(inbound)
    numbers = [int(message["sequenceNumber"]) for _, message in line.messages() if message["event"] != "connected"]
    assert numbers == list(range(1, len(numbers) + 1))


@given(steps=STEPS)
def test_an_echo_that_was_not_flushed_means_that_all_audio_before_it_was_played_or_cleared_earlier(
    steps: list[Step],
) -> None:
    line = Line()
    now_ms = 0
    before: dict[str, int] = {}
    for index, (wait_ms, received) in enumerate(steps):
        now_ms += wait_ms
        if received is None:
            before[f"m{index}"] = len(line.carrier.queued)
        line.at(now_ms, received or mark(f"m{index}"))
    line.until(now_ms + 4_000)

    for echo in line.carrier.echoes:
        pieces = line.carrier.queued[: before[echo.name]]
        end_ms = max((-(-piece.end // 8) for piece in pieces), default=0)
        assert echo.at_ms >= end_ms
        assert echo.flushed or all(piece.end <= echo.at_ms * 8 for piece in pieces)


def test_the_tone_of_a_key_is_in_the_callers_audio_where_keys_are_audible() -> None:
    for audible in (False, True):
        line = Line(Switches(keys_audible=audible))
        line.at(0, PressKey("5"))
        line.until(300)

        assert [found.key for found in keys_in(line.carrier.caller_track)] == (["5"] if audible else [])
