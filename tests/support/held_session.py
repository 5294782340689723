"""A session whose bridge, legs and work are fakes, held to its end."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from tests.support.pump import FakeLeg, settle
from voice_agent.call.commands import CallEnded
from voice_agent.live.session import Session
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import ModelText, PhoneText

ENDED = CallEnded("completed", "", 0)


class FakeRecorder:
    def __init__(self) -> None:
        self.steps: list[tuple[int, Input | None, list[Output]]] = []
        self.remarks: list[tuple[int, str]] = []

    def record(self, now_ms: int, received: Input | None, outputs: Sequence[Output]) -> None:
        self.steps.append((now_ms, received, list(outputs)))

    def remark(self, now_ms: int, what: str) -> None:
        self.remarks.append((now_ms, what))


def by_text(**answers: Sequence[Output]) -> Callable[[Input], Sequence[Output]]:
    """Answer texts by what they say; anything else not at all."""

    def answer(received: Input) -> Sequence[Output]:
        return answers.get(received.text, ()) if isinstance(received, PhoneText | ModelText) else ()

    return answer


def hold(session: Session, script: Callable[[], Awaitable[None]]) -> None:
    """Run a session and a test's script beside it, both to their ends."""

    async def main() -> None:
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            tasks.create_task(session.run())
            tasks.create_task(script())  # type: ignore[arg-type] # an async function's result

    asyncio.run(main())


async def joined(session: Session, phone: FakeLeg, tasks: asyncio.TaskGroup, *first: str) -> asyncio.Task[None]:
    task = tasks.create_task(session.serve(phone, first))
    await settle()
    return task


def run_with_phone(session: Session, phone: FakeLeg, script: Callable[[], Awaitable[None]], *first: str) -> None:
    async def main() -> None:
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            tasks.create_task(session.run())
            await joined(session, phone, tasks, *first)
            await script()

    asyncio.run(main())
