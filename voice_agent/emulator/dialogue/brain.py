"""Answers by dialogue files. Keeps nothing: what is known of a call is read from its conversation each time."""

import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from typing import Any

from voice_agent.emulator.brain import Echo, Thought, ToolCall, last_said, sentences
from voice_agent.emulator.dialogue.file import Answer, Call, Dialogue, Intent, choose_dialogue
from voice_agent.emulator.dialogue.matching import nearest_intent
from voice_agent.emulator.dialogue.slots import WEEKDAYS, Value, find_slots, say_value
from voice_agent.sim.realtime import Line, Think

_DIRECTION = re.compile(
    r"(?:\A|\n\n)((?:The call (?:is ending|is being transferred|goes on)|The time for this call is over"
    r"|The caller (?:has been silent|does not answer any more))\b[^\n]*)\s*\Z"
)
"""What the bridge adds to an agent's instructions for one response, e.g. "The call is ending. Say a short goodbye."."""
_EXACTLY = re.compile(
    r'(?:\A|\n\n)(?:The call has just begun\. |An answering machine is recording\. )?Say exactly: "(.*)"\s*\Z',
    re.DOTALL,
)
_TODAY = re.compile(rf"\bToday is ({'|'.join(WEEKDAYS)})\b")
_PLACE = re.compile(r"\{(\w+)\}")


class DialogueBrain:
    """Answers by the dialogue that fits the session's tools; repeats what it heard where none does."""

    def __init__(self, dialogues: list[Dialogue], always: Dialogue | None = None) -> None:
        """`always`: this one for every session, whatever its tools."""
        self._dialogues = dialogues
        self._always = always

    async def think(self, think: Think) -> AsyncGenerator[Thought, None]:
        """Answer at once, sentence by sentence; see `Brain`."""
        exactly = _EXACTLY.search(think.instructions)
        if exactly is not None:
            for sentence in sentences(exactly[1]):
                yield sentence
            return
        tools = [str(tool.get("name")) for tool in think.tools]
        dialogue = self._always or choose_dialogue(self._dialogues, tools)
        if dialogue is None:
            async for thought in Echo().think(think):
                yield thought
            return
        for thought in _Reply(dialogue, think).thoughts():
            if isinstance(thought, ToolCall):
                if think.tool_choice != "none" and thought.name in tools:
                    yield thought
            else:
                for sentence in sentences(thought):
                    yield sentence


class _Reply:
    """One response by one dialogue."""

    def __init__(self, dialogue: Dialogue, think: Think) -> None:
        self._dialogue = dialogue
        self._think = think
        today = _TODAY.search(think.instructions)
        self._today = today[1] if today else None
        self._turns = sum(line.kind == "assistant" for line in think.conversation)

    def thoughts(self) -> Iterator[Thought]:
        """Say and call."""
        direction = _DIRECTION.search(self._think.instructions)
        said = last_said(self._think.conversation)
        if direction is not None:
            yield self._directed(direction[1])
        elif said is None:
            yield self._dialogue.greeting
        elif said.kind == "output":
            yield from self._answer_output(said)
        else:
            yield from self._answer_caller(said)

    def _directed(self, direction: str) -> str:
        if "goodbye" in direction:
            return self._dialogue.goodbye
        if "transferred" in direction:
            return self._dialogue.transfer
        return self._dialogue.resumed if "goes on" in direction else self._dialogue.silence

    def _answer_caller(self, said: Line) -> Iterator[Thought]:
        intent, slots = self._understand(said)
        if intent is None:
            yield self._in_turn(self._dialogue.fallback)
            return
        missing = _missing(intent, slots)
        if missing is not None:
            yield self._dialogue.slots[missing].ask
            return
        if intent.say:
            yield fill(self._in_turn(intent.say), slots)
        if intent.call is not None:
            yield ToolCall(intent.call.name, json.dumps(_arguments(intent.call, slots)))
        if intent.hang_up:
            yield ToolCall("hang_up", "{}")

    def _understand(self, said: Line) -> tuple[Intent | None, dict[str, Value]]:
        """Follow the caller from the beginning: an intent lasts while what is said fills its slots."""
        intent: Intent | None = None
        slots: dict[str, Value] = {}
        understood = False
        for line in self._think.conversation:
            if line.kind != "user":
                continue
            asked = _missing(intent, slots) if intent is not None else None
            found = find_slots(line.text, self._dialogue.slots, asked, self._today)
            wanted = nearest_intent(line.text, self._dialogue.intents)
            if wanted is not None and wanted is not intent and not (asked is not None and asked in found):
                intent, slots, understood = wanted, {}, True
            else:
                understood = wanted is not None or (intent is not None and any(name in intent.needs for name in found))
            slots |= found
            if line is said:
                break
        return (intent, slots) if understood else (None, slots)

    def _answer_output(self, output: Line) -> Iterator[Thought]:
        call = next(
            (line for line in self._think.conversation if line.kind == "call" and line.call_id == output.call_id), None
        )
        fields = _read_object(output.text)
        if call is None or call.name == "hang_up" or (call.name == "transfer" and fields is None):
            # The last words were said before the call.
            return
        if fields is None:
            fields = {"output": _read(output.text)}
        if "error" in fields:
            yield self._dialogue.failed
            return
        if "you_are_now" in fields:
            yield self._dialogue.takes_over
            asked = next((line for line in reversed(self._think.conversation) if line.kind == "user"), None)
            if asked is not None and self._understand(asked)[0] is not None:
                yield from self._answer_caller(asked)
            return
        values = (_read_object(call.text) or {}) | fields
        # Several intents may call one tool: the answer of the one that did comes first.
        for answers in _answers_to(call.name, [*self._asked_before(call), *self._dialogue.intents]):
            for answer in answers:
                if all(name in fields and wanted in ("*", fields[name]) for name, wanted in answer.when.items()):
                    if answer.say:
                        yield fill(answer.say, values)
                    if answer.call is not None:
                        yield ToolCall(answer.call.name, json.dumps(_arguments(answer.call, values)))
                    return
        yield self._dialogue.failed

    def _asked_before(self, call: Line) -> list[Intent]:
        """Find the intent that led to a call."""
        before = self._think.conversation[: self._think.conversation.index(call)]
        said = next((line for line in reversed(before) if line.kind == "user"), None)
        intent = None if said is None else self._understand(said)[0]
        return [] if intent is None else [intent]

    def _in_turn(self, texts: str | tuple[str, ...]) -> str:
        return texts if isinstance(texts, str) else texts[self._turns % len(texts)]


def _answers_to(tool: str, parts: Sequence[Intent | Answer]) -> Iterator[list[Answer]]:
    """Find what is answered to a tool's output, wherever it is called."""
    for part in parts:
        if part.call is not None and part.call.name == tool:
            yield part.answers
        yield from _answers_to(tool, part.answers)


def fill(text: str, values: Mapping[str, object]) -> str:
    """Put values into a text as they are said; an unknown name stays as it is."""
    filled = _PLACE.sub(lambda place: say_value(values[place[1]]) if place[1] in values else place[0], text)
    return filled.replace(".m..", ".m.")


def _missing(intent: Intent, slots: dict[str, Value]) -> str | None:
    return next((name for name in intent.needs if name not in slots), None)


def _arguments(call: Call, slots: Mapping[str, Any]) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, given in call.arguments.items():
        place = _PLACE.fullmatch(given) if isinstance(given, str) else None
        arguments[name] = slots.get(place[1], given) if place else given
    return arguments


def _read_object(text: str) -> dict[str, Any] | None:
    value = _read(text)
    return value if isinstance(value, dict) else None


def _read(text: str) -> object:
    """Read JSON; what is none is a text, as a function may return it."""
    try:
        return json.loads(text)
    except ValueError:
        return text
