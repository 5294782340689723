import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from voice_agent.server.parent import READY


def supervised(folder: Path, body: str, workers: int = 1) -> tuple[int, str, str]:
    """Run a parent whose workers are this body: it has `number`, `line`, `lives` and `tell`.

    `lives`: how many there were before in its place.
    """
    program = f"""
import logging, os, signal, sys, time
from pathlib import Path
from voice_agent.server.parent import READY, STOP, supervise

def tell(what):
    os.write(1, f"{{what}}\\n".encode())

def work(number, line):
    book = Path(f"lives{{number}}")
    lives = len(book.read_text()) if book.exists() else 0
    book.write_text("x" * (lives + 1))
{textwrap.indent(textwrap.dedent(body), "    ")}

logging.basicConfig(format="%(message)s", handlers=[logging.StreamHandler(), logging.FileHandler("log")], level="INFO")
sys.exit(supervise(work, lambda: tell("let go"), {workers}, lambda number: tell(f"{{number}} is gone")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_a_server_that_ends_by_itself_ends_its_parent_with_its_status(tmp_path: Path) -> None:
    assert supervised(tmp_path, "tell('once'); return 0") == (0, "once\n0 is gone\n", "")


def test_a_server_that_never_served_is_not_started_again(tmp_path: Path) -> None:
    assert supervised(tmp_path, "tell('a fault of the settings'); return 2") == (
        2,
        "a fault of the settings\n0 is gone\n",
        "",
    )
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
        "0 is gone\n1\n0 is gone\n2\n0 is gone\n",
        "the server died of signal 9: it is started again\nthe server ended with status 3: it is started again\n",
    )


def test_each_signal_is_passed_on_and_ends_it_all(tmp_path: Path) -> None:
    body = """
        line.send(READY)
        for _ in range(2):
            os.kill(os.getppid(), signal.SIGTERM)
            tell(line.recv(9))
        return 0
    """

    # Whoever asks for the server from now on waits for nobody.
    status, told, errors = supervised(tmp_path, body)
    assert (status, sorted(told.splitlines()), errors) == (0, ["0 is gone", "b's'", "b's'", "let go", "let go"], "")


def test_of_several_workers_the_one_that_dies_is_started_again_and_the_others_do_not_notice(tmp_path: Path) -> None:
    body = """
        line.send(READY)
        if number == 1 and lives < 2:
            while not Path("lives0").exists():
                time.sleep(0.001)
            if lives == 1:
                return 0  # one that ends by itself, too
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 1:
            os.kill(os.getppid(), signal.SIGTERM)
        assert line.recv(9) == STOP
        tell(f"{number} lived {lives + 1} times")
        return 0
    """

    status, told, errors = supervised(tmp_path, body, 2)

    assert status == 0
    assert sorted(told.splitlines()) == [
        "0 is gone", "0 lived 1 times", "1 is gone", "1 is gone", "1 is gone", "1 lived 3 times", "let go"
    ]  # fmt: skip
    assert errors.splitlines() == [
        "all 2 workers serve",
        "worker 2 died of signal 9: it is started again",
        "worker 2 serves again",
        "worker 2 has stopped: another one is started in its place",
        "worker 2 serves again",
    ]


def test_a_worker_that_cannot_begin_is_tried_again_and_the_others_go_on(tmp_path: Path) -> None:
    body = """
        if number == 1 and lives == 0:
            return 2
        line.send(READY)
        if number == 1:
            os.kill(os.getppid(), signal.SIGTERM)
        assert line.recv(9) == STOP
        return 0
    """

    status, told, errors = supervised(tmp_path, body, 2)

    assert status == 0
    assert sorted(told.splitlines()) == ["0 is gone", "1 is gone", "1 is gone", "let go"]
    assert errors == "worker 2 ended with status 2: it is started again\nall 2 workers serve\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only there a process can be kept from opening files by another")
def test_a_worker_that_cannot_be_started_is_tried_again_and_the_others_go_on(tmp_path: Path) -> None:
    body = """
        import resource
        files = resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)
        line.send(READY)
        if number == 1 and lives == 0:
            resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (3, files[1]))
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 0:
            while "cannot be started" not in Path("log").read_text():
                time.sleep(0.001)
            resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, files)
        else:
            os.kill(os.getppid(), signal.SIGTERM)
        assert line.recv(9) == STOP
        return 0
    """

    status, told, errors = supervised(tmp_path, body, 2)

    assert status == 0
    assert sorted(told.splitlines()) == ["0 is gone", "1 is gone", "1 is gone", "let go"]
    assert "worker 2 cannot be started (Too many open files): it is tried again\n" in errors
    assert errors.endswith("worker 2 serves again\n")


def test_a_fault_of_the_program_is_told_with_its_traceback(tmp_path: Path) -> None:
    status, _, errors = supervised(tmp_path, "raise ZeroDivisionError('a bug')")

    assert status == 1
    assert errors.startswith("Traceback")
    assert errors.endswith("ZeroDivisionError: a bug\n")


def test_a_signal_that_comes_just_before_a_worker_begins_starts_none(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from voice_agent.server.parent import supervise

class Stdout:
    def flush(self):
        # Between the look whether it stops, and the fork.
        sys.stdout = sys.__stdout__
        os.kill(os.getpid(), signal.SIGTERM)

sys.stdout = Stdout()
sys.exit(supervise(lambda number, line: 9 if line.recv(1) else 8, lambda: None))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, timeout=60, check=False)

    assert done.returncode == 0


def test_what_keeps_the_first_worker_from_serving_is_told_once(tmp_path: Path) -> None:
    assert supervised(tmp_path, "tell('a fault'); return 2", 3) == (2, "a fault\n0 is gone\n", "")


def test_workers_notice_that_their_parent_is_gone(tmp_path: Path) -> None:
    body = """
        line.send(READY)
        Path(f"serves{number}").touch()
        if number == 1:
            while not Path("serves0").exists():
                time.sleep(0.001)
            os.kill(os.getppid(), signal.SIGKILL)
        try:
            assert line.recv(1) == b""
        except ConnectionResetError:
            pass  # it had not read what we wrote
        Path(f"noticed{number}").touch()
        return 0
    """
    supervised(tmp_path, body, 2)

    assert {path.name for path in tmp_path.glob("noticed*")} == {"noticed0", "noticed1"}


def test_a_server_notices_that_its_parent_is_gone() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.send(READY)
        assert ours.recv(1) == READY
        ours.close()
        assert theirs.recv(1) == b""


def test_a_server_is_in_a_group_of_its_own(tmp_path: Path) -> None:
    assert supervised(tmp_path, "tell(os.getpgid(0) == os.getpid()); return 0")[1] == "True\n0 is gone\n"
    assert os.getpgid(0) != 0
