"""A host of its own, in a network namespace at the other end of a cable: one that can vanish without a word.

The cable is a pair of virtual interfaces with addresses that lead nowhere else. Pulled out, it carries nothing more:
no end of a connection comes through, and whoever is at this end hears silence.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import count

_numbers = count(1)


class Host:
    """One that is there."""

    def __init__(self, name: str, near: str, address: str) -> None:
        self.name = name
        self.near = near
        """Our address, as it sees it."""
        self.address = address

    @property
    def within(self) -> tuple[str, ...]:
        """What stands before a command that shall run there."""
        return ("nsenter", f"--net=/run/netns/{self.name}")

    def vanish(self) -> None:
        self._cable("down")

    def come_back(self) -> None:
        self._cable("up")

    def _cable(self, how: str) -> None:
        _run(*self.within, "ip", "link", "set", "far", how)


@contextlib.contextmanager
def host() -> Iterator[Host]:
    """Make one, and throw it away with all that it has open."""
    missing = [tool for tool in ("ip", "nsenter") if shutil.which(tool) is None]
    assert not missing, f"{missing[0]} is missing (Debian, Ubuntu: iproute2 and util-linux)"
    assert os.getuid() == 0, "only root can make a host of its own (a network namespace): run it as root"
    number = os.getpid() + next(_numbers)
    name, cable = f"host{number}", f"cable{number}"
    # Of the block that nobody routes, other ones for each program that runs: RFC 2544, appendix C.2.2.
    block = f"198.18.{number // 64 % 256}.{number % 64 * 4}"
    near, far = (str(IPv4Address(block) + n) for n in (1, 2))
    _run("ip", "netns", "add", name)
    try:
        _run("ip", "link", "add", cable, "type", "veth", "peer", "name", "far", "netns", name)
        made = Host(name, near, far)
        _run("ip", "address", "add", f"{near}/30", "dev", cable)
        _run("ip", "link", "set", cable, "up")
        _run(*made.within, "ip", "link", "set", "lo", "up")
        _run(*made.within, "ip", "address", "add", f"{far}/30", "dev", "far")
        made.come_back()
        yield made
    finally:
        _run("ip", "netns", "delete", name)


def _run(*command: str) -> None:
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
