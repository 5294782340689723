"""Tells the tones of keys from speech, by when both were heard: on the session's clock, so that no network is in it.

A detector takes a tone for speech. It knows nothing of who may speak.
"""

from voice_agent.agent import ServerVad, TurnDetection

KEY_MS = 150
"""Speech that begins within this of a key is its tone, as far as can be told."""

TONE_MS = 350
"""So long after its message a key may still be heard; what lasts longer is a voice."""


class KeyTones:
    """What is known of one turn at a time."""

    def __init__(self, turn_detection: TurnDetection) -> None:
        rules = turn_detection if isinstance(turn_detection, ServerVad) else ServerVad(silence_duration_ms=0)
        # The API counts both to the speech: `audio_start_ms` is early by the one, `audio_end_ms` late by the other.
        self._padding_ms = rules.prefix_padding_ms
        self.silence_ms = rules.silence_duration_ms
        self._key_ms: int | None = None
        self._onset_ms: int | None = None
        """When the open turn's speech began."""
        self.by_key = False
        """The turn began with a key."""
        self.alone = False
        """And ended with one: nothing else was heard in it."""

    def speech_started(self, audio_start_ms: int) -> None:
        """A turn begins."""
        self._onset_ms = audio_start_ms + self._padding_ms
        self.by_key = self._is_near()
        self.alone = False

    def speech_stopped(self, audio_end_ms: int) -> None:
        """Its speech ends."""
        self._onset_ms = None
        last_ms = audio_end_ms - self.silence_ms
        self.alone = self.by_key and self._key_ms is not None and last_ms <= self._key_ms + TONE_MS

    def pressed(self, session_ms: int) -> bool:
        """Take a key; say whether the turn that is open turns out to have begun with it."""
        self._key_ms = session_ms
        known, self.by_key = self.by_key, self.by_key or self._is_near()
        return self.by_key and not known

    def _is_near(self) -> bool:
        return self._key_ms is not None and self._onset_ms is not None and abs(self._onset_ms - self._key_ms) <= KEY_MS
