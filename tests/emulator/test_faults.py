"""Faults over real sockets: how they are asked for, and those that are the socket's."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.fake_speech import fake_speech
from voice_agent.emulator.brain import Echo
from voice_agent.emulator.realtime import RealtimeServer, serve_realtime


def run(test: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test

    asyncio.run(bounded())


@asynccontextmanager
async def serving(of_all: str = "") -> AsyncIterator[RealtimeServer]:
    async with serve_realtime("127.0.0.1", 0, fake_speech(), Echo(), faults=of_all) as server:
        yield server


async def next_event(socket: ClientConnection) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(await socket.recv())
    return event


async def refusal(url: str, header: str = "") -> tuple[int, dict[str, Any], str | None]:
    """Open a socket that is refused; give status, error object and `Retry-After`."""
    with pytest.raises(InvalidStatus) as refused:
        async with connect(url, additional_headers={"X-Emulator-Fault": header} if header else {}):
            pass
    response = refused.value.response
    return response.status_code, json.loads(response.body or b"")["error"], response.headers.get("Retry-After")


def test_an_upgrade_is_refused_as_each_vendor_does() -> None:
    async def main() -> None:
        async with serving() as server:
            openai = await refusal(f"{server.url}?model=mine&fault=status-429,retry-after=7")
            azure = await refusal(
                f"ws://127.0.0.1:{server.port}/openai/v1/realtime?model=mine", "status-429,retry-after=7"
            )
            preview = await refusal(
                f"ws://127.0.0.1:{server.port}/openai/realtime?api-version=2025-04-01-preview&deployment=mine"
                "&fault=status-400"
            )

        assert (openai[0], openai[1]["code"], openai[2]) == (429, "rate_limit_exceeded", "7")
        assert (azure[0], azure[1]["code"], azure[2]) == (429, "429", "7")
        assert "mine" in preview[1]["message"]
        assert preview[1]["code"] == "OpperationNotSupported"

    run(main())


def test_the_packages_own_client_reads_a_refusal() -> None:
    async def main() -> None:
        async with serving("status-503") as server:
            client = AsyncOpenAI(api_key="any", websocket_base_url=f"ws://127.0.0.1:{server.port}/v1")
            with pytest.raises(InvalidStatus) as refused:
                async with client, client.realtime.connect(model="gpt-realtime-2.1"):
                    pass

        assert refused.value.response.status_code == 503

    run(main())


def test_a_fault_that_there_is_not_is_named() -> None:
    async def main() -> None:
        async with serving() as server:
            status, error, _ = await refusal(f"{server.url}?model=any&fault=weather")

        assert (status, error["code"]) == (400, "unknown_fault")
        assert error["message"].startswith("unknown fault 'weather'; there are: ")

    run(main())


def test_header_query_and_the_servers_own_faults_add_up() -> None:
    async def main() -> None:
        async with (
            serving("unknown") as server,
            connect(
                f"{server.url}?model=any&fault=error=server_error&fault=error=made_up",
                additional_headers={"X-Emulator-Fault": "close=4321@0.05"},
            ) as socket,
        ):
            types = [(await next_event(socket))["type"] for _ in range(4)]
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()

        assert types == ["session.created", "emulator.fault.unknown", "error", "error"]
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4321

    run(main())


def test_a_connection_breaks_without_a_close_frame() -> None:
    async def main() -> None:
        async with serving() as server, connect(f"{server.url}?model=any&fault=drop@0.05") as socket:
            await next_event(socket)
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()

        assert closed.value.rcvd is None

    run(main())


def test_an_upgrade_may_be_slow() -> None:
    async def main() -> None:
        async with serving() as server:
            began = time.monotonic()
            async with connect(f"{server.url}?model=any&fault=slow-upgrade=150") as socket:
                assert time.monotonic() - began >= 0.15
                assert (await next_event(socket))["type"] == "session.created"

    run(main())


def test_other_clients_meet_none_of_it() -> None:
    async def main() -> None:
        async with (
            serving() as server,
            connect(f"{server.url}?model=any&fault=silence") as silent,
            connect(f"{server.url}?model=any") as socket,
        ):
            await silent.send('{"type": "input_audio_buffer.clear"}')
            await next_event(socket)
            await socket.send('{"type": "input_audio_buffer.clear"}')

            assert (await next_event(socket))["type"] == "input_audio_buffer.cleared"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await silent.recv()

    run(main())
