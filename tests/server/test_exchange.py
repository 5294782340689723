"""Requests as one worker writes them down for another; who gets which is in `test_run_workers.py`."""

import asyncio
from contextlib import closing
from typing import Any

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.server.exchange import Exchange, request_bytes
from voice_agent.server.neighbours import LONGEST, Neighbours, Office
from voice_agent.server.stream_socket import EXTENSION
from voice_agent.server.twilio import FORM_BYTES

TOKENS = st.text("abcdefghij-", min_size=1, max_size=12).map(str.encode)
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=30).map(str.encode)
HEADERS = st.lists(st.tuples(TOKENS.map(lambda name: b"x-" + name), VALUES), max_size=5)
PATHS = st.text("abc/%20._~", max_size=20).map(lambda path: b"/" + path.encode())


@given(
    st.sampled_from(["GET", "POST", "PUT"]), PATHS, st.sampled_from([b"", b"a=b&c"]), HEADERS, st.binary(max_size=99)
)
def test_a_request_is_read_again_as_it_came(
    method: str, path: bytes, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    framing = [(b"host", b"phone.example"), (b"transfer-encoding", b"chunked"), (b"expect", b"100-continue")]
    scope = {"method": method, "raw_path": path, "query_string": query, "http_version": "1.1"}

    reader = h11.Connection(h11.SERVER)
    reader.receive_data(request_bytes({**scope, "headers": [*framing, *headers]}, body))
    request, read = reader.next_event(), b""
    while isinstance(event := reader.next_event(), h11.Data):
        read += event.data

    assert isinstance(request, h11.Request)
    assert isinstance(event, h11.EndOfMessage)
    assert (request.method, request.target) == (method.encode(), path + (b"?" + query if query else b""))
    own = [each for each in request.headers if each[0] != b"content-length"]
    assert own == [(b"host", b"phone.example"), *headers]
    assert read == body


class Connection:
    """One that nobody takes away from here."""

    given, offered, descriptor = False, "", 0

    def give_away(self) -> None:
        raise AssertionError("it was given away")


@pytest.mark.parametrize("length", [FORM_BYTES + 1, LONGEST + 1])
def test_what_everybody_has_to_refuse_is_not_sent_on(length: int, caplog: pytest.LogCaptureFixture) -> None:
    body = b"CallSid=CA1&x=".ljust(length, b"x")
    read: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        del scope, send
        read.append(await receive())

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        raise AssertionError(message)

    async def main() -> None:
        with closing(Office(2)) as office:
            first, second = Neighbours(office, 0), Neighbours(office, 1)
            for each in (first, second):
                each.open()
            first.seat.tell(9, 0)  # the other one is emptier
            scope = {"type": "http", "method": "POST", "path": "/twilio/voice", "raw_path": b"/twilio/voice",
                     "query_string": b"", "headers": [], "http_version": "1.1",
                     "extensions": {EXTENSION: {"socket": Connection()}}}  # fmt: skip
            await Exchange(application, first, 100)(scope, receive, send)
            for each in (first, second):
                each.close()

    asyncio.run(main())

    assert [len(message["body"]) for message in read] == [length]
    assert caplog.records == []
