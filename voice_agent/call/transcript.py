"""The transcript: what was said as it was heard, and the conversation as a value.

An item of the agent that was cut is cut in its words too, in proportion: the API gives no word times. Of one that was
cut while it was being made, the words came ahead of the sound and how long they would have lasted is never told: there
they count by how fast this voice has spoken.
"""

from collections.abc import Iterator
from typing import ClassVar

from voice_agent.call.commands import AddAgentText, AgentSaid, CallerSaid, Command, TranscriptionUsed
from voice_agent.call.conversation import (
    AgentTurn,
    CallerTurn,
    KeysTurn,
    Resumption,
    ToolTurn,
    Turn,
    answered,
    history,
)
from voice_agent.call.events import (
    AgentTranscript,
    CallerTranscribed,
    Event,
    ResponseCreated,
    ServerPrompted,
    TurnCommitted,
)
from voice_agent.call.facts import (
    AgentChanged,
    Fact,
    HistoryWanted,
    ItemHeard,
    OwnSpeechHeard,
    OwnSpeechWanted,
    SessionLost,
    TurnHeardAgain,
)
from voice_agent.call.part import Handled

MS_PER_CHARACTER = 60
"""How fast a voice speaks of which nothing was heard yet: a quick one in English, so that no word is lost by it."""

WEIGHT = 50
"""That guess counts as much as so many characters which were heard whole: a sentence."""


def cut_words(text: str, heard_ms: int, total_ms: int) -> str:
    """Give the words that fit into `heard_ms` of `total_ms`; a word that was only begun does not count."""
    if heard_ms >= total_ms:
        return text.strip()
    end = len(text) * heard_ms // total_ms
    if end < len(text) and not text[end].isspace():
        end = text[:end].rfind(" ") + 1
    return text[:end].strip()


class Transcript:
    """See the module. `turns` are in the order of the conversation, not of the words' arrival."""

    HANDLES: ClassVar[Handled] = (
        AgentTranscript,
        CallerTranscribed,
        ServerPrompted,
        TurnCommitted,
        ItemHeard,
        ResponseCreated,
        AgentChanged,
        OwnSpeechWanted,
        SessionLost,
        HistoryWanted,
        TurnHeardAgain,
    )

    def __init__(self, resumed: Resumption | None = None) -> None:
        self._turns: list[Turn] = [] if resumed is None else [*answered(resumed.conversation.turns)]
        self._back, self._before = "" if resumed is None else resumed.reason, len(self._turns)
        """Why the call goes on, and behind how many turns."""
        self._words: dict[str, str] = {}
        self._places: dict[str, int] = {}
        """Where the caller's turns stand, by their items."""
        self._silences: set[str] = set()
        """Items that are committed as the caller's turns are, though nobody spoke."""
        self._own: set[str] = set()
        """Items that no session knows: `greeting` tells them."""
        self._again: set[str] = set()
        """Turns of the caller that are heard once more."""
        self._former: set[str] = set()
        """Items of lost sessions, of which something may be heard yet."""
        self._spoken_ms, self._spoken = WEIGHT * MS_PER_CHARACTER, WEIGHT
        """How long so many characters have taken."""
        self._untold = False
        """There is no session that knows what was said."""
        self._agent = ""
        """Who has the call, when it was handed over."""
        self._agents: dict[str, str] = {}
        """Who speaks in a response, and in an item of it, when that is not the agent that took the call."""

    @property
    def turns(self) -> list[Turn]:
        """All that was said so far."""
        again = self._again
        return [turn for turn in self._turns if not (isinstance(turn, CallerTurn) and turn.item_id in again)]

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
            case ServerPrompted():
                self._silences.add(event.item_id)
            case TurnCommitted() if event.item_id not in self._silences:
                self._put(CallerTurn(event.item_id, ""))
            case CallerTranscribed():
                text = event.text.strip()
                if text or event.item_id not in self._silences:
                    self._put(CallerTurn(event.item_id, text))
                    yield CallerSaid(event.item_id, text)
                if event.usage is not None:
                    yield TranscriptionUsed(event.usage)
            case ItemHeard() if event.total_ms > 0:
                yield from self._hear(event)
            case SessionLost():
                self._untold = True
                self._former.update(self._words.keys() - self._own)
            case HistoryWanted():
                self._untold = False
                yield from history(self.turns, event.reason, back=self._back, former=self._before)
            case TurnHeardAgain():
                self._again.add(event.item_id)

    def _hear(self, event: ItemHeard) -> Iterator[Command | Fact]:
        words, total_ms = self._words.pop(event.item_id, ""), event.total_ms
        if event.unfinished:
            total_ms = max(total_ms, len(words) * self._spoken_ms // self._spoken)
        elif words:
            self._spoken_ms += total_ms
            self._spoken += len(words)
        text = cut_words(words, event.heard_ms, total_ms)
        agent = self._agents.pop(event.item_id, "")
        self._turns.append(AgentTurn(event.item_id, text, event.interrupted, agent))
        yield AgentSaid(event.item_id, text, event.heard_ms, event.total_ms, event.interrupted, agent)
        if event.item_id in self._own:
            yield OwnSpeechHeard(event.item_id, text)
        if event.item_id in self._former and text and not self._untold:
            # It was in the air when the session was told the rest.
            yield AddAgentText(f"heard-{event.item_id}", text)

    def _put(self, turn: CallerTurn) -> None:
        """Keep one turn of the caller, whose commit and whose words come in either order."""
        place = self._places.setdefault(turn.item_id, len(self._turns))
        if place == len(self._turns):
            self._turns.append(turn)
        elif turn.text:
            self._turns[place] = turn

    def note_keys(self, digits: str) -> None:
        """Keys were given to the model."""
        self._turns.append(KeysTurn(digits))

    def note_tool(self, call_id: str, name: str, arguments: str) -> None:
        """A tool was called; its answer is filled in by `note_answer`."""
        self._turns.append(ToolTurn(call_id, name, arguments, None))

    def note_answer(self, call_id: str, output: str) -> None:
        """A tool was answered."""
        for index, turn in reversed([*enumerate(self._turns)]):
            # The latest of that id: ids of a former session may come again.
            if isinstance(turn, ToolTurn) and turn.call_id == call_id:
                self._turns[index] = ToolTurn(call_id, turn.name, turn.arguments, output)
                return
