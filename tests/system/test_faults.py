"""Two hundred calls through real sockets, a fault in each but every fifth; what is left of them. Fewer: CALLS=50."""

import asyncio
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from tests.support.tiny_realtime import serving
from tests.support.tiny_twilio import ACCOUNT_SID, TOKEN
from tests.system.faults import AGENT, ALL, FATAL, PHONE, REST, TOOLS, FaultyModel, break_phone, faulty_rest
from tests.system.left_behind import CountedServer, Left
from tests.system.reliability import SENTENCE_BYTES, readable, rows_of_sids
from voice_agent.emulator.twilio import EmulatedTwilio
from voice_agent.emulator.twilio.call import EmulatedCall
from voice_agent.store.database import FILE_NAME

CALLS = int(os.environ.get("CALLS", "200"))

AT_ONCE = int(os.environ.get("AT_ONCE", "20"))

OWED_S = 3.0

TURN_S = 10.0
"""Until the model is asked, after a key."""

ENDS_S = 20.0
"""Until a call has ended that the agent hangs up, or that has no model any more."""

WARM = 20
"""Calls before, none of which counts: what the first ones open stays open."""

HEALTHY = 5
"""One of so many calls has no fault."""


class Course(msgspec.Struct):
    """What came of one call."""

    fault: str
    call: EmulatedCall
    silent_s: float = 0.0
    """The longest that it was owed sound and heard none."""
    answered: bool = False
    """The caller was, after the fault; or the call ended, where it had to."""


class Caller:
    """Who waits for an answer, and notes how long nothing at all is heard."""

    def __init__(self, course: Course, asked: Callable[[], float]) -> None:
        """`asked`: when the model was asked for the last answer; a key may be the first of several."""
        self._asked = asked
        self._course = course
        self._call = course.call

    async def ask(self, within_s: float) -> bool:
        """Press a key and wait for a sentence."""
        said = self._sentences()
        before = self._asked()
        self._call.press("5")
        async with asyncio.timeout(TURN_S):
            while self._asked() == before and not self._call.over:  # noqa: ASYNC110 - of twenty of them
                await asyncio.sleep(0.02)
        answered = await self.listen(lambda: self._sentences() > said, within_s)
        await self._call.agent_silent(500, 5)
        return answered

    async def listen(self, so: Callable[[], bool], within_s: float) -> bool:
        """Wait until something is so, while sound is owed."""
        clock = asyncio.get_running_loop().time
        began = heard = clock()
        while not so():
            await asyncio.sleep(0.02)
            hearing = self._call.hearing
            if self._call.over or clock() - began > within_s:
                return so()
            if hearing is not None and hearing.last_sound_ms is not None and hearing.silent_ms < 60:
                heard = clock()
            self._course.silent_s = max(self._course.silent_s, clock() - heard)
        return True

    def _sentences(self) -> int:
        return sum(byte in (0x10, 0x90) for byte in self._call.agent_track) // (SENTENCE_BYTES // 2)


async def hold(course: Course, number: str, model: FaultyModel, rest: dict[str, str]) -> None:
    """Hold one call: a question, the fault, and another question."""
    call, fault, caller = course.call, course.fault, Caller(course, lambda: model.asked_at.get(number, 0.0))
    await call.agent_spoke(300, 60)
    await call.agent_silent(500, 5)
    if fault in REST:
        rest[call.sid] = fault
    if fault in PHONE:
        call.press("5")
        await call.agent_spoke(200, 8)
        assert call._stream is not None
        await break_phone(call, call._stream.socket, fault)
        await asyncio.sleep(0.3)
        await caller.listen(lambda: call.hearing is not None and call.hearing.spoken_ms > 0, 10)
    elif fault in REST:
        model.faults[number] = fault
        model.armed.add(number)
        call.press("5")
    elif fault:
        model.faults[number] = fault
        model.armed.add(number)
        await caller.ask(12)
    if fault in (*REST, *FATAL):
        # Nothing is owed to who is hung up on.
        course.answered = await call.wait_until(lambda: False, ENDS_S) or call.over
    else:
        course.answered = await caller.ask(10)
        call.hang_up()
    await call.ended()


def test_a_fault_in_each_call_costs_no_call_and_leaves_nothing(tmp_path: Path, tell: Callable[[str], None]) -> None:
    (tmp_path / "faulty_tools.py").write_text(TOOLS)
    courses: list[Course] = []
    rest: dict[str, str] = {}

    async def callers(url: str, twilio: EmulatedTwilio, model: FaultyModel, numbers: Iterator[int]) -> None:
        for n in numbers:
            fault = "" if n % HEALTHY == 0 else ALL[(n - n // HEALTHY - 1) % len(ALL)]
            number = f"+1425{n:07}"
            course = Course(fault, twilio.place_call(f"{url}/twilio/voice", number, "+14255550100"))
            courses.append(course)
            await hold(course, number, model, rest)

    async def all_of(numbers: Iterator[int], url: str, twilio: EmulatedTwilio, model: FaultyModel) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(callers(url, twilio, model, numbers))
                await asyncio.sleep(0.1)

    async def main() -> tuple[Left, Left, FaultyModel]:
        async with (
            serving(FaultyModel()) as model,
            EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio,
            faulty_rest(twilio.base_url, rest) as api,
        ):
            with CountedServer(
                tmp_path, agent=AGENT, REALTIME_URL=model.url, TWILIO_ACCOUNT_SID=ACCOUNT_SID, TWILIO_API_BASE_URL=api
            ) as server:
                await all_of(iter([n * HEALTHY for n in range(WARM)]), server.url, twilio, model)
                courses.clear()
                before = await server.look()
                await all_of(iter(range(WARM * HEALTHY, WARM * HEALTHY + CALLS)), server.url, twilio, model)
                after = await server.look()
                assert model.open == 0, f"{model.open} sessions are left"
                await asyncio.to_thread(server.stop)
        return before, after, model

    before, after, model = asyncio.run(main())
    rows = asyncio.run(rows_of_sids([course.call.sid for course in courses], tmp_path / "data" / FILE_NAME))
    lost = [course.fault for course in courses if not course.answered]
    dead = {course.fault: round(course.silent_s, 1) for course in courses if course.silent_s > OWED_S}
    unwritten = [course.fault for course in courses if len(rows[course.call.sid]) < 1]
    unread = sum(not readable(row, None) for found in rows.values() for row in found)
    hurt = sum(len(course.call.streams) != 1 or not course.answered for course in courses if not course.fault)
    faulty = sum(bool(course.fault) for course in courses)
    longest = max(course.silent_s for course in courses)
    tell(
        f"{faulty} calls with one of {len(ALL)} faults each, {CALLS - faulty} without, {AT_ONCE} at once: "
        f"{len(lost)} lost ({', '.join(lost)}), {len(dead)} in dead air ({dead}; {longest:.1f} s at most), "
        f"{model.wrong_truncations} wrong truncations, {len(unwritten)} records lost, {unread} recordings unreadable, "
        f"{hurt} calls without a fault hurt"
    )
    tell(f"before: {before}")
    tell(f"after:  {after}")
    assert (lost, dead, unwritten, unread, hurt, model.wrong_truncations) == ([], {}, [], 0, 0, 0)
    assert after.tasks == before.tasks
    # Connections to the REST API are kept for the next request.
    assert after.descriptors <= before.descriptors + len(REST)
