"""The connections of whoever has not shown yet who they are: so many at once, and each for a short time.

A connection comes here when it is made, and leaves when its stream was admitted or it is gone. Before its request was
read nobody can tell Twilio's from a stranger's; beyond the limit the oldest goes, for Twilio's are read within
milliseconds. It must not know any protocol.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from voice_agent.live.admission import Refusal

MOST = 500
"""Connections. A process usually has 1,024 descriptors, and a call needs four of them."""

REQUEST_SECONDS = 5.0
"""From a connection, or from the last answer on it, to a whole request."""

ANSWER_SECONDS = 30.0
"""From a request to its answer's end, whoever does not read it. Twilio gives a webhook up after 15 s; a stream has its
own, shorter limit until `start`."""


class Connection(Protocol):
    """What is needed of a transport."""

    def abort(self) -> None:
        """Drop it at once."""


class Doorstep:
    """One for a server."""

    def __init__(
        self,
        turned_out: Callable[[Refusal], None],
        *,
        most: int = MOST,
        request_seconds: float = REQUEST_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """`turned_out` is told of each connection that had to go."""
        self.turned_out = turned_out
        self._most = most
        self._request_seconds = request_seconds
        self._answer_seconds = answer_seconds
        self._standing: OrderedDict[Connection, asyncio.TimerHandle] = OrderedDict()

    def __len__(self) -> int:
        return len(self._standing)

    def wait_for_request(self, connection: Connection) -> None:
        """A connection was made, or has had an answer and may ask again."""
        self._stand(connection, self._request_seconds, Refusal.NO_REQUEST)

    def wait_for_answer(self, connection: Connection) -> None:
        """Its request has come and is being answered."""
        self._stand(connection, self._answer_seconds, Refusal.ANSWER_NOT_READ)

    def leave(self, connection: Connection) -> None:
        """It is gone, or was let in."""
        timer = self._standing.pop(connection, None)
        if timer is not None:
            timer.cancel()

    def _stand(self, connection: Connection, seconds: float, otherwise: Refusal) -> None:
        self.leave(connection)
        if len(self._standing) >= self._most:
            self._turn_out(next(iter(self._standing)), Refusal.CROWD)
        timer = asyncio.get_running_loop().call_later(seconds, self._turn_out, connection, otherwise)
        self._standing[connection] = timer

    def _turn_out(self, connection: Connection, why: Refusal) -> None:
        self.leave(connection)
        connection.abort()
        self.turned_out(why)
