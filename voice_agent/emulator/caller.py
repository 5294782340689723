"""A caller with a part to play: each move waits for the agent, or cuts into its answer, as a person on the line would.

What was said and pressed in a recorded call, and what a scenario wants said, are such parts. Played against an
emulated call, by what is heard on it. It must not know who answers, nor what becomes of the call.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from voice_agent.call.commands import AgentBegan, CallerBegan, Report, ToolAnswered, ToolStarted
from voice_agent.emulator.twilio.hearing import Hearing

LISTEN_MS = 900
"""So long a polite caller waits before answering: longer than any pause within an answer."""

PATIENCE_S = 20.0
"""So long a caller waits for an answer to begin; then the part is broken off."""

LONGEST_ANSWER_S = 180.0
"""So long a caller listens to one answer."""

LINGER_S = 2.0
"""So long a caller who has nothing more to say waits for the agent to end the call, if it has not begun to."""

DUE_MS = 5000
"""So long an answer that is due is waited for behind all that was said; not every sound of a caller gets one."""

KEY_MS = 200
"""Between two keys."""

SETTLED_MS = 500
"""So long a caller who speaks first waits before."""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the caller does, and when. Without `into_ms` and `after_ms`: when the agent has answered."""

    name: str
    """For who reads what went wrong, e.g. `turn 2`."""
    sound: bytes = b""
    """Said: mu-law 8 kHz."""
    keys: str = ""
    """Pressed one after another."""
    leaves: bool = False
    """Hangs up."""
    silent_ms: int = 0
    """Does nothing for so long."""
    into_ms: int | None = None
    """Cuts into the answer when so much of it was heard; behind it if it is shorter."""
    after_ms: int | None = None
    """So long after the move before, whether or not the agent has said anything since; not while it speaks."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller does in a call."""

    moves: tuple[Move, ...]
    linger_s: float = LINGER_S
    """How long the caller who has nothing more to do waits for the agent to end the call."""
    noise: bytes = b""
    """Some seconds of what is heard of the line while the caller is silent, mu-law; empty: digital silence."""


class Played(msgspec.Struct, frozen=True):
    """How far it went."""

    moves: int
    """So many were made."""
    problem: str = ""
    """Why no more were; empty: all were made, or the agent ended the call."""
    remarks: tuple[str, ...] = ()
    """What could not be done as written."""


class Phone(Protocol):
    """What a caller holds in the hand: an `EmulatedCall`, see there."""

    @property
    def hearing(self) -> Hearing | None:
        """What is heard of the agent."""

    @property
    def over(self) -> bool:
        """The call has ended."""

    def say(self, audio: bytes) -> None:
        """Speak."""

    def stop_speaking(self) -> None:
        """Fall silent."""

    def press(self, digit: str) -> None:
        """Press a key."""

    def hang_up(self) -> None:
        """Leave."""

    async def wait_until(self, condition: Callable[[], bool], within_s: float | None = None) -> bool:
        """Wait for a condition."""

    async def streaming(self, within_s: float | None = None) -> bool:
        """Wait until the agent can be spoken to."""

    async def ended(self) -> None:
        """Wait for the end."""


class Watch:
    """Says whether a silent agent is about to speak, so that a caller waits for it. Told every report of the call."""

    def __init__(self) -> None:
        self.hearing: Callable[[], Hearing | None] = lambda: None
        """Set by who plays: what the caller hears."""
        self._tools: set[str] = set()
        self._owed_ms: int | None = None
        """Since when an answer is due, on the stream's clock; `None`: none is."""
        self._begins = False
        """It has been sent, and is heard any moment."""

    def take(self, report: Report) -> None:
        """Take one report."""
        match report:
            case ToolStarted():
                self._tools.add(report.call_id)
            case ToolAnswered():
                self._tools.discard(report.call_id)
                self._owe(begins=False)
            case CallerBegan():
                self._owe(begins=False)
            case AgentBegan():
                self._owe(begins=True)
            case _:
                pass

    def _owe(self, *, begins: bool) -> None:
        hearing = self.hearing()
        self._owed_ms, self._begins = 0 if hearing is None else hearing.heard_until_ms, begins

    def expects_more(self, hearing: Hearing, since_ms: int) -> bool:
        """Say whether a tool runs, or an answer is due; `since_ms`: when the caller's last move was over."""
        if self._tools or self._owed_ms is None:
            return bool(self._tools)
        last_ms = hearing.last_sound_ms or 0
        if self._begins and last_ms > self._owed_ms:
            self._owed_ms = None
            return False
        return hearing.heard_until_ms - max(self._owed_ms, last_ms, since_ms) < DUE_MS


def into_answer_ms(hearing: Hearing, since_ms: int) -> int:
    """Say how long ago an answer began that was first heard after `since_ms`, pauses included; 0: there is none."""
    last_ms = hearing.last_sound_ms
    if last_ms is None or last_ms <= since_ms:
        return 0
    return hearing.heard_until_ms - max(hearing.began_ms, since_ms)


async def play(call: Phone, part: Part, watch: Watch, *, greeted: bool) -> Played:
    """Play a part to its end, then leave. `greeted`: the agent speaks first. Returns when the call is over."""
    caller = _Caller(call, watch, greeted=greeted)
    played = await caller.play(part)
    call.hang_up()
    await call.ended()
    return played


class _Caller:
    """One caller in one call."""

    def __init__(self, call: Phone, watch: Watch, *, greeted: bool) -> None:
        self._call = call
        self._watch = watch
        watch.hearing = lambda: call.hearing
        self._greeted = greeted
        self._noise = b""
        self._since_ms = 0
        """When the last move was over, on the stream's clock."""
        self._heard: Hearing | None = None
        """Of the stream that this is about: a caller who was put through and is back has a further one."""
        self._remarks: list[str] = []

    async def play(self, part: Part) -> Played:
        if not await self._call.streaming(PATIENCE_S):
            return Played(0, "the call was not answered")
        self._noise = part.noise
        self._hum()
        for number, move in enumerate(part.moves):
            problem = await self._wait(move, first=number == 0)
            if self._call.over or problem:
                return Played(number, problem, tuple(self._remarks))
            await self._make(move)
        problem = ""
        if not (part.moves and part.moves[-1].leaves):
            problem = await self._hear_out("the end", self._has_finished)
            await self._call.wait_until(lambda: self._call.over, part.linger_s)
        return Played(len(part.moves), problem, tuple(self._remarks))

    async def _wait(self, move: Move, *, first: bool) -> str:
        """Wait for a move's moment; gives what is wrong, or nothing."""
        if move.into_ms is not None:
            return await self._cut_in(move.name, move.into_ms)
        if move.after_ms is not None or (first and not self._greeted):
            pause_ms = SETTLED_MS if move.after_ms is None else move.after_ms
            await self._until(lambda hearing: hearing.heard_until_ms >= self._since_ms + pause_ms, None)
            await self._until(lambda hearing: not self._has_spoken(hearing) or self._has_finished(hearing), None)
            return ""
        # Who is asked to press keys presses them, though a tool runs: it waits for just that.
        return await self._hear_out(move.name, _is_silent if move.keys else self._has_finished)

    async def _hear_out(self, name: str, finished: Callable[[Hearing], bool]) -> str:
        if not await self._until(self._has_spoken, PATIENCE_S):
            return f"{name}: the agent said nothing for {PATIENCE_S:g} s"
        if not await self._until(lambda heard: self._has_spoken(heard) and finished(heard), LONGEST_ANSWER_S):
            return f"{name}: the agent did not finish within {LONGEST_ANSWER_S:g} s"
        return ""

    async def _cut_in(self, name: str, into_ms: int) -> str:
        if not await self._until(self._has_spoken, PATIENCE_S):
            return f"{name}: the agent said nothing for {PATIENCE_S:g} s, so there was nothing to interrupt"
        await self._until(
            lambda hearing: into_answer_ms(hearing, self._since_ms) >= into_ms or self._has_finished(hearing),
            LONGEST_ANSWER_S,
        )
        hearing = self._call.hearing
        if hearing is not None and self._has_finished(hearing):
            self._remarks.append(f"{name}: the answer was over before the {into_ms} ms at which it was to be cut")
        return ""

    async def _make(self, move: Move) -> None:
        if move.sound:
            await self._say(move.sound)
        for key in move.keys:
            self._call.press(key)
            await self._call.wait_until(lambda: False, KEY_MS / 1000)
        if move.silent_ms:
            await self._call.wait_until(lambda: False, move.silent_ms / 1000)
        if move.leaves:
            self._call.hang_up()
        hearing = self._call.hearing
        if hearing is not None:
            self._since_ms = hearing.heard_until_ms

    async def _say(self, sound: bytes) -> None:
        if self._noise:
            self._call.stop_speaking()
        self._call.say(sound)
        hearing = self._call.hearing
        if hearing is not None:
            said_ms = hearing.heard_until_ms + len(sound) // 8
            self._hum()
            # What is not said when the stream ends is said to nobody.
            await self._until(lambda now: now is not hearing or now.heard_until_ms >= said_ms, None)

    def _hum(self) -> None:
        """Let the line be heard until something is said again."""
        if self._noise:
            self._call.say(self._noise * (int(LONGEST_ANSWER_S) * 8000 // len(self._noise) + 1))

    async def _until(self, condition: Callable[[Hearing], bool], within_s: float | None) -> bool:
        """Wait for what is heard; true as well when the call is over."""

        def holds() -> bool:
            hearing = self._call.hearing
            if hearing is None:
                return False
            if hearing is not self._heard:
                self._heard, self._since_ms = hearing, 0
            return condition(hearing)

        return await self._call.wait_until(holds, within_s) or self._call.over

    def _has_spoken(self, hearing: Hearing) -> bool:
        return hearing.last_sound_ms is not None and hearing.last_sound_ms > self._since_ms

    def _has_finished(self, hearing: Hearing) -> bool:
        return _is_silent(hearing) and not self._watch.expects_more(hearing, self._since_ms)


def _is_silent(hearing: Hearing) -> bool:
    return hearing.silent_ms >= LISTEN_MS
