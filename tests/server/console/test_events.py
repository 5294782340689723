import asyncio
from collections.abc import AsyncIterator
from typing import Any

from fastapi.responses import StreamingResponse

from voice_agent.server.console.events import MOST_PAGES, MOST_WAITING, Broadcast, event_text


async def next_text(page: AsyncIterator[Any]) -> bytes:
    text: bytes = await anext(page)
    return text


async def opened(broadcast: Broadcast, *first: tuple[str, Any]) -> AsyncIterator[Any]:
    """Give what a page reads, once it has read its beginning."""
    response: StreamingResponse = broadcast.response(lambda: first)
    page = aiter(response.body_iterator)
    for _ in range(1 + len(first)):
        await next_text(page)
    return page


def test_an_event_is_one_block_whatever_it_says() -> None:
    assert event_text("said", {"text": "a\n\nevent: b\r"}) == b'event: said\ndata: {"text":"a\\n\\nevent: b\\r"}\n\n'


def test_a_page_is_told_what_there_is_and_then_what_comes() -> None:
    async def main() -> None:
        broadcast = Broadcast()
        broadcast.publish("said", 0)
        page = aiter(broadcast.response(lambda: [("now", [1])]).body_iterator)
        assert await next_text(page) == b"retry: 1000\n\n"
        assert await next_text(page) == event_text("now", [1])
        broadcast.publish("said", 2)
        assert await next_text(page) == event_text("said", 2)

    asyncio.run(main())


def test_a_page_that_does_not_read_is_let_go_and_the_others_go_on() -> None:
    async def main() -> None:
        broadcast = Broadcast()
        slow, quick = await opened(broadcast), await opened(broadcast)
        for number in range(MOST_WAITING + 1):
            broadcast.publish("said", number)
            await next_text(quick)
        assert len(broadcast) == 1
        read = [text async for text in slow]
        assert len(read) == MOST_WAITING

    asyncio.run(main())


def test_of_too_many_pages_the_oldest_is_let_go() -> None:
    async def main() -> None:
        broadcast = Broadcast()
        pages = [await opened(broadcast) for _ in range(MOST_PAGES + 1)]
        assert len(broadcast) == MOST_PAGES
        assert [text async for text in pages[0]] == []

    asyncio.run(main())


def test_the_servers_end_ends_all_of_them() -> None:
    async def main() -> None:
        broadcast = Broadcast()
        page = await opened(broadcast)
        broadcast.close()
        assert [text async for text in page] == []
        assert len(broadcast) == 0

    asyncio.run(main())
