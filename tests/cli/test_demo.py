"""The whole product, once, as a newcomer meets it: real sockets, real time, real speech."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from voice_agent.audio.levels import gaps
from voice_agent.audio.mulaw import BYTES_PER_MS
from voice_agent.audio.wav import read_mulaw
from voice_agent.cli.main import main
from voice_agent.emulator.speech.hearing import MoonshineHearing
from voice_agent.emulator.speech.record import recognise, word_error_rate
from voice_agent.live.clips import load_clips
from voice_agent.recording.reader import read
from voice_agent.replay.strict import replay

SAID = (
    "Hi, what services do you offer? Sorry, what are your opening hours on Saturday? "
    "Great, thanks for your help, goodbye."
)
"""The caller's part."""

PAUSE_MS = 700
"""Silence that separates what was said; the recogniser takes one utterance at a time."""


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, Path]]:
    """Hold two scenes at once; give what the terminal showed of each, and its recording."""
    folders = {name: tmp_path_factory.mktemp(f"data of {name}") for name in ("ask", "book")}
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", "voice_agent.cli.main", "demo", name, "--data", str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name, folder in folders.items()
    }
    held = {}
    for name, process in running.items():
        shown, complained = process.communicate(timeout=120)
        assert process.returncode == 0, shown + complained
        assert complained == ""
        (recording,) = folders[name].glob("recordings/*/*.call")
        held[name] = (shown, recording)
    return held


@pytest.fixture
def demo(demos: dict[str, tuple[str, Path]]) -> tuple[str, Path]:
    """Give the scene that is played when none is named."""
    return demos["ask"]


@pytest.mark.parametrize(("option", "choices"), [("--audio", "pcm24k, g711"), ("--dialect", "ga, preview")])
def test_the_demo_offers_every_way_to_speak_with_the_model(
    option: str, choices: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        main(["demo", option, "opus"])

    assert left.value.code == 2
    assert choices in capsys.readouterr().err.replace("'", "")


def test_the_demo_shows_the_call_as_it_happens(demo: tuple[str, Path]) -> None:
    shown, _ = demo

    assert re.search(r"agent  Thanks for calling Alder Dental, how can I help\?", shown)
    assert 'tool  opening_hours({"day": "Saturday"})' in shown
    assert re.search(r"barge-in  stopped after \d+ ms \(measured by mark\)", shown)
    assert "NO " not in shown


def test_a_table_is_booked_in_the_middle_of_an_answer(demos: dict[str, tuple[str, Path]]) -> None:
    shown, _ = demos["book"]

    assert 'tool  free_table({"day": "Friday", "people": 4, "time": "19:00"})' in shown
    assert re.search(r"barge-in  stopped after \d+ ms \(measured by mark\)", shown)
    assert "NO " not in shown


def test_the_demo_s_recording_replays_without_a_difference(demo: tuple[str, Path]) -> None:
    result = replay(read(demo[1]), load_clips())

    assert result.difference is None
    assert result.same


def test_both_channels_of_the_demo_s_wav_are_understood(demo: tuple[str, Path]) -> None:
    shown, recording = demo
    hearing = MoonshineHearing()
    wav = recording.with_suffix(".wav")
    caller = understand(hearing, read_mulaw(wav, channel=0))
    agent = understand(hearing, read_mulaw(wav, channel=1))
    heard = " ".join(re.findall(r"agent  (?!\.\.\.)(.*?)(?:  \[cut.*)?\n", shown))

    assert word_error_rate(SAID, caller) <= 0.15, caller
    assert word_error_rate(heard, agent) <= 0.15, agent


def understand(hearing: MoonshineHearing, audio: bytes) -> str:
    """Recognise a whole channel, utterance by utterance."""
    words = []
    start = 0
    silences = [*gaps(audio, PAUSE_MS), None]
    for silence in silences:
        end = len(audio) if silence is None else silence.start_ms * BYTES_PER_MS
        if end - start > 300 * BYTES_PER_MS:
            words.append(recognise(hearing, audio[start:end] + b"\xff" * 800))
        if silence is not None:
            start = (silence.start_ms + silence.length_ms) * BYTES_PER_MS - 800
    return " ".join(words)
