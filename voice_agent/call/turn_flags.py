"""Who decides about barge-in and answers: the server, or we; and the session's flags that say so.

The flags are `interrupt_response` and `create_response`, which here are always alike. What is in force at the server is
known by its confirmations, which come in the order of the requests.
"""

from collections.abc import Iterator

from voice_agent.agent import Agent, TurnDetection
from voice_agent.call.commands import Command, ConfigureSession, SetTurnFlags


class TurnFlags:
    """See the module."""

    def __init__(self, in_force: bool) -> None:
        """`in_force`: with what the session begins."""
        self.in_force = in_force
        """Whether the server decides about barge-in and answers."""
        self._sent: list[bool] = []
        """Flags on their way, each confirmed by one `SessionUpdated`."""

    def ask(self, flags: bool, turn_detection: TurnDetection) -> Iterator[Command]:
        """Have them so, unless they are, or soon will be."""
        if flags != (self._sent[-1] if self._sent else self.in_force):
            yield self._send(flags, turn_detection)

    def confirm(self) -> None:
        """Take the server's confirmation."""
        if self._sent:
            self.in_force = self._sent.pop(0)

    def replace(self, flags: bool, turn_detection: TurnDetection) -> Iterator[Command]:
        """Take that the whole session was set up once more; what was sent behind that spoke of the former one."""
        self.in_force = flags
        if self._sent:
            yield self._send(flags, turn_detection)

    def _send(self, flags: bool, turn_detection: TurnDetection) -> SetTurnFlags:
        self._sent.append(flags)
        return SetTurnFlags(turn_detection, interrupt_response=flags, create_response=flags)


class Floor:
    """The agent's policy, and what stands against it for now."""

    def __init__(self, agent: Agent, *, held: bool) -> None:
        """`held`: it is not known yet who answered."""
        self.held = held
        self.protected = agent.barge_in.protect_greeting and agent.greeting is not None
        """The greeting is heard to its end."""
        self.collecting = False
        """Digits are."""
        self.ready = False
        """There is a session."""
        self.follow(agent)
        self._flags = TurnFlags(self.is_the_servers)

    def follow(self, agent: Agent, voice: str = "") -> None:
        """Take the policy of the agent that has the call. `voice`: the session's, if it is not the agent's own."""
        self.agent, self._voice = agent, voice
        self.after_ms = agent.barge_in.after_ms

    @property
    def is_the_servers(self) -> bool:
        """What both flags should be now."""
        return self.after_ms == 0 and not (self.protected or self.held or self.collecting)

    @property
    def in_force(self) -> bool:
        """What both are at the server."""
        return self._flags.in_force

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
        """Follow another agent, for whom the session was set up once more."""
        self.follow(agent, voice)
        self.protected = False
        yield from self._flags.replace(self.after_ms == 0, agent.turn_detection)
        yield from self.give()

    def confirm(self) -> None:
        """Take the server's confirmation."""
        self._flags.confirm()
