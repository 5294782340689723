"""The house rules that no tool checks by itself: where tests stand, what no file may hold, what a wheel brings along.

Formatting, lint, types and layers are `make check`'s; here they are only shown to fail when they should.
"""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TOP = ("voice_agent", "tests", "infra", ".ci")
"""Our folders; beside them stand what tools make and what users put there."""
TOP_FILES = ("*.md", "*.toml", "*.lock", "Makefile", "LICENSE", ".env.example", ".gitignore")
MADE = {"__pycache__", "node_modules"}


def ours(folder: Path) -> list[Path]:
    """Every file of a folder that no tool has made, whether it is in the repository already or not."""
    paths = sorted(folder.rglob("*"))
    return [path for path in paths if path.is_file() and MADE.isdisjoint(path.relative_to(ROOT).parts)]


# --- tests mirror the package ----------------------------------------------------------------------------------------

WITHOUT_BEHAVIOUR = {
    "agent", "call/commands", "call/events", "call/facts", "call/part", "call/setup", "emulator/speech/interfaces",
    "live/session_needs", "recording/entries", "server/stopping", "wire/texts",
}  # fmt: skip
"""Plain data, protocols and names: every test of what uses them is theirs."""

TESTED_WHOLE = {
    "emulator/twilio": "its sockets are what a user meets: `tests/emulator/test_twilio_*.py`, a file a subject",
    "emulator/webrtc": "a call shows in its HTTP and to its peer: `tests/emulator/webrtc/test_calls.py`",
    "store/migrations": "what they lead to is compared with the tables: `tests/store/test_database.py`",
    "store/migrations/versions": "as above",
    "sim/realtime": "a session's parts show only in its events: `tests/sim/realtime`, a file a kind of event",
}
"""Packages whose parts need no test of their own."""

TESTED_BESIDE = {
    "audio/audioop_import": "audio/test_mulaw.py",
    "cli/demo_screen": "cli/test_demo.py",
    "config/expectations": "replay/test_expectations.py",
    "cli/emulate": "cli/test_emulate_realtime.py",
    "cli/simulated_breaks": "cli/test_simulate.py",
    "cli/simulated_totals": "cli/test_simulate.py",
    "config/header_keys": "config/test_http_tools.py",
    "config/model_keys": "config/test_agent_keys.py",
    "config/parameter_keys": "config/test_http_tools.py",
    "config/schema_forms": "config/test_agent_keys.py",
    "config/tool_schema": "config/test_agent_keys.py",
    "tools/http_exchange": "tools/test_run_http.py",
    "emulator/load/callers": "cli/test_load.py",
    "emulator/load/level": "cli/test_load.py",
    "emulator/load/own_server": "cli/test_load.py",
    "emulator/load/scripted_model": "cli/test_load.py",
    "emulator/session_runner": "emulator/test_realtime.py",
    "emulator/speech/loading": "emulator/speech/test_recorded.py",
    "emulator/tls": "emulator/test_realtime.py",
    "live/opened_call": "server/test_run.py",
    "server/health": "server/test_run_limits.py",
    "replay/held_call": "replay/test_expectations.py",
    "replay/judging": "cli/test_replay.py",
    "replay/parts": "replay/test_resimulated.py",
    "replay/picture": "replay/test_pytest_plugin.py",
    "replay/pytest_calls": "replay/test_pytest_plugin.py",
    "replay/recorded_model": "replay/test_resimulated.py",
    "replay/talk": "replay/test_against.py",
    "replay/talks": "replay/test_pytest_plugin.py",
    "server/recordings": "server/test_run.py",
    "server/private_line": "cli/test_demo.py",
    "server/console/application": "server/console/test_guard.py",
    "server/console/opened_console": "server/test_run.py",
    "sim/network": "sim/test_world.py",
    "store/tables": "store/test_database.py",
    "sim/made_up/call": "sim/made_up/test_drawing.py",
    "server/http_server": "server/test_run_workers.py",
    "server/listening_socket": "cli/test_serve.py",
    "server/terms": "server/test_reception.py",
}
"""Modules without a test of their own name, and the test that holds them."""

OF_NO_MODULE = {
    "readme": "the README",
    "cli/serve_killed": "the server, its parent and its calls",
    "house": "the rules of the house",
    "config/examples": "the packaged agents, which are files",
    "replay/users_project": "somebody else's tests",
    "review/redacted_speech": "redaction as it is heard",
    "server/strangers": "what strangers try at the whole server",
    "sim/dialects": "one scene in every dialect",
}
"""Tests of something else than one module."""


def modules() -> set[str]:
    """Every module, as its path without the ending."""
    package = ROOT / "voice_agent"
    paths = [path.relative_to(package) for path in package.rglob("*.py") if path.name != "__init__.py"]
    return {path.with_suffix("").as_posix() for path in paths if path.parts[0] != "examples"}


def subjects() -> set[str]:
    """What every test file is named after, but for those that mirror nothing: they stand in folders of their own."""
    paths = [path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")]
    names = {(path.parent / path.stem.removeprefix("test_")).as_posix() for path in paths}
    return {
        name for name in names if not name.startswith(("bench/", "calls/", "fuzz/", "infra/", "planted/", "system/"))
    }


def test_every_module_has_a_test_where_one_looks_for_it() -> None:
    excused = WITHOUT_BEHAVIOUR | set(TESTED_BESIDE)
    without = {
        module
        for module in modules() - subjects() - excused
        if PurePosixPath(module).parent.as_posix() not in TESTED_WHOLE
    }

    assert without == set()


def test_every_test_is_named_after_a_module_or_begins_with_its_name() -> None:
    packages = {path.parent.relative_to(ROOT / "voice_agent").as_posix() for path in sources("voice_agent")}
    known = modules() | set(OF_NO_MODULE)
    # Of what has much to test, each file has a subject: `test_twilio_rest.py`, `test_model_session_options.py`.
    begun = tuple(f"{name}_" for name in modules() | packages)
    without = {
        name
        for name in subjects() - known
        if not name.startswith(begun) and PurePosixPath(name).parent.as_posix() not in TESTED_WHOLE
    }

    assert without == set()


def test_the_exceptions_exist() -> None:
    assert modules() >= WITHOUT_BEHAVIOUR
    assert [test for test in TESTED_BESIDE.values() if not (ROOT / "tests" / test).is_file()] == []
    assert [package for package in TESTED_WHOLE if not (ROOT / "voice_agent" / package).is_dir()] == []


def test_what_is_said_to_have_no_behaviour_has_none() -> None:
    for name in sorted(WITHOUT_BEHAVIOUR):
        tree = ast.parse((ROOT / "voice_agent" / f"{name}.py").read_text(encoding="utf-8"))
        branches = [node for node in ast.walk(tree) if isinstance(node, ast.For | ast.While | ast.If | ast.Match)]
        assert branches == [], name


def test_no_module_is_named_after_nothing() -> None:
    words = {part for module in modules() for part in module.split("/")}

    assert words.isdisjoint({"utils", "util", "helpers", "common", "base", "core", "manager", "handler", "service"})


# --- sizes and excuses -----------------------------------------------------------------------------------------------


def sources(folder: str) -> list[Path]:
    """All Python files of a top folder."""
    return [path for path in ours(ROOT / folder) if path.suffix == ".py"]


def code_lines(source: str) -> set[int]:
    """The lines that are neither blank, nor comment, nor docstring."""
    texts: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            texts.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(source.splitlines(), 1)
    return {at for at, line in lines if line.strip() and not line.strip().startswith("#")} - texts


@pytest.mark.parametrize(("folder", "most"), [("voice_agent", 450), ("tests", 500)])
def test_no_file_is_too_long_to_be_held_in_mind(folder: str, most: int) -> None:
    lengths = {path: len(code_lines(path.read_text(encoding="utf-8"))) for path in sources(folder)}

    assert {str(path): length for path, length in lengths.items() if length > most} == {}


def test_every_exception_from_lint_and_types_says_why() -> None:
    exception = re.compile(r"# (?:noqa: [A-Z0-9]+(?:, [A-Z0-9]+)*|type: ignore\[[a-z, -]+\])(?P<reason>.*)")
    found = [
        (path, match)
        for path in sources("voice_agent")
        for match in exception.finditer(path.read_text(encoding="utf-8"))
    ]

    assert [f"{path}: {match[0]}" for path, match in found if not re.match(r"\s+[-#] \S", match["reason"])] == []
    assert len(found) > 10


def test_tests_use_fakes_not_mocks() -> None:
    patching = re.compile("|".join(("unittest" + ".mock", "Magic" + "Mock", "monkeypatch" + r"\.setattr")))

    assert [path.name for path in sources("tests") if patching.search(path.read_text(encoding="utf-8"))] == []


# --- what no file may hold -------------------------------------------------------------------------------------------

FOREIGN = {
    "a package registry's address": re.compile(r"https?://[^\s/\"']+/(?:simple|packages)/"),
    "an index URL": re.compile(r"--(?:extra-)?index[-]url|--find[-]links|--trusted[-]host"),
    "a path of one machine": re.compile(r"(?<![\w.:$}/])/(?:work|root|Users|home|tmp)/(?!anna/)\w"),
}
"""None of the patterns matches itself. Anna is nobody: a test looks whether her folder gets into a recording."""


@pytest.mark.parametrize("what", FOREIGN)
def test_no_file_holds(what: str) -> None:
    holding = []
    top = [path for name in TOP_FILES for path in ROOT.glob(name)]
    for path in [*top, *(path for folder in TOP for path in ours(ROOT / folder))]:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # sound
        holding += [f"{path.relative_to(ROOT)}: {match[0]}" for match in FOREIGN[what].finditer(text)]

    assert holding == []


def test_the_top_level_holds_nothing_but_the_house() -> None:
    """A tool that is run from there leaves its finds there."""
    known = {"README.md", "CHANGELOG.md", "LICENSE", "Makefile", "pyproject.toml", "requirements.lock"}
    known |= {".env.example", ".gitignore", *TOP}
    kept = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout

    assert {path.partition("/")[0] for path in kept.splitlines()} - known == set()


def test_every_script_can_be_run_as_it_is_named() -> None:
    scripts = [path for folder in TOP for path in ours(ROOT / folder) if path.read_bytes().startswith(b"#!")]

    assert [str(path.relative_to(ROOT)) for path in scripts if not path.stat().st_mode & 0o100] == []
    assert {"run", "test-system.sh"} <= {path.name for path in scripts}


# --- the lock --------------------------------------------------------------------------------------------------------


def locked() -> dict[str, str]:
    """Every line of the lock by the name of its package, continuation lines joined."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return {re.split(r"[=<>!~ \[@]", line, maxsplit=1)[0]: line for line in lines}


def test_every_package_of_the_lock_has_one_version_and_hashes() -> None:
    bad = [
        line for line in locked().values() if not re.match(r"[a-z0-9.-]+==[\w.+]+ .*--hash=sha256:[0-9a-f]{64}", line)
    ]

    assert bad == []
    assert len(locked()) > 20


def test_every_dependency_is_locked() -> None:
    project = PROJECT["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {re.split(r"[=<>!~ ;\[]", line, maxsplit=1)[0].lower() for line in wanted}

    assert names - set(locked()) == set()


def test_the_lock_is_universal() -> None:
    assert "python_full_version >= '3.13'" in locked()["audioop-lts"]
    assert "sys_platform" in locked()["uvloop"]


# --- the layers ------------------------------------------------------------------------------------------------------


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Judge the imports of the package that lies in a folder."""
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run([program], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package's code and its contracts, to be spoilt."""
    ignore = shutil.ignore_patterns("__pycache__", "*.wav")
    shutil.copytree(ROOT / "voice_agent", tmp_path / "voice_agent", ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_layers_hold(copy: Path) -> None:
    done = lint(copy)

    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "complaint"),
    [
        ("call/turns.py", "import asyncio", "voice_agent.call.turns -> asyncio"),
        ("wire/bridge.py", "import time", "voice_agent.wire.bridge -> time"),
        ("sim/world.py", "import random", "voice_agent.sim.world -> random"),
        ("agent.py", "import os", "voice_agent.agent -> os"),
        ("call/turns.py", "import voice_agent.wire.twilio", "voice_agent.call.turns -> voice_agent.wire.twilio"),
        ("server/app.py", "import voice_agent.replay.strict", "voice_agent.server.app -> voice_agent.replay.strict"),
        ("elsewhere/__init__.py", "", "voice_agent.elsewhere"),
    ],
)
def test_a_broken_layer_is_noticed(copy: Path, module: str, line: str, complaint: str) -> None:
    path = copy / "voice_agent" / module
    path.parent.mkdir(exist_ok=True)
    path.touch()
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")

    done = lint(copy)
    assert done.returncode != 0
    assert complaint in done.stdout


# --- the wheel -------------------------------------------------------------------------------------------------------


def test_everything_that_is_no_module_comes_with_a_wheel() -> None:
    package = ROOT / "voice_agent"
    patterns = PROJECT["tool"]["setuptools"]["package-data"]["voice_agent"]
    # setuptools takes these globs as they are (`glob.glob(..., recursive=True)`).
    brought = {path for pattern in patterns for path in package.glob(pattern) if path.is_file()}
    packages = {path.parent for path in ours(package) if path.name == "__init__.py"}
    needed = {path for path in ours(package) if path.suffix != ".py" or path.parent not in packages}

    assert needed - brought == set()
    assert {"apology.wav", "reception.yaml", "py.typed"} <= {path.name for path in brought}


def test_every_folder_of_modules_is_a_package() -> None:
    examples = ROOT / "voice_agent" / "examples"
    folders = {path.parent for path in sources("voice_agent") if not path.is_relative_to(examples)}

    assert [str(folder) for folder in folders if not (folder / "__init__.py").is_file()] == []
