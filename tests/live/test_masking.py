"""What a recording holds of a call in which secret digits were typed, and that it still replays to the letter."""

import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.support.scenes import an_agent
from voice_agent.agent import BargeIn, DigitCollection, Tool
from voice_agent.audio.dtmf import keys_in
from voice_agent.call.commands import HideCaller, HideKeys, KeepDigits, ShowCaller, ShowKeys
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.live.masking import MaskingRecorder
from voice_agent.live.recorded import describe
from voice_agent.recording.format import Header, blocks
from voice_agent.recording.reader import Recording
from voice_agent.recording.writer import RecordingWriter
from voice_agent.replay.strict import replay
from voice_agent.sim import carrier as phone
from voice_agent.sim.network import Network
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.sim.world import World, voice
from voice_agent.wire import twilio
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import PhoneText

PIN = Tool("pin", "The PIN.", {}, "collect_digits", digits=DigitCollection(length=6, timeout_seconds=3, secret=True))
CHECK = Tool("check", "Check it.", {}, "python", "m:f")


class Typist:
    """Says something, is asked for a number, and mutters while typing it; then talks on, and hangs up."""

    def __init__(self, keys: str, pauses_ms: Sequence[int], mutters: bool) -> None:
        self.pressed_ms: list[int] = []
        """When each key was pressed, on the carrier's clock."""
        self.is_asked: Callable[[], bool] = lambda: False
        """Whether the tool waits for digits."""
        self._keys = iter(zip(keys, pauses_ms, strict=True))
        self._mutters = mutters
        self._steps = self._play()
        self._now_ms = 0
        self._quiet_ms = 0

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterator[phone.Input]:
        """See `sim.world.Caller`."""
        self._now_ms = now_ms
        sounds = max(carrier.agent.end, carrier.caller.end) > now_ms * 8
        self._quiet_ms = 0 if sounds else self._quiet_ms + 20
        yield from next(self._steps, [])

    def _play(self) -> Iterator[list[phone.Input]]:
        yield from self._wait(1500)
        yield [phone.Speak(voice(700))]
        while not self.is_asked():
            yield []
        yield from self._wait(1200)
        for key, pause_ms in self._keys:
            if self._mutters:
                yield [phone.Speak(voice(150))]
                yield from ([] for _ in range(7))
            yield [phone.PressKey(key)]
            self.pressed_ms.append(self._now_ms)
            for _ in range(pause_ms // 20):
                yield []
        yield from self._wait(4500)
        yield [phone.Speak(voice(900))]
        yield from self._wait(3000)
        yield [phone.HangUp()]

    def _wait(self, quiet_ms: int) -> Iterator[list[phone.Input]]:
        self._quiet_ms = 0
        while self._quiet_ms < quiet_ms:
            yield []


def mind(asked: Think) -> list[ThoughtText | ThoughtCall]:
    """Asks for the number, hands it to a tool, and talks about that."""
    calls = sum(line.kind == "call" for line in asked.conversation)
    if not any(line.kind == "user" for line in asked.conversation):
        return [ThoughtText(asked.response_id, "Hello.")]
    if calls == 0:
        return [ThoughtText(asked.response_id, "Please type it."), ThoughtCall(asked.response_id, "pin", "{}")]
    if calls == 1:
        return [ThoughtCall(asked.response_id, "check", '{"pin": "${digits_1}"}')]
    return [ThoughtText(asked.response_id, "Thank you.")]


def typed_call(
    keys: str,
    pauses_ms: Sequence[int],
    *,
    mutters: bool = True,
    barge_in: BargeIn | None = None,
    switches: phone.Switches | None = None,
    audio: Literal["pcm24k", "g711"] = "g711",
    network: Network | None = None,
) -> tuple[World, Typist]:
    caller = Typist(keys, pauses_ms, mutters)
    agent = an_agent(tools=(PIN, CHECK), barge_in=barge_in or BargeIn())
    world = World(
        CallSetup(call_sid="CA" + "1" * 32, agent=agent, model=ModelSetup(audio=audio)),
        caller=caller,
        mind=mind,
        chance=random.Random(1),
        network=network,
        switches=switches or phone.Switches(keys_audible=True),
        tools={"check": '{"right": true}'},
        clips={"moment": b"\x90" * 4000},
    )
    caller.is_asked = lambda: world.invariants.tools_running
    world.run(120_000)
    assert world.ended is not None
    return world, caller


def recorded(world: World) -> bytes:
    """Keep the call as a server does."""
    header = Header(setup=world.setup, started_at="2026-11-22T10:00:00+00:00", clips={"moment": ""})
    writer = RecordingWriter(header)

    class Kept:
        def record(self, now_ms: int, received: Input | None, outputs: Sequence[Output]) -> None:
            writer.feed(now_ms, None if received is None else describe(received), [describe(one) for one in outputs])

        def remark(self, now_ms: int, what: str) -> None:
            raise AssertionError(f"{what} at {now_ms}: nothing is remarked here")

    masking = MaskingRecorder(Kept())
    masking.record(0, None, world.began)
    for now_ms, received, outputs in world.log:
        masking.record(now_ms, received, outputs)
    masking.flush()
    return writer.end()


def unpacked(data: bytes) -> bytes:
    """All that a file holds, raw and decompressed."""
    whole = bytearray(data)
    texts = zlib.decompressobj()
    for block in blocks(data):
        if block.kind == b"T":
            whole += texts.decompress(block.content)
        elif block.kind in (b"H", b"C", b"M", b"W"):
            whole += zlib.decompress(block.content)
    return bytes(whole)


def caller_track(data: bytes) -> dict[int, bytes]:
    """The caller's frames in a recording, by their time."""
    frames = {}
    for step in Recording(data).steps():
        if step.received is not None and step.received.way == "phone":
            message = twilio.parse(step.received.text)
            if isinstance(message, twilio.Media):
                frames[message.media.timestamp] = message.media.payload
    return frames


def orders(world: World) -> list[str]:
    kinds = (HideKeys, HideCaller, ShowCaller, ShowKeys, KeepDigits)
    return [type(output).__name__ for _, _, outputs in world.log for output in outputs if isinstance(output, kinds)]


def test_a_typed_number_is_kept_for_the_tools_and_for_nobody_else() -> None:
    world, _ = typed_call("730194", [500] * 6)

    kept = [output for _, _, outputs in world.log for output in outputs if isinstance(output, KeepDigits)]
    assert kept == [KeepDigits("digits_1", "730194")]
    assert orders(world) == ["HideKeys", "HideCaller", "KeepDigits", "ShowCaller", "ShowKeys"]
    assert world.invariants.finish() == []


def test_neither_keys_nor_tones_nor_muttering_are_in_the_recording() -> None:
    world, caller = typed_call("730194", [500] * 6)
    data = recorded(world)
    track = caller_track(data)
    first_ms, last_ms = caller.pressed_ms[0] - 200, caller.pressed_ms[-1] + 200

    truth = [found.key for found in keys_in(world.carrier.caller_track)]
    assert truth == list("730194")
    assert [found.key for found in keys_in(b"".join(track.values()))] == []
    assert {bytes(set(audio)) for at_ms, audio in track.items() if first_ms < at_ms + 20 and at_ms < last_ms} == {
        b"\xff"
    }
    assert b"730194" not in unpacked(data)


def test_what_the_caller_says_before_and_after_is_there() -> None:
    world, caller = typed_call("730194", [500] * 6, mutters=False)
    track = caller_track(recorded(world))
    before = sum(audio != b"\xff" * 160 for at_ms, audio in track.items() if at_ms < caller.pressed_ms[0])
    after = sum(audio != b"\xff" * 160 for at_ms, audio in track.items() if at_ms > caller.pressed_ms[-1])

    assert (before, after) == (35, 45)  # 700 and 900 ms


def test_the_model_hears_what_the_recording_holds() -> None:
    """So it can write down no digit that was muttered."""
    world, caller = typed_call("730194", [500] * 6)
    heard = [found for found in world.reports if type(found[1]).__name__ == "CallerBegan"]

    assert caller.pressed_ms[-1] - caller.pressed_ms[0] > 1500
    assert len(heard) == 2  # before and after


@settings(max_examples=20, deadline=None, phases=[Phase.generate])
@given(
    st.text("0123456789*", min_size=5, max_size=6),
    st.integers(240, 2500),
    st.sampled_from([BargeIn(), BargeIn(after_ms=200)]),
    st.sampled_from(
        [
            phone.Switches(keys_audible=True),
            phone.Switches(keys_audible=True, silent_gaps=True),
            phone.Switches(keys_audible=True, frame_ms=40, echo_before_frame=True),
        ]
    ),
    st.sampled_from([Network(), Network(phone_up_ms=120, phone_jitter_ms=60)]),
)
def test_no_digit_is_in_any_recording_and_each_replays_to_the_letter(
    keys: str, pause_ms: int, barge_in: BargeIn, switches: phone.Switches, network: Network
) -> None:
    world, _ = typed_call(keys, [pause_ms] * len(keys), barge_in=barge_in, switches=switches, network=network)
    data = recorded(world)
    whole = unpacked(data)

    replayed = replay(Recording(data), {"moment": b"\x90" * 4000})
    assert replayed.difference is None
    assert replayed.same
    pressed = [
        twilio.parse(step.received.text)
        for step in Recording(data).steps()
        if step.received is not None and '"dtmf"' in step.received.text
    ]
    assert [key.dtmf.digit for key in pressed if isinstance(key, twilio.Dtmf)] == ["0"] * len(keys)
    if keys.strip("0"):
        assert keys.encode() not in whole
    assert [found.key for found in keys_in(b"".join(caller_track(data).values()))] == []


def test_a_resampled_session_replays_too() -> None:
    world, _ = typed_call("730194", [500] * 6, audio="pcm24k")

    assert replay(Recording(recorded(world)), {"moment": b"\x90" * 4000}).same


def test_what_is_typed_beyond_the_length_is_secret_until_nobody_types_any_more() -> None:
    world, _ = typed_call("7301942718", [500] * 10)
    data = recorded(world)

    assert [found.key for found in keys_in(b"".join(caller_track(data).values()))] == []
    assert b'"digit":"7"' not in unpacked(data)
    assert world.invariants.finish() == []


@pytest.mark.parametrize("keys", ["7301", "7301#"])
def test_a_number_that_is_not_finished_is_as_secret(keys: str) -> None:
    world, _ = typed_call(keys, [500] * len(keys))
    data = recorded(world)

    kept = [output for _, _, outputs in world.log for output in outputs if isinstance(output, KeepDigits)]
    assert [order.digits for order in kept] == ["7301"]
    assert replay(Recording(data), {"moment": b"\x90" * 4000}).same
    assert b'"digits":"7301"' not in unpacked(data)


class Told:
    def __init__(self) -> None:
        self.told: list[tuple[int, Input | str | None]] = []

    def record(self, now_ms: int, received: Input | None, outputs: Sequence[Output]) -> None:
        self.told.append((now_ms, received))
        assert not any(isinstance(output, KeepDigits) and output.digits.strip("0") for output in outputs)

    def remark(self, now_ms: int, what: str) -> None:
        self.told.append((now_ms, what))


def frame(at_ms: int) -> PhoneText:
    body = twilio.MediaBody(timestamp=at_ms, payload=b"\x10" * 160)
    return PhoneText(twilio.encode(twilio.Media(stream_sid="MZ1", media=body)))


def test_frames_wait_until_no_key_can_reach_them_and_what_follows_them_waits_too() -> None:
    told = Told()
    masking = MaskingRecorder(told)
    masking.record(0, None, [HideKeys("#")])
    masking.record(20, frame(0), [])
    masking.remark(25, "something")
    for at_ms in range(20, 200, 20):
        masking.record(at_ms + 20, frame(at_ms), [])
    before = [at_ms for at_ms, _ in told.told]
    masking.record(220, frame(200), [])

    assert before == [0]
    assert [at_ms for at_ms, _ in told.told] == [0, 20, 25]


def test_what_is_no_message_passes_and_the_end_tells_all() -> None:
    told = Told()
    masking = MaskingRecorder(told)
    masking.record(0, None, [HideKeys("#")])
    masking.record(20, frame(0), [])
    masking.record(21, PhoneText("{"), [])
    before = len(told.told)
    masking.flush()

    assert before == 1
    assert [at_ms for at_ms, _ in told.told] == [0, 20, 21]
