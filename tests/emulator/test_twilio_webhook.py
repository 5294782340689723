"""One signed request: what reaches the server, and what each failure is called."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest

from tests.support.tiny_customer import TOKEN, customer
from voice_agent.emulator.twilio.webhook import ANSWER_BYTES, Answer, WebhookError, request

FIELDS = {"CallSid": "CA1", "Empty": "", "Name": "Łódź & co"}


def test_a_form_is_posted_with_a_signature_over_all_its_fields() -> None:
    async def main() -> None:
        async with customer({"/voice": (200, "text/xml; charset=iso-8859-1", "<Response/>")}) as server:
            answer = await request(f"{server.url}/voice?a=1#rc=2", FIELDS, TOKEN)

            assert answer == Answer(200, "text/xml", "<Response/>")
            (asked,) = server.asked
            assert (asked.method, asked.target, asked.signed) == ("POST", "/voice?a=1", True)
            assert asked.fields == {"a": "1", **FIELDS}

    asyncio.run(main())


@pytest.mark.parametrize(("given", "target"), [("/v", "/v?"), ("/v?a=1", "/v?a=1&")])
def test_get_carries_the_fields_in_the_signed_query(given: str, target: str) -> None:
    async def main() -> None:
        async with customer({"/v": (200, "text/xml", "x")}) as server:
            await request(server.url + given, {"CallSid": "CA1"}, TOKEN, "GET")

            (asked,) = server.asked
            assert (asked.method, asked.target, asked.signed) == ("GET", f"{target}CallSid=CA1", True)

    asyncio.run(main())


def test_an_answer_without_a_type_and_in_an_unknown_charset_is_still_an_answer() -> None:
    async def main() -> None:
        assert await raw(b"HTTP/1.1 204 x\r\n\r\n") == Answer(204, "", "")
        strange = b"HTTP/1.1 200 x\r\nContent-Type: text/xml; charset=klingon\r\n\r\nhello"
        assert await raw(strange) == Answer(200, "text/xml", "hello")
        chunked = b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        assert (await raw(chunked)).body == "hello"

    asyncio.run(main())


Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def serve(handle: Handle, scheme: str, total_seconds: float = 5) -> Answer:
    """Ask a server whose connections are handled so."""
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v"
        return await request(url, {}, TOKEN, total_seconds=total_seconds)
    finally:
        server.close()
        await server.wait_closed()


async def raw(received: bytes, total_seconds: float = 5) -> Answer:
    """Ask a server that sends these bytes, and after none at all waits."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(received)
        if not received:
            await reader.read()
        writer.close()
        await writer.wait_closed()

    return await serve(answer, "http", total_seconds)


async def nobody_there() -> Answer:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return await request(f"http://127.0.0.1:{port}/v", {}, TOKEN)


async def no_tls() -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 what?\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    return await serve(answer, "https")


async def broken_off() -> Answer:
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # No lingering: the peer sees a reset, not an end.
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return await serve(reset, "http")


@pytest.mark.parametrize(
    ("ask", "code", "says"),
    [
        (nobody_there, 11205, "connection refused: is the server running?"),
        (lambda: raw(b"", total_seconds=0.05), 11205, "did not answer within 0.05 s"),
        (lambda: raw(b"SSH-2.0 hello\r\n"), 11200, "does not answer in HTTP"),
        (lambda: raw(b"HTTP/1.1 200 x\r\n\r\n" + b"x" * ANSWER_BYTES), 11200, "does not answer in HTTP"),
        (lambda: request("wss://example.com", {}, TOKEN), 11100, "is not an http(s) address"),
        (lambda: request("http://[::1", {}, TOKEN), 11100, "is not an http(s) address"),
        (lambda: request("http:///path", {}, TOKEN), 11100, "is not an http(s) address"),
        (lambda: request("http://127.0.0.1:9/", {}, TOKEN, connect_seconds=0), 11205, "cannot be reached within 0 s"),
        (no_tls, 11220, "has no valid TLS certificate"),
        (broken_off, 11205, "broke the connection"),
    ],
)
def test_a_failure_has_twilios_number_and_one_line(ask: Callable[[], Awaitable[Answer]], code: int, says: str) -> None:
    async def main() -> None:
        async with asyncio.timeout(30):
            await ask()

    with pytest.raises(WebhookError, match=says.replace("(", "\\(").replace(")", "\\)")) as caught:
        asyncio.run(main())

    assert caught.value.code == code
    assert "\n" not in str(caught.value)
