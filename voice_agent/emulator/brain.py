"""Who decides what the Realtime stand-in says: the interface of a streaming model, and the simplest of them."""

import re
from collections.abc import AsyncGenerator
from typing import Protocol

import msgspec

from voice_agent.sim.realtime import Line, Think


class ToolCall(msgspec.Struct, frozen=True):
    """A function call that the brain makes; `arguments` is JSON."""

    name: str
    arguments: str


Thought = str | ToolCall
"""A sentence or more to be said, or a call."""


class Brain(Protocol):
    """Keeps nothing between responses: all it knows of a call stands in the conversation it is given."""

    def think(self, think: Think) -> AsyncGenerator[Thought, None]:
        """Stream one response. Raises `PeerError` when a model behind it fails."""


def last_said(conversation: tuple[Line, ...]) -> Line | None:
    """The newest line that asks for an answer: what the caller said, or a function's output."""
    return next((line for line in reversed(conversation) if line.kind in {"user", "output"}), None)


_SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\b[ap]\.m\.)\s+(?=[^a-z\s])|\n+")


def cut_sentences(text: str) -> list[str]:
    """Cut a text where a sentence or a line ends, but not behind "7 p.m." nor before a small letter.

    The last piece may go on in text that has not come yet; it is kept as it is, spaces included.
    """
    return _SENTENCE_END.split(text)


def sentences(text: str) -> list[str]:
    """Cut a whole text into its sentences."""
    return [sentence for sentence in cut_sentences(text.strip()) if sentence]


class Echo:
    """Repeats politely what it heard: for agents without a dialogue."""

    async def think(self, think: Think) -> AsyncGenerator[Thought, None]:
        """Say what was heard; see `Brain`."""
        said = last_said(think.conversation)
        if think.conversation and think.conversation[-1].kind == "system":
            yield think.conversation[-1].text
        elif said is None:
            yield "Hello. Say something, and I will repeat it."
        elif said.kind == "output":
            yield f"The answer is: {said.text}"
        elif said.text:
            yield f"You said: {said.text}"
        else:
            yield "I did not hear any words."
