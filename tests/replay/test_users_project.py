"""A project of somebody else: the package as a wheel, pytest, one recording, and nothing of this repository."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
CALL = ROOT / "tests" / "calls" / "interrupted.call"
PACKED = ("voice_agent", "pyproject.toml", "README.md", "LICENSE")

TEST = """
import sys
import voice_agent

def test_hours(replay):
    assert voice_agent.__file__.startswith(sys.prefix)
    call = replay("hours.call")
    assert call.ended == "completed"
    assert call.interruptions[0].heard_ms > 1000
    assert call.cost.tokens > 0
"""


class Project:
    """A folder, and an interpreter of its own that has the package."""

    def __init__(self, folder: Path, python: Path, package: Path) -> None:
        self.folder = folder
        self.package = package
        """The installed one."""
        self._python = python

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run `python -m ...` there."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PYTHON", "COV"))
        }
        done = subprocess.run(
            [self._python, "-m", *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def pytest(self, *options: str) -> tuple[int, str]:
        return self.run("pytest", "-p", "no:randomly", "-p", "no:cacheprovider", *options)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built from a copy: a build leaves things behind."""
    copy, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in PACKED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--wheel-dir", built, copy], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def project(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The packages that ours needs come from this interpreter; ours comes from the wheel."""
    tmp_path = tmp_path_factory.mktemp("user")
    venv.create(tmp_path / "venv", symlinks=True)
    paths = {"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    site = Path(sysconfig.get_path("purelib", vars=paths))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # A path that stands in such a file is no site folder: such files of its own, e.g. of a package that is being worked
    # on, are not read.
    (site / "needed.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    folder = tmp_path / "bookshop"
    (folder / "calls").mkdir(parents=True)
    shutil.copy(CALL, folder / "calls" / "hours.call")
    shutil.copy(CALL.with_suffix(".expect.yaml"), folder / "calls" / "hours.expect.yaml")
    (folder / "calls" / "test_hours.py").write_text(TEST, encoding="utf-8")
    return Project(folder, tmp_path / "venv" / "bin" / "python", site / "voice_agent")


@pytest.mark.parametrize("way", ["resimulated", "strict"])
def test_a_call_is_collected_and_passes(project: Project, way: str) -> None:
    options = [] if way == "resimulated" else [f"--calls={way}"]
    status, out = project.pytest("-v", *options)

    assert status == 0, out
    assert f"calls/hours.call::{way} PASSED" in out
    assert "calls/test_hours.py::test_hours PASSED" in out
    assert "2 passed" in out


def test_a_caller_is_spoken_to_the_local_model_server(project: Project, tmp_path: Path) -> None:
    # The shortest one: it is held in real time.
    for kind in (".call", ".expect.yaml"):
        shutil.copy(CALL.with_name(f"hung-up-in-the-greeting{kind}"), tmp_path)
    status, out = project.pytest("-v", "--calls=emulator", str(tmp_path))

    assert status == 0, out
    assert "hung-up-in-the-greeting.call::emulator PASSED" in out


CUT = "position - segment.start, 0)"


@contextmanager
def cuts_a_millisecond_late(package: Path) -> Iterator[None]:
    """As a careless change of the bridge would make them."""
    playback = package / "call" / "playback.py"
    text = playback.read_text(encoding="utf-8")
    assert text.count(CUT) == 1, f"{playback.name} measures a cut otherwise today: plant the millisecond there"
    playback.write_text(text.replace(CUT, f"position + 8 - {CUT.removeprefix('position - ')}"), encoding="utf-8")
    yield
    playback.write_text(text, encoding="utf-8")


def test_a_millisecond_in_the_bridge_s_cuts_fails_strictly_and_the_cause_can_be_told(project: Project) -> None:
    with cuts_a_millisecond_late(project.package):
        status, out = project.pytest("--calls=strict")
    told = out[out.index("differs at") :].splitlines()

    assert status == 1
    assert "2 failed" in out
    assert re.fullmatch(r"differs at 00:09\.\d{3}, step \d+: Interrupted \(Barge-in: the agent was cut\)", told[0])
    assert re.search(
        r"^  > 00:09\.\d{3}  Interrupted heard_ms 2975, item_id 'item_3', basis 'mark'$", out, re.MULTILINE
    )
    assert "  that is:       heard_ms: 2975 -> 2976" in told
    assert "audio_end_ms: 2975 -> 2976" in next(line for line in told if line.startswith("  and with it:"))
    # Nothing of the package's insides, neither for the file nor for the test in Python.
    assert "site-packages" not in out
