"""The tool `send_digits`: keys that the agent presses, as tones in its audio, e.g. to get through another line's menu.

They are sent when nothing else plays, and the model is answered when they have been heard. A voice does not cut them:
a menu speaks all the time, and half a number is worse than none. It must not know how they sound at the far end.
Where the carrier shall press them, that is `carrier_keys`' affair; what the model may write is the same.
"""

from collections import deque
from collections.abc import Iterator
from typing import ClassVar

import msgspec

from voice_agent.agent import Agent, DigitsToSend
from voice_agent.audio.dtmf import KEYS, WAITS_MS, tones
from voice_agent.call.commands import Command
from voice_agent.call.events import Event
from voice_agent.call.facts import (
    AgentChanged,
    CallOver,
    Fact,
    LineClosing,
    LineToolAnswered,
    LineToolCalled,
    ModelGone,
    PlaybackBusy,
    PlaybackIdle,
    SoundHeard,
    SoundWanted,
)
from voice_agent.call.part import Handled

LONGEST = 32
"""Keys in one call of the tool, waits among them: no menu wants more, and they last 16 s at most."""

WAIT = "w"

_KNOWN = frozenset({*KEYS, *WAITS_MS})


class SendDigits:
    """See the module. One number at a time, in the order in which they were asked for."""

    HANDLES: ClassVar[Handled] = (
        LineToolCalled,
        SoundHeard,
        PlaybackBusy,
        PlaybackIdle,
        AgentChanged,
        ModelGone,
        LineClosing,
        CallOver,
    )

    def __init__(self, agent: Agent) -> None:
        self._equip(agent)
        self._busy = False
        self._waiting: deque[tuple[str, str]] = deque()
        """Calls of the tool, each with its keys."""
        self._sending: tuple[str, str] | None = None

    def _equip(self, agent: Agent) -> None:
        self._tools = {tool.name: tool.keys for tool in agent.tools if tool.keys and tool.keys.by == "tones"}

    def deadline(self) -> int | None:
        """None: playback knows when something was heard."""
        return None

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one fact."""
        del now_ms
        match event:
            case LineToolCalled() if event.name in self._tools:
                yield from self._take(event)
            case SoundHeard() if self._sending is not None:
                (call_id, keys), self._sending = self._sending, None
                yield LineToolAnswered(call_id, msgspec.json.encode({"sent": keys}).decode())
            case PlaybackBusy() | PlaybackIdle():
                self._busy = isinstance(event, PlaybackBusy)
            case AgentChanged():
                self._equip(event.agent)
            case ModelGone() | LineClosing() | CallOver():
                self._waiting.clear()
        if self._waiting and self._sending is None and not self._busy:
            self._sending = self._waiting.popleft()
            yield SoundWanted(tones(self._sending[1]))

    def _take(self, called: LineToolCalled) -> Iterator[Fact]:
        keys, problem = keys_of(self._tools[called.name], called.arguments)
        if problem:
            yield LineToolAnswered(called.call_id, msgspec.json.encode({"error": problem}).decode(), failed=True)
        else:
            self._waiting.append((called.call_id, keys))


def keys_of(wanted: DigitsToSend, arguments: str) -> tuple[str, str]:
    """Read what the model wants to be sent: the keys, or what is wrong with it, for the model."""
    try:
        given = msgspec.json.decode(arguments or "{}", type=dict[str, str])
    except (ValueError, RecursionError):  # no JSON, no Unicode, nested beyond reason
        return "", "the arguments must be a JSON object of texts"
    keys = given.get("digits", "")
    if wanted.named:
        if keys not in wanted.named:
            return "", f"there are no such digits; there are: {', '.join(wanted.named)}"
        keys = wanted.named[keys]
    keys = "".join(keys.split()).replace("-", "")
    if not 0 < len(keys) <= LONGEST or not _KNOWN.issuperset(keys):
        return "", f'"digits" must be 1 to {LONGEST} of 0-9, *, #, w (half a second) and W (a second)'
    return keys, ""
