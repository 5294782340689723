import os
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


def test_cores_are_those_that_may_be_used() -> None:
    assert set(cores()) == os.sched_getaffinity(0)
