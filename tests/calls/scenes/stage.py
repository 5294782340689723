"""What a scene is, and what its caller can do."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Literal

import msgspec

from voice_agent.call.commands import Report
from voice_agent.emulator.brain import Thought
from voice_agent.emulator.caller import LISTEN_MS, PATIENCE_S
from voice_agent.emulator.speech.recorded import utterance
from voice_agent.emulator.twilio import Callee, EmulatedCall
from voice_agent.sim.carrier import Switches

PACKAGED = ("reception-1", "reception-2", "reception-3", "table-1", "table-2")
"""Utterances that come with the package; any other text is said by the local voice."""


class Stage:
    """One call in progress, as its caller sees it."""

    def __init__(self, call: EmulatedCall, reports: list[Report], voice: Callable[[str], bytes]) -> None:
        """`reports` grows while the call lasts; `voice` makes mu-law of a text."""
        self.call = call
        self._reports = reports
        self._voice = voice

    async def hear_out(self) -> None:
        """Let the agent begin and finish."""
        await self.call.agent_began(PATIENCE_S)
        await self.call.agent_silent(LISTEN_MS, PATIENCE_S)

    async def hear(self, ms: int) -> None:
        """Listen to the agent for so long."""
        await self.call.agent_spoke(ms, PATIENCE_S)

    async def say(self, text: str) -> None:
        """Say it to its end."""
        self.call.say(self.sound(text))
        await self.call.caller_finished(PATIENCE_S)

    def sound(self, text: str) -> bytes:
        """Give the sound of a packaged utterance, or of any text."""
        return utterance(text) if text in PACKAGED else self._voice(text)

    async def wait(self, seconds: float) -> None:
        """Do nothing; ends with the call."""
        await self.call.wait_until(lambda: False, seconds)

    async def until(self, kind: type[Report], count: int = 1) -> None:
        """Wait until the call has reported so many of a kind."""
        await self.call.wait_until(lambda: sum(isinstance(one, kind) for one in self._reports) >= count, PATIENCE_S)

    async def until_hung_up(self, within_s: float = PATIENCE_S) -> None:
        """Wait for the agent to end the call."""
        await self.call.wait_until(lambda: self.call.over, within_s)


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """One call."""

    play: Callable[[Stage], Awaitable[None]]
    """The caller's part; who is still there at its end hangs up."""
    before: Callable[[Stage], Awaitable[None]] | None = None
    """What the caller does in a call before, which leaves its greeting for this one."""
    agent: str = "reception"
    """`shop` stands beside this file, the others are packaged."""
    more: str = ""
    """Lines for the agent's file."""
    service: Literal["openai", "azure", "preview"] = "openai"
    """Whose form the local server is spoken to in: OpenAI's, Azure's of today, Azure's preview."""
    audio: Literal["g711", "pcm24k"] = "g711"
    faults: str = ""
    """Of the model's server, see `sim.realtime.faults`."""
    switches: Switches = Switches()
    """Of the carrier."""
    calls: Mapping[str, tuple[Thought, ...]] = {}
    """What the model does when these words were said to it, instead of what the dialogue file says."""
    placed: Literal["", "human", "machine"] = ""
    """Who takes a call that the agent places; empty: the call comes in."""
    answered_with: str = ""
    """What they say first."""
    dialled: Callee = Callee()
    """Who is at the number that the caller is transferred to."""
    colleague: Callable[[Stage], Awaitable[None]] | None = None
    """What they do when they are asked."""
    nth: int = 0
    """Which of the recordings is kept, in the order in which they ended: a caller who comes back has two."""
    at: datetime | None = None
    """What agents take for the time when the call comes; `None`: the time."""
    customer: Mapping[str, str] = {}
    """What is found of a caller who is looked up, at the address `CUSTOMERS`."""
    spend_per_call: float | None = None
    """What a call may cost, see SPEND_PER_CALL."""
    stopped: bool = False
    """The server is stopped at the end of the caller's part."""
    connected: str = ""
    """Whom somebody at the console connects the caller with then."""
