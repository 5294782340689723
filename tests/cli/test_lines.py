"""What an emulated person says."""

from pathlib import Path

import pytest

from voice_agent.audio.wav import write_mono
from voice_agent.cli.lines import spoken
from voice_agent.emulator.speech.models import ModelMissingError
from voice_agent.emulator.speech.speaking import HibariSpeaking
from voice_agent.errors import VoiceAgentError

VOICE = b"\x90" * 8


def test_words_are_said_by_the_local_voice_and_recordings_are_read(tmp_path: Path) -> None:
    write_mono(tmp_path / "Hello.WAV", VOICE * 40)
    (name, read), (words, said) = spoken([str(tmp_path / "Hello.WAV"), "When do you open?"])

    assert (name, words) == ("Hello.WAV", "'When do you open?'")
    assert len(read) == 40 * 8
    assert 600 * 8 < len(said) < 2000 * 8


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("missing.wav", "missing.wav: cannot be read"),
        ("नमस्ते", "the local voice cannot say 'नमस्ते': it speaks English; or name a recording, FILE.wav"),
        ("", "the local voice cannot say ''"),
    ],
)
def test_what_cannot_be_said_is_named(line: str, problem: str) -> None:
    with pytest.raises(VoiceAgentError) as refused:
        list(spoken([line]))

    assert str(refused.value).startswith(problem)


def test_words_without_a_voice_name_what_to_install_or_give_instead() -> None:
    def no_voice() -> HibariSpeaking:
        raise ModelMissingError("hibari-tts")

    with pytest.raises(VoiceAgentError) as refused:
        list(spoken(["Hello"], no_voice))

    assert str(refused.value) == (
        "'Hello' cannot be said: hibari-tts is not installed (pip install 'voice-agent[emulator]'); "
        "or name a recording, FILE.wav"
    )
