"""Loads what a Realtime server hears and speaks with, and tells what is missing and what is used instead."""

from collections.abc import Callable

from voice_agent.emulator.speech.detecting import LoudnessActivity, Silero
from voice_agent.emulator.speech.hearing import GatedHearing, MoonshineHearing
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.emulator.speech.models import ModelMissingError
from voice_agent.emulator.speech.speaking import HibariSpeaking
from voice_agent.errors import CommandError
from voice_agent.sim.realtime import VoiceActivity

INSTALL = "pip install 'voice-agent[emulator]'"


def load_speech(tell: Callable[[str], None]) -> Speech:
    """Load all models, one to two seconds; `tell` gets a line before each. Raises `CommandError` without a remedy."""
    new_activity = load_activity(tell)
    try:
        tell("loading the recogniser (Moonshine tiny) ...")
        hearing = GatedHearing(MoonshineHearing(), new_activity)
        tell("loading the voice (Hibari) ...")
        speaking = HibariSpeaking()
    except ModelMissingError as missing:
        raise CommandError(f"{missing} is not installed, so nothing can be heard or said here: {INSTALL}") from missing
    return Speech(hearing, speaking, new_activity)


def load_activity(tell: Callable[[str], None]) -> Callable[[], VoiceActivity]:
    """Load the detector of voice, or take the one that needs no model."""
    try:
        tell("loading the detector of voice (Silero) ...")
        return Silero().new_activity
    except ModelMissingError as missing:
        tell(f"{missing} is not installed: voice is told from noise by loudness alone, fit for a quiet line")
        return LoudnessActivity
