"""The caller's turn that is open, or was last: how it began, and what it has done to the agent's speech.

It decides nothing: who may speak is up to `turns`.
"""

from voice_agent.agent import TurnDetection
from voice_agent.call.floor import Floor
from voice_agent.call.key_tones import KEY_MS, TONE_MS, KeyTones


class CallerTurn:
    """See the module."""

    def __init__(self, turn_detection: TurnDetection) -> None:
        self.speaking = False
        self.overheard = False
        """It began while the agent spoke, and did not cut it."""
        self.has_cut = False
        """The agent was cut in it."""
        self.hello = False
        """It began in the opening, and has not lasted longer than a "hello?": the greeting answers it."""
        self.tones = KeyTones(turn_detection)

    def forget_tones(self, turn_detection: TurnDetection) -> None:
        """Take that another session hears the caller, or this one by other rules."""
        self.tones = KeyTones(turn_detection)

    def begins(self, audio_start_ms: int) -> None:
        """Take that it is open."""
        self.speaking, self.has_cut = True, False
        self.tones.speech_started(audio_start_ms)

    def cuts(self) -> None:
        """Take that the agent is cut."""
        self.overheard, self.has_cut = False, True

    def patience_ms(self, floor: Floor, *, words: bool) -> int:
        """How long speech that has just begun must last until it cuts the agent; 0: it cuts at once.

        `words`: the agent's own are heard, not only a clip of ours.
        """
        if self.tones.by_key:
            return TONE_MS + self.tones.silence_ms
        if not words:
            return 0
        if floor.after_ms > 0:
            # Normally `SpeechLasted` comes first; a voice too soft to be measured is taken by the detector's word.
            return floor.after_ms + self.tones.silence_ms
        # While digits are collected, the message of a key whose tone this is may be on its way.
        return KEY_MS if floor.collecting else 0
