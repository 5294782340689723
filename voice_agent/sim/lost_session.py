"""A session that is lost while its call goes on: what it may not be told any more, and what the next one must know.

Nothing is said to a session that is gone, an item is cut only in the memory of the session that made it, and the next
session is told what the caller has heard, word by word: the history, and then what was in the air at that time.
"""

from collections.abc import Sequence

from voice_agent.call.commands import (
    AddAgentText,
    AddToolOutput,
    AddUserText,
    AgentSaid,
    AppendAudio,
    CallCommand,
    CancelResponse,
    CloseModel,
    ConnectModel,
    CreateResponse,
    PlayAudio,
    SendMark,
    SetTurnFlags,
    TruncateItem,
)
from voice_agent.call.conversation import AgentTurn
from voice_agent.call.events import CallEvent, ModelAudio, SessionUpdated
from voice_agent.call.setup import CallSetup

_TOLD = (
    AddAgentText,
    AddToolOutput,
    AddUserText,
    AppendAudio,
    CancelResponse,
    CreateResponse,
    SetTurnFlags,
    TruncateItem,
)
"""What is said to a session."""

_TO_CALLER = frozenset({PlayAudio, SendMark})
"""What follows every delta, and says nothing to any session."""


class LostSession:
    """Watches one call; `watch` gives what is wrong, or nothing."""

    def __init__(self, setup: CallSetup) -> None:
        self.lost = False
        """There was a session, and there is none."""
        self._ready = False
        self._items: set[str] = set()
        """Of the session that there is."""
        self._former: set[str] = set()
        turns = () if setup.resumed is None else setup.resumed.conversation.turns
        self._heard = [turn.text for turn in turns if isinstance(turn, AgentTurn) and turn.text]
        """What the caller has heard of former sessions' items, in the order in which that was known."""
        self._said: list[tuple[str, str]] = []
        """The same of this one's items, each with its text."""
        self._told: list[str] | None = None
        """What this session was told of the agent's words; `None`: it is the first, or there is none."""

    def watch(self, event: CallEvent, commands: Sequence[CallCommand]) -> str:
        """Look at one step."""
        if isinstance(event, ModelAudio):
            self._items.add(event.item_id)
        elif isinstance(event, SessionUpdated) and not event.unusable and not self._ready:
            self._ready = True
            if self.lost:
                self.lost, self._told = False, []
        wrong = ""
        for command in commands:
            if type(command) not in _TO_CALLER:
                wrong = self._look_at(command) or wrong
        return wrong

    def finish(self) -> str:
        """Look at what the last session was told; give what is wrong with it."""
        if self._told is None or self._told == self._heard:
            return ""
        return f"a session was told that the caller heard {self._told}, not {self._heard}"

    def _look_at(self, command: CallCommand) -> str:
        match command:
            case ConnectModel() if self._ready:
                return self._lose()
            case CloseModel():
                # What is in the air can be told to nobody any more, and nobody is set up.
                wrong, self._told, self._ready = self.finish(), None, True
                return wrong
            case TruncateItem() if command.item_id in self._former:
                return f"{command.item_id} is cut in a session that does not know it"
            case AgentSaid() if command.text:
                if command.item_id in self._items:
                    self._said.append((command.item_id, command.text))
                else:
                    self._heard.append(command.text)
            case AddAgentText() if self._told is not None:
                # What was kept of a former call was heard before anything else.
                self._told.insert(0 if command.first else len(self._told), command.text)
            case _ if self.lost and isinstance(command, _TOLD):
                return f"a lost session is told something: {type(command).__name__}"
        return ""

    def _lose(self) -> str:
        wrong = self.finish()
        self._ready, self.lost, self._told = False, True, None
        self._former |= self._items
        self._items = set()
        self._heard += [text for _, text in self._said]
        self._said = []
        return wrong
