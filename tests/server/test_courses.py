"""How far calls are that we placed, by the carrier's callbacks."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from voice_agent.server.courses import Courses
from voice_agent.twilio_api.calls import Course


def status(status: str, sid: str = "CA1", **more: str) -> dict[str, str]:
    return {"CallSid": sid, "CallStatus": status, "Direction": "outbound-api", **more}


def told(work: Callable[[Courses], Awaitable[Course | None]], most: int = 10) -> Course | None:
    async def main() -> Course | None:
        async with asyncio.timeout(60):
            return await work(Courses(most))

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("callbacks", "known", "course"),
    [
        (["initiated", "ringing"], Course("initiated"), Course("ringing")),
        (["ringing", "initiated"], Course(""), Course("ringing")),
        (["completed", "in-progress"], Course("in-progress"), Course("completed")),
        (["initiated"], Course("ringing"), None),
        (["initiated"], Course("initiated"), None),
        (["busy", "completed"], Course("busy"), None),
        ([], Course(""), None),
    ],
)
def test_only_what_is_new_is_told_and_no_status_takes_another_back(
    callbacks: list[str], known: Course, course: Course | None
) -> None:
    async def work(courses: Courses) -> Course | None:
        for callback in callbacks:
            await courses.take(status(callback))
        return await courses.changed("CA1", known, 0.01)

    assert told(work) == course


def test_who_waits_is_told_at_once_and_only_of_their_call() -> None:
    async def work(courses: Courses) -> Course | None:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(courses.changed("CA1", Course("ringing"), 60))
            await asyncio.sleep(0)
            await courses.take(status("completed", "CA2"))
            await courses.take(status("in-progress"))
        return waiting.result()

    assert told(work) == Course("in-progress")


def test_a_server_that_stops_lets_go_of_who_waits() -> None:
    async def work(courses: Courses) -> Course | None:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(courses.changed("CA1", Course("ringing"), 600))
            await asyncio.sleep(0)
            await courses.close()
        return waiting.result() or await courses.changed("CA1", Course("ringing"), 600)

    assert told(work) is None


def test_who_answered_and_how_long_it_took_are_told_too() -> None:
    async def work(courses: Courses) -> Course | None:
        await courses.take({"CallSid": "CA1", "AnsweredBy": "human"})
        early = await courses.changed("CA1", Course("in-progress"), 0.01)
        assert early == Course("in-progress", "human")
        await courses.take(status("completed", CallDuration="7"))
        return await courses.changed("CA1", early, 0.01)

    assert told(work) == Course("completed", "human", 7)


def test_that_the_model_failed_is_told_with_the_end_and_stays() -> None:
    async def work(courses: Courses) -> Course | None:
        await courses.take(status("completed"), model_failed=True)
        await courses.take(status("completed", CallDuration="7"))
        return await courses.changed("CA1", Course("in-progress"), 0.01)

    assert told(work) == Course("completed", seconds=7, model_failed=True)


def test_what_twilio_says_of_a_call_is_joined_with_what_only_we_know() -> None:
    asked = Course("completed", "human", 9)

    async def work(courses: Courses) -> Course | None:
        assert courses.joined("CA1", asked) == asked
        await courses.take(status("completed"), model_failed=True)
        return courses.joined("CA1", asked)

    assert told(work) == Course("completed", "human", 9, model_failed=True)


def test_calls_that_came_in_and_old_ones_are_not_kept() -> None:
    async def work(courses: Courses) -> Course | None:
        await courses.take(status("completed", "CA1"))
        await courses.take(status("ringing", "CA2", Direction="inbound"))
        await courses.take(status("ringing", "", CallDuration="x"))
        assert await courses.changed("CA1", Course(""), 0.01) is not None
        assert await courses.changed("CA2", Course(""), 0.01) is None
        await courses.take(status("ringing", "CA3", CallDuration="x"))
        await courses.take(status("ringing", "CA4"))
        return await courses.changed("CA1", Course(""), 0.01)

    assert told(work, most=2) is None
