"""The history of a SQLite file, for tests that look at it outside of any event loop."""

import asyncio
from pathlib import Path

from voice_agent.store.database import Database
from voice_agent.store.history import History, PastCall


def latest(path: Path, limit: int = 5) -> list[PastCall]:
    async def main() -> list[PastCall]:
        async with Database(path) as database:
            return await History(database).latest(limit)

    return asyncio.run(main())


class FileHistory:
    """What `History` is, one file and one loop an operation."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, call: PastCall) -> None:
        async def main() -> None:
            async with Database(self.path) as database:
                await History(database).add(call)

        asyncio.run(main())
