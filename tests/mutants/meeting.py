"""How the tests meet the mutants: a plug-in of pytest that takes the place of the run of the tests.

mutmut makes the mutants, and would have pytest collect hundreds of tests anew for each. Here they are collected once;
they run once without a mutant, which shows what each of them reaches; then this process forks for every mutant that is
not known to be dead, and runs what reaches it, until one test fails. Those of its own module come first. With
`--mutants-of` only the mutants of these modules are met, by the tests of their own module alone: that is quick.
"""

import gc
import json
import os
import re
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest
from mutmut.state import state

from tests.mutants.results import KILLED

MODULE = re.compile(r"voice_agent\.call\.(\w+)\.")
ORIGINAL = re.compile(r"x(?:_|\u01c1.+\u01c1)(.+)__mutmut_orig")
"""How mutmut names the copy of a function that it left alone."""

UNDER_TEST = "MUTANT_UNDER_TEST"
"""The variable by which a changed function knows which mutant it is to be; `stats`: itself, and it tells so."""

MOST_CPU_SECONDS = 10
"""Of one test, which takes 2 at most: a test that does not end has seen the mutant. A machine may be busy."""

TELL_SECONDS = 20


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `infra/mutants.sh` asks for."""
    group = parser.getgroup("mutants")
    group.addoption("--mutants-of", default="", help="modules of `call`, with commas between: their own tests only")
    group.addoption("--mutants-at-once", type=int, default=os.cpu_count(), help="how many processes")


def pytest_configure(config: pytest.Config) -> None:
    """Make the `Meeting`."""
    config.pluginmanager.register(Meeting(config))


class Meeting:
    """See the module."""

    def __init__(self, config: pytest.Config) -> None:
        self._modules = {name for name in config.getoption("mutants_of").split(",") if name}
        self._at_once: int = config.getoption("mutants_at_once")
        self._reached: dict[str, set[str]] = defaultdict(set)
        """Tests by the function that they reach, as mutmut names it."""
        self._took_s: dict[str, float] = {}
        """How long each test took without a mutant."""
        self._met: dict[int, tuple[str, int]] = {}
        """The mutants that are met now, by the process, with where it tells which test has seen its mutant."""
        self._seen_by: dict[str, Counter[str]] = defaultdict(Counter)
        """How many mutants each test has seen, by the function, and by the module."""
        self._tell: int | None = None
        self._results: dict[str, int] = {}
        self._failed = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take the place of the run of the tests."""
        if session.testsfailed:
            raise session.Failed("not all tests could be collected")
        reporter = session.config.pluginmanager.unregister(name="terminalreporter")
        items = [item for item in session.items if not self._modules or self._own(item.path, self._modules)]
        self._look(items)
        if self._failed:
            raise session.Failed("the tests fail without a mutant")
        gc.freeze()  # or each process would look at all that was collected, and so copy it
        for path in sorted(Path("voice_agent/call").glob("*.py.meta")):
            self._meet_all(path, items)
        session.config.pluginmanager.register(reporter, "terminalreporter")
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        """One failure is enough, and to write it down takes longer than most tests do."""
        if (
            self._tell is not None
            and call.excinfo is not None
            and not call.excinfo.errisinstance(pytest.skip.Exception)
        ):
            os.write(self._tell, item.nodeid.encode())
            os._exit(1)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Without a mutant none may fail."""
        self._failed = self._failed or report.failed

    def _look(self, items: list[pytest.Item]) -> None:
        """Run all tests without a mutant."""
        os.environ[UNDER_TEST] = "stats"
        for item, following in _each(items):
            began = time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            self._took_s[item.nodeid] = time.process_time() - began
            for function in state()._stats:
                self._reached[function].add(item.nodeid)
            state()._stats.clear()
        os.environ[UNDER_TEST] = ""

    def _own(self, path: Path, modules: set[str]) -> bool:
        return any(re.fullmatch(rf"test_{name}(_.*)?\.py", path.name) for name in modules)

    def _meet_all(self, path: Path, items: list[pytest.Item]) -> None:
        module = path.name.removesuffix(".py.meta")
        mutants = [name for name, status in _known(path).items() if status not in KILLED]
        if not mutants or (self._modules and module not in self._modules):
            return
        if self._modules:
            items = [item for item in items if self._own(item.path, {module})]
        # What is about the module itself comes first, and whole recorded calls, the slowest, come last.
        items.sort(key=lambda item: (not self._own(item.path, {module}), self._took_s[item.nodeid]))
        began = told = time.monotonic()
        for number, name in enumerate(mutants):
            while len(self._met) >= self._at_once:
                self._await_one()
            self._meet(name, self._fitting(name, module, items))
            if time.monotonic() > told + TELL_SECONDS:
                told = time.monotonic()
                _say(f"{module}: {number} of {len(mutants)}")
                self._keep(path)
        while self._met:
            self._await_one()
        self._keep(path)
        alive = sum(status not in KILLED for status in map(_known(path).get, mutants))
        _say(f"{module}: {len(mutants)} mutants met, {alive} alive ({time.monotonic() - began:.0f} s)")

    def _fitting(self, mutant: str, module: str, items: list[pytest.Item]) -> list[pytest.Item]:
        """Give the tests that reach a mutant; what has seen others of its function, or of its module, comes first."""
        function = mutant.rpartition("__mutmut_")[0]
        here, near, reaching = self._seen_by[function], self._seen_by[module], self._reached[function]
        reaching_items = (item for item in items if item.nodeid in reaching)
        return sorted(reaching_items, key=lambda item: (-here[item.nodeid], -near[item.nodeid]))

    def _keep(self, path: Path) -> None:
        """Write down what came out so far: the run may be stopped, and goes on from there."""
        data = json.loads(path.read_text(encoding="utf-8"))
        data["exit_code_by_key"] |= self._results
        path.write_text(json.dumps(data), encoding="utf-8")
        self._results.clear()

    def _await_one(self) -> None:
        process, status = os.wait()
        mutant, told = self._met.pop(process)
        self._results[mutant] = os.waitstatus_to_exitcode(status)
        with os.fdopen(told, encoding="utf-8") as pipe:
            if test := pipe.read():
                self._seen_by[mutant.rpartition("__mutmut_")[0]][test] += 1
                self._seen_by[mutant.split(".")[2]][test] += 1

    def _meet(self, mutant: str, items: list[pytest.Item]) -> None:
        told, self._tell = os.pipe()
        if process := os.fork():
            os.close(self._tell)
            self._met[process], self._tell = (mutant, told), None
        else:
            self._run(mutant, items)

    def _run(self, mutant: str, items: list[pytest.Item]) -> NoReturn:
        signal.signal(signal.SIGPROF, lambda *_: os._exit(1))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        status = 2  # something is wrong here, and the mutant is not dead
        try:
            os.environ[UNDER_TEST] = mutant
            _call_directly(mutant)
            for item, following in _each(items):
                signal.setitimer(signal.ITIMER_PROF, MOST_CPU_SECONDS)
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            status = 0
        finally:
            os._exit(status)


def _known(path: Path) -> dict[str, int | None]:
    return dict(json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"])


def _each(items: list[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    """Give each test with the one that follows, as pytest wants it."""
    for number, item in enumerate(items, 1):
        yield item, items[number] if number < len(items) else None


def _say(line: str) -> None:
    sys.stdout.write(f"mutants: {line}\n")
    sys.stdout.flush()


def _call_directly(mutant: str) -> None:
    """Undo mutmut's look at every call for the mutant that is meant: it takes longer than most functions do."""
    for name, module in list(sys.modules.items()):
        if name.startswith("voice_agent.call."):
            classes = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == name]
            _undo(module, mutant.removeprefix(f"{name}."))
            for one in classes:
                _undo(one, mutant.removeprefix(f"{name}."))


def _undo(owner: ModuleType | type, mutant: str) -> None:
    for name in list(vars(owner)):
        if (found := ORIGINAL.fullmatch(name)) is not None:
            is_meant = mutant.rpartition("_")[0] == name.rpartition("_")[0]
            setattr(owner, found[1], getattr(owner, mutant if is_meant else name))
