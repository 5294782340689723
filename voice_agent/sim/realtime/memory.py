"""What of a conversation a response reads: what is dropped when it has grown too long, and what the cache knows of it.

By OpenAI's guides to the Realtime API's costs and truncation: past the limit the oldest items are left out, for good,
until the rest fits (`auto`) or is a given share of the limit (`retention_ratio`); `disabled` makes it an error. Prompt
caching is automatic and by common beginning, so each dropping costs the cache. Left out: that the services cache only
beginnings of some length and for some minutes, and that they may drop a call's output with its call.
"""

from typing import Any

import msgspec

from voice_agent.sim.realtime.items import Item


class Tokens(msgspec.Struct, frozen=True):
    """Tokens by kind."""

    text: int
    audio: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.text + self.audio

    def wire(self) -> dict[str, int]:
        """Show the two fields that input and output share."""
        return {"text_tokens": self.text, "audio_tokens": self.audio}


Counted = tuple[Item, Tokens]
"""An item with its tokens."""


class TooLong(Exception):  # noqa: N818 - what is wrong, not an error of ours
    """The conversation is longer than the model's context, and nothing may be dropped."""


class Memory:
    """Of one session's conversation."""

    def __init__(self, context_tokens: int) -> None:
        """`context_tokens`: the most that a response may read."""
        self._context_tokens = context_tokens
        self._dropped: set[str] = set()
        self._last: list[tuple[str, Tokens]] = []

    def retain(self, items: list[Counted], setting_tokens: int, truncation: Any) -> list[Counted]:
        """Give the items that are left of the conversation; `truncation` as in the session. Raises `TooLong`.

        `setting_tokens`: what the instructions and tools take. The newest item stays in any case.
        """
        kept = [counted for counted in items if counted[0].id not in self._dropped]
        limit = self._context_tokens - setting_tokens
        ratio = 1.0
        if isinstance(truncation, dict):
            ratio = truncation["retention_ratio"]
            limit = min(limit, truncation.get("token_limits", {}).get("post_instructions", limit))
        size = sum(tokens.total for _, tokens in kept)
        if size <= limit:
            return kept
        if truncation == "disabled":
            raise TooLong
        while len(kept) > 1 and size > ratio * limit:
            oldest, tokens = kept.pop(0)
            self._dropped.add(oldest.id)
            size -= tokens.total
        return kept

    def read(self, setting: str, setting_tokens: int, items: list[Counted]) -> tuple[Tokens, Tokens]:
        """Count what a response reads, and how much of it an earlier one had read from the same beginning."""
        entries = [(setting, Tokens(setting_tokens, 0)), *((item.id, tokens) for item, tokens in items)]
        common = 0
        while common < min(len(entries), len(self._last)) and entries[common] == self._last[common]:
            common += 1
        self._last = entries
        return _sum(entries), _sum(entries[:common])


def count(items: list[Item]) -> list[Counted]:
    """Count the tokens of each item."""
    return [(item, Tokens(item.text_tokens(), item.audio_tokens())) for item in items]


def _sum(entries: list[tuple[str, Tokens]]) -> Tokens:
    return Tokens(sum(tokens.text for _, tokens in entries), sum(tokens.audio for _, tokens in entries))
