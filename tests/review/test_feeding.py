import hashlib

import msgspec
import pytest

from tests.support.recorded import caller_media, header, model_delta, write
from tests.support.simulated import header_of, setup, simulated_call, steps_of
from voice_agent.call.commands import CallEnded, ConnectModel, Note, ResponseUsed
from voice_agent.call.events import ModelClosed, TimerFired, ToolFinished, Usage
from voice_agent.errors import PeerError
from voice_agent.live.recorded import describe
from voice_agent.recording.cutting import seal
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.reader import Recording
from voice_agent.review.feeding import Failed, changed_clips, input_of, output_of, play_orders, refeed
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import ModelText, PhoneText


@pytest.mark.parametrize(
    "value",
    [PhoneText("{}"), ModelText("no json"), TimerFired(), ModelClosed(None), ToolFinished("call_1", '{"a": 1}', True)],
)
def test_every_input_comes_back(value: Input) -> None:
    assert input_of(describe(value), header()) == value


@pytest.mark.parametrize(
    "value",
    [
        PhoneText("{}"),
        ModelText("no json"),
        ConnectModel(),
        Note("info", "a sentence", {"n": 1}),
        ResponseUsed(Usage(3, 4)),
        CallEnded("completed", "", 4000),
    ],
)
def test_every_output_comes_back(value: Output) -> None:
    assert output_of(describe(value)) == value


@pytest.mark.parametrize("text", ["", "{}", '{"type":"Unheard"}', '{"type":"ModelClosed","code":"x"}', '"\ud800"'])
def test_what_this_version_does_not_know_is_named(text: str) -> None:
    with pytest.raises(PeerError, match="does not know"):
        input_of(Entry("fact", text), header())
    with pytest.raises(PeerError, match="does not know"):
        output_of(Entry("fact", text))


def test_audio_that_was_not_kept_comes_back_as_silence_of_its_length() -> None:
    def fed(entry: Entry, audio: str) -> Input:
        digests = msgspec.structs.replace(header_of(setup(audio)), audio="digests")
        return input_of(Entry(entry.way, seal(entry.way, entry.text)), digests)

    assert fed(caller_media(3, b"abc"), "g711") == PhoneText(caller_media(3, b"\xff\xff\xff").text)
    assert fed(model_delta(b"abc"), "g711") == ModelText(model_delta(b"\xff\xff\xff").text)
    assert fed(model_delta(b"abcd"), "pcm24k") == ModelText(model_delta(b"\0\0\0\0").text)


def test_what_a_peer_sent_in_the_form_of_a_seal_is_fed_as_it_came() -> None:
    sent = Entry("phone", '{"event":"media","media":{"timestamp":"20","payload":"~99999999999:0011223344556677"}}')

    assert input_of(sent, header()) == PhoneText(sent.text)


def test_sound_of_no_length_that_there_is_is_damage() -> None:
    forged = Entry("phone", '{"event":"media","media":{"payload":"~99999999999:00"}}')

    with pytest.raises(PeerError, match="damaged: it says that one text carried 99,999,999,999 bytes of sound"):
        input_of(forged, msgspec.structs.replace(header(), audio="digests"))


def test_a_fresh_bridge_gives_what_the_recorded_one_gave() -> None:
    world = simulated_call()
    fed = steps_of(world, setup())
    fed.insert(5, Step(fed[4].now_ms, Entry("remark", "{}")))
    again = [(step.now_ms, outputs) for step, outputs in refeed(Recording(write(header_of(setup()), fed)), {})]

    assert again[1:] == [(now_ms, outputs) for now_ms, _, outputs in world.log]


@pytest.mark.parametrize("audio", ["g711", "pcm24k"])
def test_what_is_to_be_played_is_what_the_bridge_writes(audio: str) -> None:
    world = simulated_call(audio)
    recording = Recording(write(header_of(setup(audio)), steps_of(world, setup(audio))))
    ordered = [
        PhoneText(world.bridge.phone.send(order)) for _, _, orders in play_orders(recording, {}) for order in orders
    ]
    written = [output for _, _, outputs in world.log for output in outputs if isinstance(output, PhoneText)]

    assert ordered == written


@pytest.mark.parametrize("steps", [[Step(0, Entry("phone", "{}"))], [Step(0, None), Step(1, None)]])
def test_a_recording_without_its_one_beginning_is_named(steps: list[Step]) -> None:
    with pytest.raises(PeerError, match="does not begin, once, with the beginning"):
        list(refeed(Recording(write(header(), steps)), {}))
    with pytest.raises(PeerError, match="does not begin, once, with the beginning"):
        list(play_orders(Recording(write(header(), steps)), {}))


def test_a_bridge_that_fails_is_told_from_a_bad_file() -> None:
    finished = describe(ToolFinished("call_1", "{}"))
    steps = [Step(0, None), Step(1, finished), Step(0, finished)]
    recording = Recording(write(header(), steps))

    with pytest.raises(Failed):
        list(refeed(recording, {}))
    with pytest.raises(Failed):
        list(play_orders(recording, {}))


def test_clips_that_are_others_today_are_named() -> None:
    same = header()
    now = {"apology": "00" * 32, "moment": hashlib.sha256(b"").hexdigest()}

    assert changed_clips(same, now) == []
    assert changed_clips(same, {"apology": "11" * 32}) == ["apology"]
    assert changed_clips(same, {}) == ["apology"]
