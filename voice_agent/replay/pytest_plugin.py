"""The pytest plug-in: every `*.call` file that pytest collects is a test, and `replay` a fixture for tests in Python.

    pytest                                    # each call is held again by today's code (--calls=resimulated)
    pytest --calls=strict                     # ... or must be the same to the millisecond
    pytest --calls-update                     # accept what became another: rewrites the recordings

    def test_a_refund(replay):
        call = replay("refund.call", agent="agents/refunds.yaml")
        assert "refund" in call.said[-1]

`calls = strict` in pytest's configuration sets the default. This module is imported by every pytest of a project that
has the package, so that it loads nothing before there is a call.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from voice_agent.replay.held_call import HeldCall
    from voice_agent.replay.judging import Way

_SUFFIX = ".call"
_WAYS = ("strict", "resimulated")


class Replay(Protocol):
    """What the fixture `replay` gives."""

    def __call__(self, file: str | Path, agent: str | Path | None = None, way: Way | None = None) -> HeldCall:
        """Hold a recorded call again: `heard`, `said`, `tools`, `interruptions`, `responses`, `cost`, `ended`.

        Paths are looked for beside the test, then in pytest's root folder. With `agent` the call is held by that YAML
        file's agent instead of the recorded one. What must never happen in a call fails the test.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("recorded calls (voice-agent)")
    group.addoption(
        "--calls", choices=_WAYS, help="how recorded calls are replayed (default: `calls` of the configuration)"
    )
    group.addoption(
        "--calls-update", action="store_true", help="put today's recording in the place of each that became another"
    )
    parser.addini("calls", f"how recorded calls are replayed: {' or '.join(_WAYS)}", default="resimulated")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a recording."""
    return CallFile.from_parent(parent, path=file_path) if file_path.suffix == _SUFFIX else None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell what became another in calls that passed."""
    told = [
        (report.nodeid, content)
        for report in terminalreporter.getreports("passed")
        for name, content in report.sections
        if name == _SECTION
    ]
    if told:
        terminalreporter.section("recorded calls that became another")
    for nodeid, content in told:
        terminalreporter.line(nodeid)
        for line in content.splitlines():
            terminalreporter.line(f"  {line}")


_SECTION = "recorded call"


@pytest.fixture
def replay(request: pytest.FixtureRequest) -> Replay:
    """Hold recorded calls again, see `Replay`."""
    from voice_agent.replay import pytest_calls  # noqa: PLC0415 - see the module

    default = way_of(request.config)

    def held(file: str | Path, agent: str | Path | None = None, way: Way | None = None) -> HeldCall:
        folders = [request.path.parent, request.config.rootpath]
        return pytest_calls.held_call(folders, Path(file), None if agent is None else Path(agent), way or default)

    return held


def way_of(config: pytest.Config) -> Way:
    """Say how this run replays."""
    way: Any = config.getoption("calls") or config.getini("calls")
    if way not in _WAYS:
        raise pytest.UsageError(f"calls = {way}: write {' or '.join(_WAYS)}")
    return way  # type: ignore[no-any-return] # one of the words, as has just been looked at


class CallFile(pytest.File):
    """One recording: one test."""

    def collect(self) -> Iterator[pytest.Item]:
        """Give the test."""
        yield CallItem.from_parent(self, name=way_of(self.config))


class CallItem(pytest.Item):
    """A recorded call, replayed."""

    def runtest(self) -> None:
        """Replay; fails with what a person wants to see."""
        from voice_agent.replay import pytest_calls  # noqa: PLC0415 - see the module

        # The fixture `tmp_path_factory` gives this very object; only functions can ask for fixtures.
        factory: pytest.TempPathFactory = self.config._tmp_path_factory  # type: ignore[attr-defined] # noqa: SLF001
        tell = pytest_calls.run(
            self.path,
            way_of(self.config),
            update=self.config.getoption("calls_update"),
            folder=lambda: factory.mktemp(self.path.stem),
        )
        if tell:
            self.add_report_section("call", _SECTION, "\n".join(tell))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Tell a failed call without a traceback."""
        from voice_agent.replay import pytest_calls  # noqa: PLC0415 - see the module

        if isinstance(excinfo.value, pytest_calls.CallFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the test by its file."""
        return self.path, None, f"{self.path.name} ({self.name})"
