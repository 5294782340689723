"""TLS in front of a stand-in, for clients that speak nothing else: npm's `openai` opens `wss`, whatever it is told.

The certificate is the stand-in's own and good for this machine only; a client must be told to trust it (for Node:
`NODE_EXTRA_CA_CERTS`). Bytes are passed on as they come: it must not know what they mean.
"""

import asyncio
import ipaddress
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from voice_agent.errors import CommandError

CERTIFICATE = "tls-certificate.pem"
KEY = "tls-key.pem"

_VALID = timedelta(days=365)
_RENEWED = timedelta(days=1)
"""Before its end a certificate is made anew, so that none ends under a session."""
_EARLIER = timedelta(hours=1)
"""Containers' clocks differ."""
_CHUNK_BYTES = 64 * 1024


def own_certificate(folder: Path) -> Path:
    """Give the path of a certificate for localhost in `folder`, its key beside it; made if there is no valid one.

    Raises `CommandError` where the folder cannot be written.
    """
    certificate = folder / CERTIFICATE
    if not (folder / KEY).is_file() or _ends(certificate) < datetime.now(UTC) + _RENEWED:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _make(certificate, folder / KEY)
        except OSError as error:
            raise CommandError(f"cannot write {certificate}: {error.strerror or error}") from error
    return certificate


def _ends(certificate: Path) -> datetime:
    try:
        return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return datetime.min.replace(tzinfo=UTC)


def _make(certificate: Path, key_file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "voice-agent stand-in on this machine")])
    loopback = (ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1"))
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), *map(x509.IPAddress, loopback)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - _EARLIER, now + _VALID)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key_file.unlink(missing_ok=True)
    # Readable by the owner only, from its first byte on.
    with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


@asynccontextmanager
async def tls_front(host: str, port: int, behind: tuple[str, int], certificate: Path) -> AsyncIterator[int]:
    """Take TLS connections and pass what they say on to `behind`, until the block is left; gives the port (0: any).

    `certificate` is one of `own_certificate`. Raises `CommandError` if the port is taken.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name(KEY))
    open_connections: set[asyncio.Task[None]] = set()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "a connection is held by a task of its own"
        if not server.is_serving():
            writer.transport.abort()  # its handshake outlasted the front
            return
        open_connections.add(task)
        try:
            await _pass_on(reader, writer, behind)
        except asyncio.CancelledError:
            writer.transport.abort()  # the front is closed; nobody waits for this task
        finally:
            open_connections.discard(task)

    try:
        server = await asyncio.start_server(hold, host, port, ssl=context)
    except OSError as error:
        raise CommandError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in open_connections:
            task.cancel()
        if open_connections:
            await asyncio.wait(open_connections)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, behind: tuple[str, int]) -> None:
    try:
        from_behind, to_behind = await asyncio.open_connection(*behind)
    except OSError:
        writer.transport.abort()  # the client sees what it would see of a server that is gone
        return
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_copy(reader, to_behind))
            tasks.create_task(_copy(from_behind, writer))
    finally:
        to_behind.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until one side is gone; the other is closed then, for TLS knows no half-closed connection."""
    with suppress(OSError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
    writer.close()
