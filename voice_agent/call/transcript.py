"""The transcript: what was said as it was heard, and the conversation as a value.

An item of the agent that was cut is cut in its words too, in proportion: the API gives no word times.
"""

from collections.abc import Iterator
from typing import ClassVar

from voice_agent.call.commands import AgentSaid, CallerSaid, Command, TranscriptionUsed
from voice_agent.call.conversation import AgentTurn, CallerTurn, KeysTurn, Resumption, ToolTurn, Turn
from voice_agent.call.events import AgentTranscript, CallerTranscribed, Event, ResponseCreated, TurnCommitted
from voice_agent.call.facts import AgentChanged, Fact, ItemHeard, OwnSpeechHeard, OwnSpeechWanted
from voice_agent.call.part import Handled


def cut_words(text: str, heard_ms: int, total_ms: int) -> str:
    """Give the words that fit into `heard_ms` of `total_ms`; a word that was only begun does not count."""
    if heard_ms >= total_ms:
        return text.strip()
    end = len(text) * heard_ms // total_ms
    if end < len(text) and not text[end].isspace():
        end = text[:end].rfind(" ") + 1
    return text[:end].strip()


class Transcript:
    """See the module. `turns` is in the order of the conversation, not of the words' arrival."""

    HANDLES: ClassVar[Handled] = (
        AgentTranscript,
        CallerTranscribed,
        TurnCommitted,
        ItemHeard,
        ResponseCreated,
        AgentChanged,
        OwnSpeechWanted,
    )

    def __init__(self, resumed: Resumption | None = None) -> None:
        self.turns: list[Turn] = [] if resumed is None else list(resumed.conversation.turns)
        self._words: dict[str, str] = {}
        self._places: dict[str, int] = {}
        """Where the caller's turns stand, by their items."""
        self._own: set[str] = set()
        """Items that the session does not know."""
        self._agent = ""
        """Who has the call, when it was handed over."""
        self._agents: dict[str, str] = {}
        """Who speaks in a response, and in an item of it, when that is not the agent that took the call."""

    def deadline(self) -> int | None:
        """None: words come when they come."""
        return None

    def feed(self, now_ms: int, event: Event | Fact) -> Iterator[Command | Fact]:
        """Take one event or fact."""
        del now_ms
        match event:
            case OwnSpeechWanted():
                self._words[event.item_id] = event.text
                self._own.add(event.item_id)
            case AgentChanged():
                self._agent = event.agent.name
            case ResponseCreated() if self._agent:
                self._agents[event.response_id] = self._agent
            case AgentTranscript():
                if event.response_id in self._agents:
                    self._agents[event.item_id] = self._agents[event.response_id]
                self._words[event.item_id] = self._words.get(event.item_id, "") + event.delta
            case TurnCommitted():
                self._put(CallerTurn(event.item_id, ""))
            case CallerTranscribed():
                text = event.text.strip()
                self._put(CallerTurn(event.item_id, text))
                yield CallerSaid(event.item_id, text)
                if event.usage is not None:
                    yield TranscriptionUsed(event.usage)
            case ItemHeard() if event.total_ms > 0:
                text = cut_words(self._words.pop(event.item_id, ""), event.heard_ms, event.total_ms)
                agent = self._agents.pop(event.item_id, "")
                self.turns.append(AgentTurn(event.item_id, text, event.interrupted, agent))
                yield AgentSaid(event.item_id, text, event.heard_ms, event.total_ms, event.interrupted, agent)
                if event.item_id in self._own:
                    yield OwnSpeechHeard(event.item_id, text)

    def _put(self, turn: CallerTurn) -> None:
        """Keep one turn of the caller, whose commit and whose words come in either order."""
        place = self._places.setdefault(turn.item_id, len(self.turns))
        if place == len(self.turns):
            self.turns.append(turn)
        elif turn.text:
            self.turns[place] = turn

    def note_keys(self, digits: str) -> None:
        """Keys were given to the model."""
        self.turns.append(KeysTurn(digits))

    def note_tool(self, call_id: str, name: str, arguments: str) -> None:
        """A tool was called; its answer is filled in by `note_answer`."""
        self.turns.append(ToolTurn(call_id, name, arguments, None))

    def note_answer(self, call_id: str, output: str) -> None:
        """A tool was answered."""
        for index, turn in reversed([*enumerate(self.turns)]):
            # The latest of that id: ids of a former session may come again.
            if isinstance(turn, ToolTurn) and turn.call_id == call_id:
                self.turns[index] = ToolTurn(call_id, turn.name, turn.arguments, output)
                return
