import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

from voice_agent.server.parent import READY


def supervised(folder: Path, body: str) -> tuple[int, str, str]:
    """Run a parent whose worker is this body: it has `line`, `lives` (how many there were before) and `tell`."""
    program = f"""
import logging, os, signal, sys, time
from pathlib import Path
from voice_agent.server.parent import READY, supervise

def tell(what):
    print(what, flush=True)

def work(line):
    book = Path("lives")
    lives = len(book.read_text()) if book.exists() else 0
    book.write_text("x" * (lives + 1))
{textwrap.indent(textwrap.dedent(body), "    ")}

logging.basicConfig(format="%(message)s", stream=sys.stderr)
sys.exit(supervise(work, lambda: os.write(1, b"let go\\n")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_a_server_that_ends_by_itself_ends_its_parent_with_its_status(tmp_path: Path) -> None:
    assert supervised(tmp_path, "tell('once'); return 0") == (0, "once\n", "")


def test_a_server_that_never_served_is_not_started_again(tmp_path: Path) -> None:
    assert supervised(tmp_path, "tell('a fault of the settings'); return 2") == (2, "a fault of the settings\n", "")
    assert supervised(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")[0] == 128 + signal.SIGKILL


def test_a_server_that_served_is_started_again_however_it_died(tmp_path: Path) -> None:
    body = """
        line.send(READY)
        if lives == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        tell(lives)
        return 3 if lives == 1 else 0
    """

    assert supervised(tmp_path, body) == (
        0,
        "1\n2\n",
        "the server died of signal 9: it is started again\nthe server ended with status 3: it is started again\n",
    )


def test_each_signal_is_passed_on_and_ends_it_all(tmp_path: Path) -> None:
    body = """
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        line.send(READY)
        for _ in range(2):
            os.kill(os.getppid(), signal.SIGTERM)
            tell(signal.sigwait({signal.SIGTERM}))
        return 0
    """

    # Whoever asks for the server from now on waits for nobody.
    status, told, errors = supervised(tmp_path, body)
    assert (status, sorted(told.splitlines()), errors) == (0, ["15", "15", "let go", "let go"], "")


def test_a_server_notices_that_its_parent_is_gone() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.send(READY)
        assert ours.recv(1) == READY
        ours.close()
        assert theirs.recv(1) == b""


def test_a_server_is_in_a_group_of_its_own(tmp_path: Path) -> None:
    assert supervised(tmp_path, "tell(os.getpgid(0) == os.getpid()); return 0")[1] == "True\n"
    assert os.getpgid(0) != 0
