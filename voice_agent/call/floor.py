"""Who has the floor: the agent's policy of barge-in and answers, and what stands against it for now.

Against it stand the opening of a call that begins with a greeting, a protected greeting, a call of ours of which it is
not known who answered, and digits that are collected. While anything does, the server neither cuts nor answers.
"""

from collections.abc import Iterator

from voice_agent.agent import Agent
from voice_agent.call.commands import Command, ConfigureSession
from voice_agent.call.events import Event, SessionUpdated
from voice_agent.call.facts import CollectionBegan, CollectionEnded, ConversationOpened, Fact, MachineReached
from voice_agent.call.turn_flags import TurnFlags

OPENING_MS = 1500
"""The first second of a greeting, from when it is sent: with its way to the ear, and that of what is said then."""

HELLO_MS = 1000
"""Speech that lasts longer says more than "hello?"."""


class Floor:
    """See the module."""

    def __init__(self, agent: Agent, *, held: bool, opening: bool = False) -> None:
        """`held`: it is not known yet who answered. `opening`: the agent's greeting is still to come."""
        self.held = held
        self.opening = opening
        """The greeting has only just begun, or has not: a "hello?" is no turn of its own."""
        self.machine = False
        """Held for good."""
        self.protected = opening and agent.barge_in.protect_greeting
        """The greeting is heard to its end."""
        self._greeting: str | None = None
        """The response that says it."""
        self.collecting = False
        """Digits are."""
        self.ready = False
        """There is a session."""
        self._follow(agent)
        self._flags = TurnFlags(self.is_the_servers)

    def _follow(self, agent: Agent, voice: str = "") -> None:
        self.agent, self._voice = agent, voice
        self.after_ms = agent.barge_in.after_ms

    @property
    def closed(self) -> bool:
        """Nobody is answered for now."""
        return self.protected or self.held

    @property
    def greets(self) -> bool:
        """The protected greeting is being said: not only what comes before it because the caller was first."""
        return self.protected and self._greeting is not None

    @property
    def is_the_servers(self) -> bool:
        """What both flags should be now."""
        return self.after_ms == 0 and not (self.opening or self.closed or self.collecting)

    @property
    def in_force(self) -> bool:
        """What both are at the server."""
        return self._flags.in_force

    def take(self, event: Event | Fact) -> Iterator[Command]:
        """Take what opens or closes it, and the server's confirmations."""
        match event:
            case CollectionBegan() | CollectionEnded():
                self.collecting = isinstance(event, CollectionBegan)
                yield from self.give()
            case ConversationOpened():
                self.held = False
                yield from self.give()
            case MachineReached():
                self.held = self.machine = True
                self.opening = False
                yield from self.give()
            case SessionUpdated(request=""):
                self._flags.confirm()

    def open(self) -> Iterator[Command]:
        """Take that the opening is over."""
        if self.opening:
            self.opening = False
            yield from self.give()

    def configure(self) -> ConfigureSession:
        """Set a session up."""
        flags = self.is_the_servers
        self._flags = TurnFlags(flags)
        return ConfigureSession.for_agent(
            self.agent, interrupt_response=flags, create_response=flags, voice=self._voice
        )

    def give(self) -> Iterator[Command]:
        """Let the policy rule, unless something still stands against it."""
        if self.ready:
            yield from self._flags.ask(self.is_the_servers, self.agent.turn_detection)

    def hand_over(self, agent: Agent, voice: str) -> Iterator[Command]:
        """Follow another agent, for whom the session was set up once more. `voice`: the session's, if not its own."""
        self._follow(agent, voice)
        self.protected = self.opening = self.collecting = False
        yield from self._flags.replace(self.after_ms == 0, agent.turn_detection)
        yield from self.give()

    # --- the protected greeting --------------------------------------------------------------------------------------

    def greeting_begins(self, response_id: str) -> None:
        """Take that this response says it."""
        if self.protected:
            self._greeting = response_id

    def greeting_failed(self, response_id: str | None = None) -> None:
        """Take that it is said again, under the same protection. `response_id`: if this was the response."""
        if response_id in (None, self._greeting):
            self._greeting = None

    def greeting_over(self, active: str | None) -> Iterator[Command]:
        """Give the floor back once it was heard, or cannot be heard any more. `active`: the response being made."""
        if self.greets and active != self._greeting:
            self.protected = False
            yield from self.give()
