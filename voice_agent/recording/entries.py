"""What a recording is made of, as values: steps of entries, in feed order.

An entry is a text and the way it went. What texts, events and commands mean is not known here; whoever records or
replays turns its own values into entries and back.
"""

from typing import Literal

import msgspec

Way = Literal["phone", "model", "fact", "remark"]
"""`phone`, `model`: a raw text of that leg. `fact`: an event or order that crossed no socket, as JSON. `remark`: what
the shell has to say about its own work, e.g. that an output was dropped or never written; never fed to a core."""

WAYS: tuple[Way, ...] = ("phone", "model", "fact", "remark")
"""In the order of their numbers in the file; a new one goes to the end."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One text. Audio that was not kept stands in it as `~BYTES:DIGEST`, see `cutting`."""

    way: Way
    text: str


class Step(msgspec.Struct, frozen=True, gc=False):
    """One `feed`: what came in at `now_ms`, and what came out of it, in order."""

    now_ms: int
    received: Entry | None
    """`None`: the call's beginning."""
    sent: tuple[Entry, ...] = ()
