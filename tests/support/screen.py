"""What a command shows, line by line, for whoever waits for one of the lines."""

import asyncio


class Screen:
    """Its `tell` stands in the place of `print`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._news = asyncio.Event()

    def tell(self, line: str) -> None:
        self.lines.append(line)
        self._news.set()

    async def until(self, part: str) -> None:
        """Wait for a line with this in it."""
        while not any(part in line for line in self.lines):
            self._news.clear()
            await self._news.wait()
