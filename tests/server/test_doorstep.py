import asyncio

from voice_agent.live.admission import Refusal
from voice_agent.server.doorstep import Doorstep


class FakeConnection:
    def __init__(self) -> None:
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


def test_who_asks_nothing_is_closed_and_who_asks_in_time_is_not() -> None:
    told: list[Refusal] = []

    async def main() -> tuple[FakeConnection, FakeConnection]:
        doorstep = Doorstep(told.append, request_seconds=0.01, answer_seconds=60)
        silent, asking = FakeConnection(), FakeConnection()
        doorstep.wait_for_request(silent)
        doorstep.wait_for_request(asking)
        doorstep.wait_for_answer(asking)
        await asyncio.sleep(0.02)
        assert len(doorstep) == 1
        doorstep.leave(asking)
        return silent, asking

    silent, asking = asyncio.run(main())

    assert (silent.aborted, asking.aborted) == (True, False)
    assert told == [Refusal.NO_REQUEST]


def test_an_answer_that_is_not_read_has_its_limit_too() -> None:
    told: list[Refusal] = []

    async def main() -> FakeConnection:
        doorstep = Doorstep(told.append, answer_seconds=0.01)
        slow = FakeConnection()
        doorstep.wait_for_answer(slow)
        await asyncio.sleep(0.02)
        return slow

    assert asyncio.run(main()).aborted
    assert told == [Refusal.ANSWER_NOT_READ]


def test_of_too_many_the_oldest_goes_and_who_was_let_in_stays() -> None:
    told: list[Refusal] = []

    async def main() -> list[bool]:
        doorstep = Doorstep(told.append, most=3)
        connections = [FakeConnection() for _ in range(6)]
        doorstep.wait_for_request(connections[0])
        doorstep.leave(connections[0])
        for connection in connections[1:]:
            doorstep.wait_for_request(connection)
        assert len(doorstep) == 3
        return [connection.aborted for connection in connections]

    assert asyncio.run(main()) == [False, True, True, False, False, False]
    assert told == [Refusal.CROWD] * 2


def test_who_leaves_twice_or_was_never_there_is_no_fault() -> None:
    told: list[Refusal] = []

    async def main() -> int:
        doorstep = Doorstep(told.append)
        connection = FakeConnection()
        doorstep.leave(connection)
        doorstep.wait_for_request(connection)
        doorstep.leave(connection)
        doorstep.leave(connection)
        return len(doorstep)

    assert asyncio.run(main()) == 0
    assert told == []
