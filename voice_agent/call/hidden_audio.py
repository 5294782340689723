"""The caller's audio while secret digits are typed: held back for a moment, and silent from before the first of them.

Tones tell keys, and people say what they type; neither the model nor a recording may hear it. The sound of a key begins
before its message comes, so audio is held back for `BEFORE_MS`. What went on before cannot be silenced any more. It
must not know who wants digits nor what they are.
"""

from collections import deque

from voice_agent.call.commands import Command, HideCaller, ShowCaller

BEFORE_MS = AFTER_MS = 200
"""So long before and after a key, on the carrier's clock, nothing of the caller may be heard."""

BYTES_PER_MS = 8
SILENCE = b"\xff"


class HiddenAudio:
    """All audio on its way to the model passes it, from the moment at which secret digits are asked for."""

    def __init__(self) -> None:
        self._last_key_ms: int | None = None
        """The newest key for whose sake the caller is hidden; `None`: the caller is heard."""
        self._enough = False
        self._newest_ms = 0
        """The end of the newest frame."""
        self._given_ms = 0
        """The end of what went on."""
        self._held: deque[tuple[int, bytes]] = deque()
        """Each with its end."""

    @property
    def held_ms(self) -> int:
        """How much is held back."""
        return sum(len(audio) for _, audio in self._held) // BYTES_PER_MS

    def frame(self, end_ms: int, audio: bytes) -> tuple[bytes, list[Command]]:
        """Take what ends at `end_ms` of the carrier; give what may go on."""
        self._newest_ms = max(self._newest_ms, end_ms)
        if self._last_key_ms is not None:
            commands: list[Command] = []
            if self._enough and self._newest_ms >= self._last_key_ms + AFTER_MS:
                commands = self.show()
            self._given_ms = self._newest_ms
            return SILENCE * len(audio), commands
        self._held.append((self._newest_ms, audio))
        return self._release(self._newest_ms - BEFORE_MS), []

    def key(self) -> tuple[bytes, list[Command]]:
        """Take a key; what was held back goes on, silent."""
        hidden, self._last_key_ms = self._last_key_ms is not None, self._newest_ms
        if hidden:
            return b"", []
        order = HideCaller(max(self._newest_ms - BEFORE_MS, self._given_ms))
        return SILENCE * len(self.release()), [order]

    def enough(self) -> None:
        """Say that all keys which count have been pressed: the caller may be heard soon."""
        self._enough = True

    def show(self) -> list[Command]:
        """Hide nothing any more until another key."""
        hidden, self._last_key_ms = self._last_key_ms is not None, None
        return [ShowCaller()] if hidden else []

    def release(self) -> bytes:
        """Give all that is held back."""
        return self._release(self._newest_ms)

    def _release(self, until_ms: int) -> bytes:
        ready = b""
        while self._held and self._held[0][0] <= until_ms:
            self._given_ms, audio = self._held.popleft()
            ready += audio
        return ready
