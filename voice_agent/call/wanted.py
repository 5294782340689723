"""What the model is still to be asked for, in order: plain requests are one, others wait their turn."""

from collections.abc import Sequence

from voice_agent.call.facts import ResponseWanted

RESULTS = frozenset({"tool", "keys"})
"""What is wanted because we gave the conversation something: a response begun before that does not know it. What came
of an MCP call the server knew before we did, so a response that it begins behind the news of it knows it, too."""

FIRST_WORDS = frozenset({"greeting", "goodbye"})
"""All that is said before it is known who answered; the goodbye is what a machine is told."""

WITHDRAWN = ResponseWanted("retry")
"""Stands for what was asked for and is not wanted any more: refused or failed, it is not asked for again."""


def queued(waiting: Sequence[ResponseWanted], wanted: ResponseWanted) -> list[ResponseWanted]:
    """Add one to those that wait, unless another stands for it."""
    if any(one.purpose == wanted.purpose for one in waiting):
        return [*waiting]
    if wanted.instructions is not None:
        return [*waiting, wanted]
    # Plain requests are one: whatever the model says next answers all that it was given. Only what the server's own
    # answer may not know must be asked for under its own name.
    kept = [one for one in waiting if one.purpose != "mcp"] if wanted.purpose in RESULTS else [*waiting]
    return kept if any(one.instructions is None for one in kept) else [wanted, *kept]
