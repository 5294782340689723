"""An emulated Twilio account: places calls and answers its REST API, until its block is left.

It owns every task of its calls. It must not know what a call does.
"""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import uvicorn

from voice_agent.emulator.twilio.call import EmulatedCall, Moment, Terms
from voice_agent.emulator.twilio.callee import Callee
from voice_agent.emulator.twilio.conference import Conference
from voice_agent.emulator.twilio.customer import STATUS_EVENTS, Order, Post
from voice_agent.emulator.twilio.documents import Address, Document
from voice_agent.emulator.twilio.numbers import IncomingNumber
from voice_agent.emulator.twilio.outbound import Callees, read_order
from voice_agent.emulator.twilio.rest import Holdings, rest_api
from voice_agent.errors import CommandError
from voice_agent.sim.carrier import Switches
from voice_agent.wire.twiml import Connect


class EmulatedTwilio:
    """An account, as an async context manager. Leaving it hangs all calls up and waits for their last callbacks."""

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        *,
        switches: Switches | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        numbers: Sequence[IncomingNumber] = (),
        callees: Callees = lambda _: Callee(),
        post: Post | None = None,
        on_call: Callable[[EmulatedCall], None] | None = None,
    ) -> None:
        """`port` is the REST API's, 0 a free one.

        `numbers`: those that the account has bought. `callees`: who is at a number or SIP address that the REST API
        calls, which `on_call` is told of, or that a `<Dial>` calls. `post`: how callbacks travel.
        """
        self.holdings = Holdings()
        """All that the REST API shows."""
        for number in numbers:
            self.holdings.numbers[number.sid] = number
        self._terms = Terms(
            account_sid=account_sid,
            auth_token=auth_token,
            switches=switches or Switches(),
            callees=callees,
            post=post or Post(),
        )
        self._callees = callees
        self._on_call = on_call
        self._host = host
        self._port = port
        self._stack = AsyncExitStack()
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def calls(self) -> dict[str, EmulatedCall]:
        """All calls ever placed, by CallSid, in order."""
        return self.holdings.calls

    @property
    def conferences(self) -> dict[str, list[Conference]]:
        """All conferences there ever were, by name."""
        return self._terms.conferences

    @property
    def base_url(self) -> str:
        """Where the REST API is: `TWILIO_API_BASE_URL` for whoever shall use it."""
        return f"http://{self._host}:{self._port}"

    async def __aenter__(self) -> Self:
        """Open the REST API; raises `CommandError` if the port is taken."""
        listening = _listen(self._host, self._port)
        self._port = listening.getsockname()[1]
        self._stack.callback(listening.close)  # a server that is cancelled before it serves does not
        self._tasks = await self._stack.enter_async_context(asyncio.TaskGroup())
        app = rest_api(self._terms.account_sid, self._terms.auth_token, self.holdings, self._create)
        server = _Server(uvicorn.Config(app, lifespan="off", ws="none", log_config=None, access_log=False))
        # It listens already, so nobody has to wait until it serves.
        self._tasks.create_task(_serve(server, listening))
        self._stack.callback(setattr, server, "should_exit", True)
        self._stack.push_async_exit(self._finish_calls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Hang up, wait for the calls to end and their callbacks to be told, close the REST API."""
        try:
            await self._stack.__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            if group.exceptions != (error,):
                raise
            # The block's own exception goes on as it is.

    async def _finish_calls(self, _: object, error: BaseException | None, __: object) -> None:
        """Hang up; after an exception in the block the tasks are cancelled instead."""
        if error is None:
            for call in self.calls.values():
                call.hang_up()
            for call in self.calls.values():
                await call.ended()

    def place_call(
        self,
        to_url: str,
        from_: str,
        to: str,
        *,
        fallback_url: str = "",
        status_callback: str = "",
        status_events: Collection[str] = STATUS_EVENTS,
        on_moment: Callable[[Moment], None] | None = None,
    ) -> EmulatedCall:
        """Call a number whose voice URL is `to_url`; `on_moment` sees the call's timeline as it grows."""
        order = Order(
            from_=from_,
            to=to,
            first=Address(to_url),
            fallback_url=fallback_url,
            status_callback=status_callback,
            status_events=status_events,
        )
        return self._place(order, on_moment)

    def buy(self, phone_number: str) -> None:
        """Have a number, if it is one and the account does not have it yet; it leads nowhere of ours."""
        owned = {number.phone_number for number in self.holdings.numbers.values()}
        if phone_number.startswith("+") and phone_number not in owned:
            number = IncomingNumber(phone_number=phone_number)
            self.holdings.numbers[number.sid] = number

    def ring(self, number: str, from_: str, *, on_moment: Callable[[Moment], None] | None = None) -> EmulatedCall:
        """Call one of the account's numbers, which leads to where it points now."""
        called = next(one for one in self.holdings.numbers.values() if one.phone_number == number)
        return self.place_call(
            called.voice_url,
            from_,
            number,
            fallback_url=called.voice_fallback_url,
            status_callback=called.status_callback,
            status_events=("completed",),
            on_moment=on_moment,
        )

    def place_stream(
        self,
        stream_url: str,
        from_: str,
        to: str,
        parameters: dict[str, str] | None = None,
        *,
        on_moment: Callable[[Moment], None] | None = None,
    ) -> EmulatedCall:
        """Call without a webhook: as if the TwiML had named this stream."""
        document = Document([Connect(url=stream_url, parameters=parameters or {})])
        return self._place(Order(from_=from_, to=to, first=document), on_moment)

    def _create(self, form: Sequence[tuple[str, str]]) -> EmulatedCall:
        """Place what the REST API asks for."""
        own = {number.phone_number for number in self.holdings.numbers.values()}
        call = self._place(read_order(form, own, self._callees), None)
        if self._on_call is not None:
            self._on_call(call)
        return call

    def _place(self, order: Order, on_moment: Callable[[Moment], None] | None) -> EmulatedCall:
        assert self._tasks is not None, "calls are placed inside the block"
        call = EmulatedCall(self._terms, order, self._tasks, on_moment)
        self.calls[call.sid] = call
        self._tasks.create_task(call.run())
        return call


class _Server(uvicorn.Server):
    """Serves until it is told to stop; signals are the process's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals alone."""
        yield


async def _serve(server: _Server, listening: socket.socket) -> None:
    try:
        await server.serve([listening])
    except asyncio.CancelledError:
        server.force_exit = True
        await server.shutdown([listening])
        raise


def _listen(host: str, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return listening
