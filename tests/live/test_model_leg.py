import asyncio
import json
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.utils import accept_key

from tests.live.test_mcp_secrets import SECRETS, TOKEN
from tests.support.tiny_realtime import TinyRealtime, tiny_realtime
from voice_agent.call.events import ModelClosed, ModelFault, ModelOpened, ModelRefused
from voice_agent.live.mcp_secrets import McpSecrets
from voice_agent.live.model_leg import OUTBOX_LIMIT, ModelLeg, tls
from voice_agent.wire.bridge import Input
from voice_agent.wire.endpoint import Endpoint
from voice_agent.wire.texts import ModelText

Script = Callable[[ServerConnection], Awaitable[None]]


async def run_against(
    script: Script, leg_script: Callable[[ModelLeg], None] | None = None, secrets: McpSecrets | None = None
) -> list[Input]:
    """Run a leg against a server that does what `script` says; give what was fed."""
    fed: list[Input] = []
    async with asyncio.timeout(30), serve(script, "127.0.0.1", 0, compression=None, close_timeout=0.1) as server:
        leg = ModelLeg(Endpoint(f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/", {}), secrets=secrets)
        if leg_script is not None:
            leg_script(leg)
        await leg.run(fed.append)
    return fed


async def leave(writer: asyncio.StreamWriter, left: asyncio.Event) -> None:
    """Close a connection to its end, so that nothing of it outlives the test."""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    left.set()


def test_a_session_opens_with_its_headers_talks_and_closes() -> None:
    async def main() -> tuple[list[Input], TinyRealtime]:
        fed: list[Input] = []
        async with asyncio.timeout(30), tiny_realtime() as model:
            leg = ModelLeg(Endpoint(model.url, {"api-key": "secret"}, "azure"))

            def feed(received: Input) -> None:
                fed.append(received)
                if isinstance(received, ModelText) and "session.updated" in received.text:
                    leg.close("enough")

            leg.send(json.dumps({"type": "session.update", "session": {"voice": "marin"}}))
            assert leg.waiting == 1
            await leg.run(feed)
            await model.closed.wait()
        return fed, model

    fed, model = asyncio.run(main())

    assert fed[0] == ModelOpened()
    assert [json.loads(text.text)["type"] for text in fed[1:3] if isinstance(text, ModelText)] == [
        "session.created",
        "session.updated",
    ]
    assert fed[3:] == [ModelClosed(1000, "close 1000: closed in order")]
    assert model.headers[0]["api-key"] == "secret"
    assert "Sec-WebSocket-Extensions" not in model.headers[0]


@pytest.mark.parametrize("status", [HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY])
def test_a_refused_upgrade_says_what_to_check_and_not_the_key(status: HTTPStatus) -> None:
    async def main() -> list[Input]:
        fed: list[Input] = []

        def refuse(connection: ServerConnection, request: Request) -> Response:
            return connection.respond(status, '{"error": {"message": "no good: sk-1234"}}')

        async def never(connection: ServerConnection) -> None:
            raise AssertionError("it was refused")

        async with asyncio.timeout(30), serve(never, "127.0.0.1", 0, process_request=refuse) as server:
            url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
            await ModelLeg(Endpoint(url, {"Authorization": "Bearer sk-1234"}, "openai")).run(fed.append)
        return fed

    (refused,) = asyncio.run(main())

    assert isinstance(refused, ModelRefused)
    assert refused.status == status
    assert "no good" in refused.detail
    assert "sk-1234" not in refused.detail
    assert "\n" not in refused.detail


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("", None), ("Fri, 31 Dec 2027 23:59:59 GMT", None), ("-1", None), ("٣", None)]
)
def test_how_long_the_endpoint_wants_to_be_left_alone_is_told(header: str, seconds: int | None) -> None:
    async def main() -> list[Input]:
        fed: list[Input] = []

        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(
                f"HTTP/1.1 429 Too Many Requests\r\nRetry-After: {header}\r\nContent-Length: 0\r\n\r\n".encode()
            )
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        async with asyncio.timeout(30), server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            await ModelLeg(Endpoint(url, {})).run(fed.append)
        return fed

    (refused,) = asyncio.run(main())

    assert isinstance(refused, ModelRefused)
    assert (refused.status, refused.retry_after_s) == (429, seconds)


def test_a_redirect_is_refused_for_the_key_belongs_to_one_host() -> None:
    async def main() -> list[Input]:
        fed: list[Input] = []

        def redirect(connection: ServerConnection, request: Request) -> Response:
            response = connection.respond(HTTPStatus.TEMPORARY_REDIRECT, "")
            response.headers["Location"] = "ws://127.0.0.1:1/"
            return response

        async def never(connection: ServerConnection) -> None:
            raise AssertionError("it was redirected")

        async with asyncio.timeout(30), serve(never, "127.0.0.1", 0, process_request=redirect) as server:
            url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
            await ModelLeg(Endpoint(url, {"api-key": "secret"}, "azure")).run(fed.append)
        return fed

    (refused,) = asyncio.run(main())

    assert isinstance(refused, ModelRefused)
    assert refused.status == 307


def test_an_endpoint_that_is_not_there_is_a_refusal_without_status() -> None:
    async def main() -> list[Input]:
        fed: list[Input] = []
        async with asyncio.timeout(30):
            with socket.create_server(("127.0.0.1", 0)) as unused:
                port = unused.getsockname()[1]
            await ModelLeg(Endpoint(f"ws://127.0.0.1:{port}/", {})).run(fed.append)
        return fed

    (refused,) = asyncio.run(main())

    assert isinstance(refused, ModelRefused)
    assert refused.status is None
    assert "cannot reach" in refused.detail


@pytest.mark.parametrize(
    ("proxy", "says"),
    [
        ("socks5h://anna:hunter2@127.0.0.1:9", "a SOCKS proxy requires python-socks"),
        ("ftp://anna:hunter2@127.0.0.1:9", "the environment's proxy is not valid: scheme ftp isn't supported"),
        ("http://anna:hunter2@[::1", "Invalid IPv6 URL"),
    ],
)
def test_a_proxy_of_the_environment_that_cannot_be_used_is_a_refusal_without_its_password(
    monkeypatch: pytest.MonkeyPatch, proxy: str, says: str
) -> None:
    monkeypatch.setenv("https_proxy", proxy)

    async def main() -> list[Input]:
        fed: list[Input] = []
        async with asyncio.timeout(30):
            await ModelLeg(Endpoint("wss://example.invalid/v1/realtime", {})).run(fed.append)
        return fed

    (refused,) = asyncio.run(main())

    assert isinstance(refused, ModelRefused)
    assert says in refused.detail
    assert "hunter2" not in refused.detail


def test_an_endpoint_that_speaks_no_websocket_is_a_refusal() -> None:
    async def main() -> list[Input]:
        fed: list[Input] = []
        left = asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"220 smtp.example ready\r\n\r\n")
            await leave(writer, left)

        async with asyncio.timeout(30), await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            await ModelLeg(Endpoint(f"ws://127.0.0.1:{port}/", {})).run(fed.append)
            await left.wait()
        return fed

    (refused,) = asyncio.run(main())

    assert isinstance(refused, ModelRefused)
    assert refused.status is None


def test_a_close_tells_its_code_and_what_it_means() -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.close(4000, "beta_api_shape_disabled")

    fed = asyncio.run(run_against(script))

    assert isinstance(fed[-1], ModelClosed)
    assert fed[-1].code == 4000
    assert "beta_api_shape_disabled" in fed[-1].reason


def test_a_close_that_quotes_the_secret_of_an_mcp_server_does_not_tell_it() -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.close(1008, f"no MCP server takes {TOKEN}")

    closed = asyncio.run(run_against(script, secrets=SECRETS))[-1]

    assert isinstance(closed, ModelClosed)
    assert closed.reason.endswith("(no MCP server takes ${TOKEN})")


def test_a_refusal_that_quotes_the_secret_of_an_mcp_server_does_not_tell_it() -> None:
    async def main() -> list[Input]:
        fed: list[Input] = []

        async def never(connection: ServerConnection) -> None:
            raise AssertionError("it is refused")

        def refuse(connection: ServerConnection, request: Request) -> Response:
            return connection.respond(HTTPStatus.BAD_REQUEST, f"your former session had {TOKEN}")

        async with asyncio.timeout(30), serve(never, "127.0.0.1", 0, process_request=refuse) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            await ModelLeg(Endpoint(f"ws://127.0.0.1:{port}/", {}), secrets=SECRETS).run(fed.append)
        return fed

    (refused,) = asyncio.run(main())

    assert isinstance(refused, ModelRefused)
    assert "your former session had ${TOKEN}" in refused.detail


def test_a_connection_that_breaks_has_no_code() -> None:
    async def script(connection: ServerConnection) -> None:
        connection.transport.abort()

    fed = asyncio.run(run_against(script))

    assert fed[0] == ModelOpened()
    assert isinstance(fed[-1], ModelClosed)
    assert fed[-1].code is None


def test_a_binary_message_is_a_fault() -> None:
    async def script(connection: ServerConnection) -> None:
        await connection.send(b"\x00")

    fed = asyncio.run(run_against(script))

    assert fed[1] == ModelFault("a binary message")


def test_a_leg_that_is_closed_before_it_opened_ends_at_once() -> None:
    async def script(connection: ServerConnection) -> None:
        raise AssertionError("it was given up")

    fed = asyncio.run(run_against(script, lambda leg: leg.close("never mind")))

    assert fed == [ModelClosed(None, "closed here")]


def test_a_peer_that_does_not_answer_the_close_is_dropped_within_a_second() -> None:
    async def main() -> list[Input]:
        fed: list[Input] = []
        left = asyncio.Event()

        async def half_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            key = next(line.split(": ")[1] for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
            writer.write(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Accept: {accept_key(key)}\r\n\r\n".encode()
            )
            with suppress(ConnectionError):
                await reader.read()  # it says nothing any more, whatever comes
            await leave(writer, left)

        async with asyncio.timeout(30), await asyncio.start_server(half_open, "127.0.0.1", 0) as server:
            leg = ModelLeg(Endpoint(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/", {}))

            def feed(received: Input) -> None:
                fed.append(received)
                leg.close("done")

            await leg.run(feed)
            await left.wait()
        return fed

    fed = asyncio.run(main())

    assert fed[0] == ModelOpened()
    assert isinstance(fed[1], ModelClosed)
    assert fed[1].code is None


def test_only_caller_audio_is_dropped_when_the_endpoint_reads_too_slowly() -> None:
    leg = ModelLeg(Endpoint("ws://127.0.0.1:1/", {}))
    append = '{"type":"input_audio_buffer.append","audio":"AAAA"}'
    assert leg.send('{"type":"response.create"}') == 0
    for _ in range(OUTBOX_LIMIT - 1):
        assert leg.send(append) == 0

    dropped = leg.send(append)

    assert dropped == OUTBOX_LIMIT // 2
    assert leg.waiting == OUTBOX_LIMIT - OUTBOX_LIMIT // 2 + 1


def test_certificates_are_checked_and_read_once() -> None:
    assert tls().verify_mode is ssl.CERT_REQUIRED
    assert tls() is tls()
