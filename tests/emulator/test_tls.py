"""The TLS front: certificates that are made, kept and renewed, and bytes that get through in both directions."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from voice_agent.emulator.tls import CERTIFICATE, KEY, own_certificate, tls_front
from voice_agent.errors import CommandError


@asynccontextmanager
async def shouting(reached: asyncio.Event | None = None) -> AsyncIterator[tuple[str, int]]:
    """A server that repeats a line in capitals and then closes; it tells when it is reached."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if reached is not None:
            reached.set()
        writer.write((await reader.readline()).upper())
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()


async def say(port: int, certificate: Path, line: bytes, host: str = "localhost") -> bytes:
    context = ssl.create_default_context(cafile=certificate)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
    try:
        writer.write(line)
        return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_bytes_go_through_in_both_directions_until_the_server_closes(tmp_path: Path, host: str) -> None:
    async def main() -> bytes:
        certificate = own_certificate(tmp_path)
        async with (
            asyncio.timeout(30),
            shouting() as behind,
            tls_front("127.0.0.1", 0, behind, certificate) as port,
        ):
            return await say(port, certificate, b"hello\n", host)

    assert asyncio.run(main()) == b"HELLO\n"


def test_a_server_that_is_gone_looks_gone(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody is there

        async def main() -> bytes:
            certificate = own_certificate(tmp_path)
            async with (
                asyncio.timeout(30),
                tls_front("127.0.0.1", 0, ("127.0.0.1", taken.getsockname()[1]), certificate) as port,
            ):
                context = ssl.create_default_context(cafile=certificate)
                return await rest_of(*await asyncio.open_connection("localhost", port, ssl=context))

        assert asyncio.run(main()) == b""


async def rest_of(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """What still comes, whether the connection is closed or broken."""
    try:
        return await reader.read()
    except OSError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("waits", [True, False], ids=["open", "opening"])
def test_leaving_the_front_ends_its_connections(tmp_path: Path, waits: bool) -> None:
    async def main() -> bytes:
        certificate = own_certificate(tmp_path)
        context = ssl.create_default_context(cafile=certificate)
        reached = asyncio.Event()
        async with asyncio.timeout(30), shouting(reached) as behind:
            async with tls_front("127.0.0.1", 0, behind, certificate) as port:
                reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
                if waits:
                    await reached.wait()
            return await rest_of(reader, writer)

    assert asyncio.run(main()) == b""


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    async def main() -> None:
        async with shouting() as (host, port), tls_front(host, port, (host, port), own_certificate(tmp_path)):
            raise AssertionError("it cannot listen")

    with pytest.raises(CommandError, match=r"^cannot listen on 127\.0\.0\.1:\d+: "):
        asyncio.run(main())


def test_a_certificate_is_made_once_and_its_key_is_the_owners(tmp_path: Path) -> None:
    first = own_certificate(tmp_path / "data").read_bytes()

    assert own_certificate(tmp_path / "data").read_bytes() == first
    assert (tmp_path / "data" / KEY).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("spoilt", ["", "no certificate"])
def test_a_certificate_that_is_no_good_is_made_anew(tmp_path: Path, spoilt: str) -> None:
    own_certificate(tmp_path)
    (tmp_path / CERTIFICATE).write_text(spoilt)

    assert ssl.create_default_context(cafile=own_certificate(tmp_path)).get_ca_certs()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    with pytest.raises(CommandError, match=r"^cannot write .*tls-certificate\.pem: "):
        own_certificate(tmp_path / "data")
