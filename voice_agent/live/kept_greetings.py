"""Greetings as a model has said them, kept for the calls that follow: they are heard at once, and cost nothing.

A greeting is kept when a call's model has said it whole, word for word, and it was heard to its end. It must be the
same for all callers, and short enough to be played before anybody hears the caller (`greeting.LONGEST_KEPT_MS`). The
files are plain WAVs: whoever does not like one deletes it, and the next call's model says it anew. Texts and voices
change, so that only the newest are kept (`MOST_KEPT`).
"""

import hashlib
import logging
import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from voice_agent.agent import Agent
from voice_agent.audio.wav import read_mulaw, write_mono
from voice_agent.call.commands import AgentSaid, CallCommand, PlayAudio
from voice_agent.call.greeting import LONGEST_KEPT_MS
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.errors import VoiceAgentError
from voice_agent.wire.bridge import Bridge, Output

logger = logging.getLogger(__name__)

BYTES_PER_MS = 8

TAIL_MS = 10
"""So much may be missing of a greeting, or be more than the model sent: what a resampler holds back."""

MOST_KEPT = 100
"""Files: 3 MB. Whatever was in use longest ago goes first; were it one that is wanted, it would be said anew."""

_WORD = re.compile(r"\w+")


class KeptGreetings:
    """Those of a folder, which need not exist."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, bytes | None] = {}
        """By name; `None`: there is none."""

    def find(self, agent: Agent, model: ModelSetup) -> bytes | None:
        """Give a rendered agent's greeting, mu-law 8 kHz; reads a file at most once, unless it goes and comes back."""
        name = _name(agent, model)
        path = self._folder / name
        if not path.exists():
            self._known[name] = None
        elif self._known.get(name) is None:
            self._known[name] = self._read(path)
        return self._known[name]

    def wanted(self, setup: CallSetup) -> bool:
        """Say whether a call's greeting is one that was looked for and is not there."""
        return setup.kept_greeting is None and self._known.get(_name(setup.agent, setup.model), b"") is None

    def _read(self, path: Path) -> bytes | None:
        try:
            audio = read_mulaw(path)
            path.touch()  # it is in use
        except (OSError, VoiceAgentError) as error:
            logger.warning("a kept greeting is not used: %s", error)
            return None
        return audio if len(audio) <= LONGEST_KEPT_MS * BYTES_PER_MS else None

    def _drop_oldest(self) -> None:
        """Keep the folder small, also of what a process has left behind that died while it wrote."""
        newest_first = sorted(self._folder.glob("*.wav*"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for path in newest_first[MOST_KEPT:]:
            path.unlink(missing_ok=True)

    def keep(self, setup: CallSetup, audio: bytes) -> None:
        """Keep what was heard in a call; to be called in a thread. A full disk is told and changes nothing else."""
        name = _name(setup.agent, setup.model)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            whole = self._folder / f".{name}.{setup.call_sid}"
            write_mono(whole, audio)
            whole.replace(self._folder / name)
            self._drop_oldest()
        except (OSError, VoiceAgentError) as error:
            logger.warning("a greeting is not kept: %s", error)
            return
        self._known[name] = audio
        logger.info("the greeting of %s is kept: %d ms", setup.agent.name, len(audio) // BYTES_PER_MS)


def _name(agent: Agent, model: ModelSetup) -> str:
    """Name the file: whatever makes a greeting sound otherwise is in it."""
    said = (model.provider, model.model, agent.voice, agent.model.speed, agent.language, agent.greeting)
    return f"{agent.name}-{hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:24]}.wav"


class GreetingListener:
    """Hears the first words of a call as they go out. Take every command in `take`, then look at `greeting`."""

    def __init__(self, greeting: str) -> None:
        """`greeting`: what the model is to say first."""
        self._wanted = _words(greeting)
        self._audio: bytearray | None = bytearray()
        """`None`: the first words are over."""
        self.greeting = b""
        """What was heard, mu-law 8 kHz, if it is worth keeping; else nothing."""

    def take(self, command: CallCommand) -> None:
        """Listen to one command."""
        if self._audio is None:
            return
        if isinstance(command, PlayAudio):
            self._audio += command.audio
            if len(self._audio) > 2 * LONGEST_KEPT_MS * BYTES_PER_MS:
                self._audio = None
        elif isinstance(command, AgentSaid):
            audio, self._audio = bytes(self._audio), None
            length_ms = len(audio) // BYTES_PER_MS
            alone = abs(length_ms - command.total_ms) <= TAIL_MS
            whole = not command.interrupted and _words(command.text) == self._wanted
            if alone and whole and length_ms <= LONGEST_KEPT_MS:
                self.greeting = audio


class ListeningBridge(Bridge):
    """A bridge that is listened to while the model says the greeting."""

    def __init__(self, setup: CallSetup, clips: Mapping[str, bytes]) -> None:
        """As `Bridge`."""
        super().__init__(setup, clips)
        self.listener = GreetingListener(setup.agent.greeting or "")

    def write(self, command: CallCommand) -> list[Output]:
        """See `Bridge.write`."""
        self.listener.take(command)
        return super().write(command)


def _words(text: str) -> list[str]:
    """Give what is heard of a text: models write commas and capitals their own way."""
    return _WORD.findall(text.casefold())
