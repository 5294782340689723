"""HAProxy before some servers, as Debian brings it, and what it thinks of them."""

import asyncio
import contextlib
import csv
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

UP_S = 20
"""How long servers that listen may take to be found: they are looked at every second."""

# A host that is gone answers nothing, and closes nothing: a stream that it had is ended when 3 s of what was sent stand
# unanswered. That must stand at each server: as `default-server` HAProxy 2.6 forgets it.
# `forwardfor` says who comes from elsewhere: the console may be for this machine alone, and `Host` is anybody's.
# A call makes three requests (webhook, stream, the stream's status): taken in turn, each of three servers would get
# always the same one of them. Streams last, so they go where the fewest are.
SETTINGS = """
global
    maxconn 4000
    stats socket {control} mode 600
defaults
    mode http
    timeout connect 500ms
    timeout client 30s
    timeout server 30s
    timeout tunnel 1h
    option http-buffer-request
    option forwardfor
    option redispatch 1
    retries 3
    retry-on all-retryable-errors
frontend phone
    bind 127.0.0.1:{port}
    default_backend servers
backend servers
    balance leastconn
    option httpchk GET /readyz
    timeout check 3s
    default-server check inter 1s fastinter 500ms fall 2 rise 1
"""


class Proxy:
    """A running one."""

    def __init__(self, url: str, control: Path) -> None:
        self.url = url
        self._control = control

    async def until_all_are_up(self) -> None:
        """Wait until each server's latest check was answered well."""
        async with asyncio.timeout(UP_S):
            while {(each["status"], each["check_status"]) for each in self._servers()} != {("UP", "L7OK")}:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.05)

    def _servers(self) -> Iterator[dict[str, str]]:
        """Ask it: https://docs.haproxy.org/2.6/management.html#9.3-show%20stat."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(self._control))
            asking.sendall(b"show stat -1 4 -1\n")
            with asking.makefile() as answer:
                head, *rows = answer.read().strip().splitlines()
        return csv.DictReader(rows, head.removeprefix("# ").split(","))


@contextlib.contextmanager
def proxy(folder: Path, ports: Sequence[int], elsewhere: Sequence[str] = ()) -> Iterator[Proxy]:
    """Run it; its settings and its control socket are kept in the folder. `elsewhere`: servers that are not here."""
    program = shutil.which("haproxy") or "/usr/sbin/haproxy"
    assert Path(program).exists(), "haproxy is missing (Debian, Ubuntu: haproxy)"
    port, control, settings = free_port(), folder / "haproxy.sock", folder / "haproxy.cfg"
    addresses = [*(f"127.0.0.1:{each}" for each in ports), *elsewhere]
    servers = "".join(f"    server number{n} {each} tcp-ut 3s\n" for n, each in enumerate(addresses))
    settings.write_text(SETTINGS.format(port=port, control=control) + servers)
    process = subprocess.Popen([program, "-q", "-f", settings])
    try:
        until_it_listens(port)
        yield Proxy(f"http://127.0.0.1:{port}", control)
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until_it_listens(port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.01)
    raise AssertionError("the proxy does not listen")
