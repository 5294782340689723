"""The other workers of one `serve`: what they are asked, and connections that are given to them.

Each worker has a mailbox, a pair of sockets that the parent has made before it forked, so that nothing is lost with a
worker that it has not read. A message is a datagram. It must not know what is asked, nor who serves which request.
"""

import asyncio
import itertools
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

import msgspec

from voice_agent.live.switchboard import Seat, Switchboard

logger = logging.getLogger(__name__)

LONGEST = 200_000
"""Bytes of a message: a socket's buffer holds 212,992 usually (`net.core.wmem_max`)."""

ANSWER_S = 2.0
"""How long the others have for an answer: on a busy machine one may be late. Who dies meanwhile is not waited for."""

ROOM_S = 1.0
LOOK_S = 0.02
"""How long a mailbox that is full is waited for, and between two looks at it."""

_KIND = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM
"""Of datagrams Linux lets ten wait only."""


class _Given(msgspec.Struct, frozen=True, tag="given"):
    """A connection comes with it."""

    request: bytes
    """What was read from it."""
    offered: str
    """See `GivenSocket`."""


class _Asked(msgspec.Struct, frozen=True, tag="asked"):
    number: int
    by: int
    """-1: no answer is waited for."""
    what: str
    about: str


class _Answered(msgspec.Struct, frozen=True, tag="answered"):
    number: int
    by: int
    content: bytes


_decoder = msgspec.msgpack.Decoder(_Given | _Asked | _Answered)


class Office:
    """What the parent makes: the board and a mailbox for each worker."""

    def __init__(self, workers: int) -> None:
        self.board = Switchboard(workers)
        self.mailboxes = [socket.socketpair(socket.AF_UNIX, _KIND) for _ in range(workers)]
        for mailbox in self.mailboxes:
            for end in mailbox:
                end.setblocking(False)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * LONGEST)

    def close(self) -> None:
        """Close the mailboxes, when all workers have ended."""
        for mailbox in self.mailboxes:
            for end in mailbox:
                end.close()

    def bury(self, number: int) -> None:
        """See to the place of a worker that has died: the connections that it was given go to another one."""
        self.board.clear(number)
        heir = next((other for other in range(self.board.workers) if self.board.rows[other]["up"]), None)
        if heir is None:
            return  # the next in its place reads on
        while True:
            try:
                message, descriptors, _, _ = socket.recv_fds(self.mailboxes[number][0], LONGEST, 1)
            except OSError:
                return
            for descriptor in descriptors:
                with suppress(OSError):
                    socket.send_fds(self.mailboxes[heir][1], [message], [descriptor])
                os.close(descriptor)


class Neighbours:
    """One worker's. It answers, and takes connections, from `open` on until `close`."""

    def __init__(self, office: Office, number: int) -> None:
        """`number`: of the worker, from 0 on."""
        self.seat = Seat(office.board, number)
        self.answers: dict[str, Callable[[str], bytes]] = {}
        """What is answered to what; the argument is what it is about."""
        self.take: Callable[[socket.socket, bytes, str], None] = _nobody
        """Gets connections that others give, with what was read from them, and the call that is offered."""
        self._ours = office.mailboxes[number][0]
        self._boxes = [mailbox[1] for mailbox in office.mailboxes]
        self._numbers = itertools.count(secrets.randbits(48))
        self._waiting: dict[int, dict[int, bytes]] = {}
        self._news = asyncio.Event()

    def open(self) -> None:
        """Sit down among the others."""
        asyncio.get_running_loop().add_reader(self._ours.fileno(), self._read)
        self.seat.sit_down()

    def close(self) -> None:
        """Leave them, after what has come already."""
        self.seat.leave()
        self._read()
        asyncio.get_running_loop().remove_reader(self._ours.fileno())

    async def give(self, to: int, descriptor: int, request: bytes, offered: str) -> bool:
        """Give a connection to a worker; `False`: it cannot take it. Our own descriptor is still to be closed."""
        message = msgspec.msgpack.encode(_Given(request, offered))
        if len(message) > LONGEST:
            return False
        if self.seat.is_up(to) and self._send(to, message, [descriptor]):
            return True
        # Its peer may close it meanwhile, and its number be another connection's then.
        try:
            kept = os.dup(descriptor)
        except OSError:
            return False
        try:
            for _ in range(round(ROOM_S / LOOK_S)):
                await asyncio.sleep(LOOK_S)
                if not self.seat.is_up(to):
                    return False
                if self._send(to, message, [kept]):
                    return True
            return False
        finally:
            os.close(kept)

    def give_at_once(self, to: int, descriptor: int, request: bytes) -> bool:
        """The same without waiting."""
        return self.seat.is_up(to) and self._send(to, msgspec.msgpack.encode(_Given(request, "")), [descriptor])

    def tell(self, what: str, about: str) -> None:
        """Tell the others something."""
        for number in self._others():
            self._send(number, msgspec.msgpack.encode(_Asked(0, -1, what, about)))

    async def ask(self, what: str, about: str = "", seconds: float = ANSWER_S) -> dict[int, bytes]:
        """Ask the others, and give what they answer in time, by their numbers."""
        number, others = next(self._numbers), self._others()
        message = msgspec.msgpack.encode(_Asked(number, self.seat.number, what, about))
        asked = {other for other in others if self._send(other, message)}
        answers = self._waiting[number] = {}
        try:
            async with asyncio.timeout(seconds):
                while any(self.seat.is_up(other) for other in asked - answers.keys()):
                    self._news.clear()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_S):
                            await self._news.wait()
        except TimeoutError:
            missing = ", ".join(str(other + 1) for other in sorted(asked - answers.keys()))
            logger.warning("worker %s does not answer (%s)", missing, what)
        finally:
            del self._waiting[number]
        return answers

    def _others(self) -> list[int]:
        seat = self.seat
        return [number for number in range(seat.workers) if number != seat.number and seat.is_up(number)]

    def _send(self, to: int, message: bytes, descriptors: list[int] | None = None) -> bool:
        if len(message) > LONGEST:
            logger.error("a message of %d bytes is too long for another worker", len(message))
            return False
        try:
            socket.send_fds(self._boxes[to], [message], descriptors or [])
        except OSError:
            return False
        return True

    def _read(self) -> None:
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._ours, LONGEST, 1)
            except OSError:
                return
            if not data:
                return
            message = _decoder.decode(data)
            if isinstance(message, _Given) and not descriptors:
                logger.error("a connection that another worker gave is lost: too many open files here (ulimit -n)")
                if message.offered:
                    self.seat.withdraw(self.seat.number)
            elif isinstance(message, _Given):
                self.take(socket.socket(fileno=descriptors[0]), message.request, message.offered)
            elif isinstance(message, _Answered):
                if message.number in self._waiting:
                    self._waiting[message.number][message.by] = message.content
                    self._news.set()
            else:
                self._answer(message)

    def _answer(self, asked: _Asked) -> None:
        answer = self.answers.get(asked.what)
        content = b"" if answer is None else answer(asked.about)
        if asked.by >= 0:
            answered = _Answered(asked.number, self.seat.number, content)
            self._send(asked.by, msgspec.msgpack.encode(answered))


def _nobody(connection: socket.socket, request: bytes, offered: str) -> None:
    """Nothing is served yet."""
    del request, offered
    connection.close()
