"""Twenty spoken forms of numbers and names, in the caller's and in the agent's voice: nobody hears them afterwards."""

import re
from pathlib import Path

import pytest

from tests.review.test_redacted import raw_and_decompressed
from tests.support.spoken_calls import Turn, spoken_file
from voice_agent.audio.resample import Downsampler, Upsampler
from voice_agent.audio.wav import read_mulaw
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.emulator.speech.loading import load_speech
from voice_agent.recording.reader import Recording
from voice_agent.recording.redact import Wanted
from voice_agent.replay.strict import replay
from voice_agent.review.redacted import redact
from voice_agent.review.sound import sound, write_wav
from voice_agent.sim.realtime import CHUNK_BYTES
from voice_agent.sim.realtime.rates import To16k

FORMS = (
    "four two five five five five oh one two three",
    "four two five, triple five, zero one two three",
    "plus one four two five triple five oh one double two",
    "four twenty five, five fifty five, oh one twenty three",
    "425 555 0123",
    "+1 425-555-0123",
    "area code 425, then 555, then 0123",
    "four two five, um, five five five, oh one two three",
    "one eight hundred, five five five, oh one nine nine",
    "double seven, double eight, double nine, double four",
    "ninety nine, eighty eight, seventy seven, sixty six",
    "it ends in zero one two three",
    "the card is 4111 1111 1111 1111",
    "my pin is nine eight seven six",
    "my name is Anna Jones",
    "Jones, Anna Jones",
    "it is for Missus Anna Jones",
    "ask for Peter Baker please",
    "Peter Baker speaking",
    "I am called Baker",
)
"""As they are said and, of both voices, as they stand in the transcript."""

WANTED = Wanted(("Anna", "Jones", "Baker", "Peter"))
HARMLESS = "What are your opening hours?"
ANSWER = "We are open every morning."
WORDS = re.compile(r"anna|jones|baker|peter|\d|" + "|".join(("triple", "double", "oh one", "fifty", "twenty")))


@pytest.fixture(scope="module")
def speech() -> Speech:
    told: list[str] = []
    return load_speech(told.append)


def heard(speech: Speech, mulaw: bytes) -> list[str]:
    """Recognise each stretch in which somebody speaks."""
    pcm = To16k().feed(Upsampler().feed(mulaw))
    activity = speech.new_activity()
    chunks = [pcm[at : at + CHUNK_BYTES] for at in range(0, len(pcm) - CHUNK_BYTES + 1, CHUNK_BYTES)]
    voiced = [place for place, chunk in enumerate(chunks) if chunk.strip(b"\0") and activity.feed(chunk) > 0.4]
    stretches: list[list[int]] = []
    for place in voiced:
        if stretches and place - stretches[-1][1] < 30:
            stretches[-1][1] = place
        else:
            stretches.append([place, place])
    return [
        speech.hearing.recognise(b"".join(chunks[max(0, begin - 10) : end + 10])).lower() for begin, end in stretches
    ]


def test_twenty_spoken_forms_are_heard_by_nobody_afterwards(speech: Speech, tmp_path: Path) -> None:
    def spoken(text: str) -> bytes:
        return b"".join(speech.speaking.speak(text))

    def caller(text: str) -> bytes:
        return Downsampler().feed(spoken(text))

    turns = [
        Turn(HARMLESS, caller(HARMLESS), answers=(ANSWER,)),
        *(Turn(form, caller(form), answers=(form,)) for form in FORMS),
        Turn(HARMLESS, caller(HARMLESS), answers=(ANSWER,)),
    ]
    before = spoken_file(*turns, speak=spoken)
    after = redact(Recording(before), {}, WANTED)
    write_wav(Recording(after), {}, tmp_path / "after.wav")
    original = sound(Recording(before), {})
    first = slice(0, 8 * 45_000)

    for track, channel, kept in ((original.caller, 0, "opening hours"), (original.agent, 1, "every morning")):
        assert any(WORDS.search(text) for text in heard(speech, track[first])), "the recogniser would hear them"
        texts = heard(speech, read_mulaw(tmp_path / "after.wav", channel))
        assert [text for text in texts if WORDS.search(text)] == []
        assert [kept in text for text in texts] == [True, True]

    assert replay(Recording(after), {}).same
    there, left = raw_and_decompressed(before), raw_and_decompressed(after)
    secrets = [b"jones", b"baker", b"peter", b"425 555", b"555 0123", b"425-555", b"4111 1111", b"triple", b"eighty"]
    assert [word for word in secrets if word not in there] == []
    assert [word for word in secrets if word in left] == []
