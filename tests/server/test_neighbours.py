import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager

import pytest

from voice_agent.live.switchboard import Seat
from voice_agent.server.neighbours import LONGEST, Neighbours, Office


@asynccontextmanager
async def workers(count: int) -> AsyncIterator[list[Neighbours]]:
    with closing(Office(count)) as office:
        found = [Neighbours(office, number) for number in range(count)]
        for each in found:
            each.open()
        try:
            async with asyncio.timeout(60):
                yield found
        finally:
            for each in found:
                each.close()


def test_all_others_are_asked_and_answer_by_their_numbers() -> None:
    async def main() -> dict[int, bytes]:
        async with workers(3) as (first, second, third):
            second.answers["name"] = lambda about: f"second, {about}".encode()
            third.answers["name"] = lambda _: b"third"
            return await first.ask("name", "please")

    assert asyncio.run(main()) == {1: b"second, please", 2: b"third"}


def test_what_nobody_knows_is_answered_with_nothing() -> None:
    async def main() -> dict[int, bytes]:
        async with workers(2) as (first, _):
            return await first.ask("what?")

    assert asyncio.run(main()) == {1: b""}


def test_whoever_is_gone_or_does_not_answer_is_not_waited_for_long() -> None:
    async def main() -> list[dict[int, bytes]]:
        async with workers(3) as (first, second, third):
            second.seat.leave()
            third.answers["name"] = lambda _: bytes(LONGEST + 1)  # too long for a message
            return [await first.ask("name", seconds=0.1)]

    assert asyncio.run(main()) == [{}]


def test_questions_at_once_get_each_its_own_answers() -> None:
    async def main() -> list[dict[int, bytes]]:
        async with workers(2) as (first, second):
            for name in "abc":
                second.answers[name] = lambda about: about.encode()
            return await asyncio.gather(*(first.ask(name, name) for name in "abc"))

    assert asyncio.run(main()) == [{1: b"a"}, {1: b"b"}, {1: b"c"}]


def test_a_connection_goes_on_with_whoever_it_is_given_to() -> None:
    async def main() -> tuple[bytes, str, bytes]:
        taken: asyncio.Queue[tuple[socket.socket, bytes, str]] = asyncio.Queue()
        async with workers(2) as (first, second):
            second.take = lambda connection, request, offered: taken.put_nowait((connection, request, offered))
            ours, theirs = socket.socketpair()
            with ours, theirs:
                assert await first.give(1, theirs.fileno(), b"GET /", "CA1")
                theirs.close()
                connection, request, offered = await taken.get()
                with connection:
                    connection.sendall(b"hello")
                return request, offered, ours.recv(5)

    assert asyncio.run(main()) == (b"GET /", "CA1", b"hello")


def test_a_connection_that_ends_while_there_is_no_room_is_not_taken_for_the_next_of_its_number() -> None:
    async def main() -> bytes:
        taken: asyncio.Queue[tuple[socket.socket, bytes]] = asyncio.Queue()
        async with workers(2) as (first, second):
            second.take = lambda connection, request, _: taken.put_nowait((connection, request))
            ours, theirs = socket.socketpair()
            other, next_one = socket.socketpair()
            with ours, theirs, other, next_one:
                while first.give_at_once(1, theirs.fileno(), bytes(5000)):
                    pass
                giving = asyncio.ensure_future(first.give(1, theirs.fileno(), b"GET /", ""))
                await asyncio.sleep(0)
                os.dup2(next_one.fileno(), theirs.fileno())
                assert await giving
                while (got := await taken.get())[1] != b"GET /":
                    got[0].close()
                with got[0] as connection:
                    connection.sendall(b"hello")
                return ours.recv(5, socket.MSG_DONTWAIT)

    assert asyncio.run(main()) == b"hello"


@contextmanager
def no_further_files() -> Iterator[None]:
    """Let nothing more be opened in this process."""
    free = os.dup(0)
    os.close(free)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_connection_for_which_there_is_no_file_left_is_told_and_the_next_one_is_taken(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> list[bytes]:
        taken: list[bytes] = []

        def take(connection: socket.socket, request: bytes, _: str) -> None:
            connection.close()
            taken.append(request)

        async with workers(2) as (first, second):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                second.take = take
                first.seat.tell(1, 0)
                assert first.seat.offer(100) == 1
                with no_further_files():
                    await first.give(1, theirs.fileno(), b"lost", "CA1")
                    await first.ask("nothing")  # answered behind it
                assert first.seat.emptiest(100) == 1  # it is not counted any more
                await first.give(1, theirs.fileno(), b"taken", "")
                await first.ask("nothing")
        return taken

    assert asyncio.run(main()) == [b"taken"]
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "a connection that another worker gave is lost"
    ]


def test_what_a_dead_worker_has_not_read_goes_to_another() -> None:
    async def main() -> tuple[bytes, bytes]:
        with closing(Office(2)) as office:
            first = Neighbours(office, 0)
            taken: asyncio.Queue[tuple[socket.socket, bytes]] = asyncio.Queue()
            first.take = lambda connection, request, _: taken.put_nowait((connection, request))
            first.open()
            Seat(office.board, 1).sit_down()
            ours, theirs = socket.socketpair()
            with ours, theirs:
                assert await first.give(1, theirs.fileno(), b"GET /", "")
                first.tell("something", "")
                theirs.close()
                office.bury(1)
                async with asyncio.timeout(60):
                    connection, request = await taken.get()
                with connection:
                    connection.sendall(b"hello")
                first.close()
                return request, ours.recv(5)

    assert asyncio.run(main()) == (b"GET /", b"hello")


def test_what_the_only_worker_has_not_read_waits_for_the_next_in_its_place() -> None:
    async def main() -> bytes:
        with closing(Office(1)) as office:
            first = Neighbours(office, 0)
            first.seat.sit_down()
            ours, theirs = socket.socketpair()
            taken: asyncio.Queue[bytes] = asyncio.Queue()
            with ours, theirs:
                assert await first.give(0, theirs.fileno(), b"GET /", "")
                office.bury(0)
                following = Neighbours(office, 0)

                def take(connection: socket.socket, request: bytes, _: str) -> None:
                    connection.close()
                    taken.put_nowait(request)

                following.take = take
                following.open()
                async with asyncio.timeout(60):
                    request = await taken.get()
                following.close()
                return request

    assert asyncio.run(main()) == b"GET /"


def test_a_connection_is_not_given_to_one_who_is_gone_or_whose_box_is_full() -> None:
    async def main() -> list[bool]:
        async with workers(2) as (first, second):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                # Nobody reads while this goes on.
                full = [first.give_at_once(1, theirs.fileno(), bytes(LONGEST // 2)) for _ in range(20)]
                second.seat.leave()
                return [full[0], full[-1], await first.give(1, theirs.fileno(), b"", "")]

    assert asyncio.run(main()) == [True, False, False]
