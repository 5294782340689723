"""The pytest plug-in: every `*.call` file that pytest collects is a test, and `replay` a fixture for tests in Python.

    pytest                                    # each call is held again by today's code (--calls=resimulated)
    pytest --calls=strict                     # ... or must be the same to the millisecond
    pytest --calls=emulator                   # ... or its caller speaks to a model (azure, openai) with today's agent
    pytest --calls-update                     # accept what became another: rewrites the recordings

    def test_a_refund(replay):
        call = replay("refund.call", agent="agents/refunds.yaml")
        assert "refund" in call.said[-1]

`calls = strict` in pytest's configuration sets the default. This module is imported by every pytest of a project that
has the package, so that it loads nothing before there is a call.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from voice_agent.config.settings import Provider
    from voice_agent.replay.held_call import HeldCall
    from voice_agent.replay.judging import Way
    from voice_agent.replay.talks import Talks

_SUFFIX, _EXPECTATIONS = ".call", ".expect.yaml"
_WAYS = ("strict", "resimulated")
_MODELS = ("emulator", "azure", "openai")


class Replay(Protocol):
    """What the fixture `replay` gives."""

    def __call__(
        self,
        file: str | Path,
        agent: str | Path | None = None,
        way: Way | None = None,
        against: Provider | None = None,
    ) -> HeldCall:
        """Hold a recorded call again: `heard`, `said`, `tools`, `interruptions`, `responses`, `cost`, `ended`.

        Paths are looked for beside the test, then in pytest's root folder. With `agent` the call is held by that YAML
        file's agent instead of the recorded one; that is never the same to the letter, so not `strict`. What must
        never happen in a call fails the test. `against`: the caller speaks to this model, in real time.
        """


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("recorded calls (voice-agent)")
    group.addoption(
        "--calls",
        choices=(*_WAYS, *_MODELS),
        help="how recorded calls are replayed, or against which model (default: `calls` of the configuration)",
    )
    group.addoption(
        "--calls-update", action="store_true", help="put today's recording in the place of each that became another"
    )
    parser.addini("calls", f"how recorded calls are replayed: {_CHOICES}", default="resimulated")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a recording; warn of expectations that stand beside none."""
    if file_path.suffix == _SUFFIX:
        return CallFile.from_parent(parent, path=file_path)
    if file_path.name.endswith(_EXPECTATIONS):
        call = file_path.with_name(file_path.name.removesuffix(_EXPECTATIONS) + _SUFFIX)
        if not call.exists():
            parent.warn(pytest.PytestCollectionWarning(f"{file_path} is not read: there is no {call.name} beside it"))
    return None


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell what became another in calls that passed, and where what was held against a model is recorded."""
    told = [
        (report.nodeid, content)
        for report in terminalreporter.getreports("passed")
        for name, content in report.sections
        if name == f"Captured {_SECTION} call"  # as pytest names what an item adds
    ]
    if told:
        terminalreporter.section("recorded calls")
    for nodeid, content in told:
        terminalreporter.line(nodeid)
        for line in content.splitlines():
            terminalreporter.line(f"  {line}")


_SECTION = "recorded call"
_CHOICES = f"{', '.join(_WAYS)}, or against a model: {', '.join(_MODELS)}"


@pytest.fixture
def replay(request: pytest.FixtureRequest) -> Replay:
    """Hold recorded calls again, see `Replay`."""
    from voice_agent.replay import pytest_calls  # noqa: PLC0415 - see the module

    def held(
        file: str | Path,
        agent: str | Path | None = None,
        way: Way | None = None,
        against: Provider | None = None,
    ) -> HeldCall:
        __tracebackhide__ = True
        folders = [request.path.parent, request.config.rootpath]
        if problem := _problem(way, against, agent):
            raise pytest_calls.CallFailed(problem)
        chosen: Any = against or way or way_of(request.config)
        how = _talks(request.config, chosen) if chosen in _MODELS else chosen
        folder = partial(_folder, request.config, Path(file).stem)
        return pytest_calls.held_call(folders, Path(file), None if agent is None else Path(agent), how, folder=folder)

    return held


def _problem(way: str | None, against: str | None, agent: object) -> str:
    """Say what is wrong with what a test asks for; empty: nothing."""
    if way is not None and way not in _WAYS:
        return f'way="{way}": write {" or ".join(_WAYS)}, or against= and {", ".join(_MODELS)}'
    if against is not None and against not in _MODELS:
        return f'against="{against}": write {", ".join(_MODELS)}'
    if way is not None and against is not None:
        return f'way="{way}" and against="{against}" are two ways to replay: leave one out'
    if way == "strict" and agent is not None:
        return 'way="strict" compares with what the recorded agent did: leave out the way, or the agent'
    return ""


def way_of(config: pytest.Config) -> Way | Provider:
    """Say how this run replays."""
    way: Any = config.getoption("calls") or config.getini("calls")
    if way not in (*_WAYS, *_MODELS):
        raise pytest.UsageError(f"calls = {way}: write {_CHOICES}")
    if way in _MODELS and config.getoption("calls_update"):
        raise pytest.UsageError(f"--calls-update accepts replays; against {way} no two calls are the same")
    return way  # type: ignore[no-any-return] # one of the words, as has just been looked at


_TALKS: pytest.StashKey[dict[str, Talks]] = pytest.StashKey()


def _talks(config: pytest.Config, provider: Provider) -> Talks:
    """Give what holds this run's calls against a model; it lasts as long as the run."""
    from voice_agent.replay.talks import Talks  # noqa: PLC0415 - see the module

    held = config.stash.setdefault(_TALKS, {})
    if provider not in held:
        held[provider] = Talks(provider, _folder(config, f"against-{provider}"))
        config.add_cleanup(held[provider].close)
    return held[provider]


def _folder(config: pytest.Config, name: str) -> Path:
    # The fixture `tmp_path_factory` gives this very object; only functions can ask for fixtures.
    factory: pytest.TempPathFactory = config._tmp_path_factory  # type: ignore[attr-defined] # noqa: SLF001
    return factory.mktemp(name)


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

        way = way_of(self.config)
        folder = partial(_folder, self.config, self.path.stem)
        if way in _MODELS:
            talks = _talks(self.config, cast("Provider", way))
            tell = pytest_calls.run_against(self.path, talks, self._together(), folder=folder)
        else:
            tell = pytest_calls.run(
                self.path, cast("Way", way), update=self.config.getoption("calls_update"), folder=folder
            )
        if tell:
            self.add_report_section("call", _SECTION, "\n".join(tell))

    def _together(self) -> list[Path]:
        """Give the files of which some are held at once: in a run of its own all of them, else this one."""
        alone = hasattr(self.config, "workerinput") or self.config.getoption("maxfail")
        return [self.path] if alone else [item.path for item in self.session.items if isinstance(item, CallItem)]

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Tell a failed call without a traceback."""
        from voice_agent.replay import pytest_calls  # noqa: PLC0415 - see the module

        if isinstance(excinfo.value, pytest_calls.CallFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Name the test by its file."""
        return self.path, None, f"{self.path.name} ({self.name})"
