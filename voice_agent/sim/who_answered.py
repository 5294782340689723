"""What must hold in calls that we placed, before it is known who answered and once a machine has.

Judged where there is no doubt: by a first verdict that comes while the conversation cannot be open yet. It must not
know how the core finds out.
"""

from collections.abc import Sequence

from voice_agent.call.answering_machine import HELD_MS
from voice_agent.call.commands import CallCommand, ClearPlayback, ClosePhone, CreateResponse, HangUp, PlayAudio
from voice_agent.call.events import (
    CallEvent,
    KeyPressed,
    MachineVerdict,
    ModelAudio,
    ResponseCreated,
    StreamStarted,
)
from voice_agent.call.setup import CallSetup


class WhoAnswered:
    """Watches one call; `watch` gives what is wrong in a step, or nothing."""

    def __init__(self, setup: CallSetup) -> None:
        wish = setup.agent.on_machine
        self._hangs_up = wish is not None and wish.do == "hang_up"
        self.held = setup.outbound and setup.resumed is None and wish is not None and wish.do != "continue"
        self._open_ms: int | None = None
        """From when on the conversation may be open."""
        self._verdict: str | None = None
        """The first one."""
        self._machine = False
        """It is certain that a machine has answered, and that the call has to know."""
        self._messages: set[str] = set()

    def watch(self, now_ms: int, event: CallEvent, commands: Sequence[CallCommand]) -> str:
        """Look at one step; in a call that is not `held` there is nothing to see."""
        if not self.held:
            return ""
        waiting = self._cannot_be_open(now_ms)
        match event:
            case StreamStarted():
                self._open_ms = now_ms + HELD_MS
            case KeyPressed() if not self._machine:
                self._open_ms = now_ms
            case MachineVerdict():
                self._take(now_ms, event.answered_by)
            case ResponseCreated() if self._machine and (event.request or "").startswith("goodbye"):
                self._messages.add(event.response_id)
        if self._machine:
            return self._look_at_machine(event, commands)
        return _look_at_waiting(commands) if waiting and self._cannot_be_open(now_ms) else ""

    def _cannot_be_open(self, now_ms: int) -> bool:
        return self._open_ms is not None and now_ms < self._open_ms and self._verdict is None

    def _take(self, now_ms: int, answered_by: str) -> None:
        if self._cannot_be_open(now_ms):
            self._machine = answered_by.startswith("machine") or answered_by == "fax"
        self._verdict = self._verdict or answered_by

    def _look_at_machine(self, event: CallEvent, commands: Sequence[CallCommand]) -> str:
        if isinstance(event, MachineVerdict) and self._hangs_up:
            self._hangs_up = False
            if not any(isinstance(command, HangUp | ClosePhone) for command in commands):
                return "a machine was not hung up on"
        for command in commands:
            match command:
                case CreateResponse() if not command.request.startswith("goodbye"):
                    return f"{command.request} was asked for, though a machine has answered"
                case PlayAudio():
                    ours = event.response_id if isinstance(event, ModelAudio) else "a clip"
                    if ours not in self._messages:
                        return f"a machine hears {ours}"
                case _:
                    pass
        return ""


def _look_at_waiting(commands: Sequence[CallCommand]) -> str:
    leaves = any(isinstance(command, ClosePhone) for command in commands)
    for command in commands:
        match command:
            case CreateResponse() if not command.request.startswith(("greeting", "goodbye")):
                return f"{command.request} was asked for before it was known who answered"
            case ClearPlayback() if not leaves:
                return "the greeting was cut before it was known who answered"
            case _:
                pass
    return ""
