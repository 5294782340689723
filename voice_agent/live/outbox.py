"""What is on its way to one socket: one ordered, bounded queue a leg, so that a `clear` cannot be overtaken.

It must not know what a text means, except which ones its owner calls expendable.
"""

import asyncio
from collections import deque
from collections.abc import Callable


class Outbox:
    """An ordered queue of texts between a session's step and the task that writes; `len()` is how many wait.

    Usage: the session calls `put` and at last `close`; one writer task calls `take` until it gives `None`.
    """

    def __init__(self, limit: int, expendable: Callable[[str], bool] | None = None) -> None:
        """`limit`: texts that may wait. `expendable` says which texts may be dropped, oldest first, to keep it."""
        self._limit = limit
        self._expendable = expendable
        self._texts: deque[str] = deque()
        self._closed = False
        self.idle = False
        """Whether the writer has written all and waits: a text may then be written at once, past the queue."""
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._texts)

    def put(self, text: str) -> int | None:
        """Queue a text; tell how many older ones were dropped for it, or `None` if it is full beyond its limit.

        After `None` a text is missing: the leg cannot be used any more. After `close` texts are ignored.
        """
        if self._closed:
            return 0
        dropped = 0
        if len(self._texts) >= self._limit:
            dropped = self._drop()
            if not dropped:
                return None
        self._texts.append(text)
        self.idle = False
        self._changed.set()
        return dropped

    def close(self) -> None:
        """Let nothing more in; `take` gives `None` after the last text."""
        self._closed = True
        self.idle = False
        self._changed.set()

    async def take(self) -> str | None:
        """Wait for the next text, in order; `None`: closed and empty."""
        while not self._texts:
            if self._closed:
                return None
            self._changed.clear()
            self.idle = True
            try:
                await self._changed.wait()
            finally:
                self.idle = False
        return self._texts.popleft()

    def _drop(self) -> int:
        """Drop the older half of what is expendable: one gap is better understood than many, and counted once."""
        if self._expendable is None:
            return 0
        expendable = [place for place, text in enumerate(self._texts) if self._expendable(text)]
        gone = set(expendable[: (len(expendable) + 1) // 2])
        self._texts = deque(text for place, text in enumerate(self._texts) if place not in gone)
        return len(gone)
