import os
import subprocess
import sys
import time

import pytest

from voice_agent.emulator.load.watching import Processes, cores

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is no proc")


def test_a_process_that_works_uses_cpu_and_has_memory() -> None:
    processes = Processes(os.getpid())
    before = processes.cpu_ms()
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    after, memory_mb = processes.cpu_ms(), processes.memory_mb()

    assert before is not None
    assert after is not None
    assert memory_mb is not None
    assert after - before >= 30
    assert 10 < memory_mb < 10_000


def test_a_process_that_is_gone_is_known() -> None:
    assert Processes(os.getpid()).live()
    assert not Processes(2**22 + 1).live()
    assert Processes(2**22 + 1).cpu_ms() == 0


def test_threads_that_end_meanwhile_are_left_out() -> None:
    begin_threads = "import threading\nwhile True:\n  one = threading.Thread(target=int); one.start(); one.join()"
    with subprocess.Popen([sys.executable, "-c", begin_threads]) as process:
        try:
            processes = Processes(process.pid)
            assert all(processes.cpu_ms() is not None for _ in range(1000))
            for _ in range(1000):
                processes.keep_to(cores())
        finally:
            process.kill()


def test_cores_are_those_that_may_be_used() -> None:
    assert set(cores()) == os.sched_getaffinity(0)
