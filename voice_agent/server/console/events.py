"""Server-sent events: what is live, told to every page that looks at it. It must not know what is told.

Each page has a queue with a bound. One that does not read is let go, and comes again by itself: whoever publishes never
waits. https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import msgspec
from fastapi.responses import StreamingResponse

MOST_WAITING = 64
"""Messages that a page may be behind."""

MOST_PAGES = 32
"""That look at once; beyond them the oldest is let go."""

ALIVE_SECONDS = 15.0
"""Between two signs of life, so that a proxy keeps the connection, and so that a page that is gone is noticed."""

AGAIN_MS = 1000
"""After how long a browser comes again."""


def event_text(name: str, value: Any) -> bytes:
    """Write one event; JSON has no line break of its own."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(value))


class Broadcast:
    """What one kind of page is told."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._most_waiting = most_waiting
        self._pages: dict[asyncio.Queue[bytes | None], None] = {}

    def __len__(self) -> int:
        return len(self._pages)

    def publish(self, name: str, value: Any) -> None:
        """Tell all pages; nothing is encoded where nobody looks."""
        if not self._pages:
            return
        text = event_text(name, value)
        for page in list(self._pages):
            if page.qsize() >= self._most_waiting:
                self._let_go(page)
            else:
                page.put_nowait(text)

    def response(self, first: Callable[[], Iterable[tuple[str, Any]]] = tuple) -> StreamingResponse:
        """Answer a page with what there is now, and then with what is published, until it or the server goes."""
        return StreamingResponse(self._told(first), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    def close(self) -> None:
        """Let all pages go, because the server stops."""
        for page in list(self._pages):
            self._let_go(page)

    def _let_go(self, page: asyncio.Queue[bytes | None]) -> None:
        self._pages.pop(page, None)
        page.put_nowait(None)

    async def _told(self, first: Callable[[], Iterable[tuple[str, Any]]]) -> AsyncIterator[bytes]:
        page: asyncio.Queue[bytes | None] = asyncio.Queue()
        while len(self._pages) >= MOST_PAGES:
            self._let_go(next(iter(self._pages)))
        self._pages[page] = None
        try:
            yield b"retry: %d\n\n" % AGAIN_MS
            for name, value in first():
                yield event_text(name, value)
            while True:
                try:
                    async with asyncio.timeout(ALIVE_SECONDS):
                        text = await page.get()
                except TimeoutError:
                    text = b": alive\n\n"
                if text is None:
                    return
                yield text
        finally:
            self._pages.pop(page, None)
