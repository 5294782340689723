"""Builds and runs the image of this folder's Dockerfile without a container engine, and holds a call in it.

    sudo python3 infra/docker/rehearse.py

Every instruction is carried out as it is written, each stage in an overlay over this machine's own root directory with
this very Python in front, so that what is not rehearsed is the base image alone. What comes of it is then run as
`docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges` would: by its user, on a tree that
cannot be written, with a volume. Needs Linux, root, overlayfs and an index for pip.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = Path(__file__).with_name("Dockerfile")
PYTHON = "/usr/local/python"
"""Where this Python lies in the stages."""

INSIDE = "REHEARSING"
"""Set in the process that has mounts of its own."""

START_S = 60
STOP_S = 30


@dataclass
class Stage:
    """One `FROM` and what follows."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)
    tree: Path = Path()
    written: Path = Path()
    """The overlay's upper folder: what the stage has added to the machine."""
    environ: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    volumes: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)


def stages(text: str) -> list[Stage]:
    """Take a Dockerfile apart."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    found: list[Stage] = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            base, *alias = rest.split()
            found.append(Stage(base, alias[1] if alias else ""))
        elif word:
            found[-1].steps.append((word, rest.strip()))
    return found


def say(text: str) -> None:
    """Tell what goes on."""
    print(text, flush=True)


def sh(*command: str | Path) -> None:
    """Run a program of this machine."""
    subprocess.run([str(part) for part in command], check=True)


def lay(stage: Stage, below: Path) -> None:
    """Lay the overlay of a stage."""
    stage.tree, stage.written = below / "tree", below / "written"
    for folder in (stage.tree, stage.written, below / "work"):
        folder.mkdir(parents=True)
    layers = f"lowerdir=/,upperdir={stage.written},workdir={below / 'work'}"
    sh("mount", "-t", "overlay", "overlay", "-o", layers, stage.tree)
    (stage.tree / PYTHON[1:]).mkdir(parents=True)
    sh("mount", "--bind", sys.base_prefix, stage.tree / PYTHON[1:])
    for own in ("proc", "dev"):
        sh("mount", "--rbind", f"/{own}", stage.tree / own)
    path = f"{PYTHON}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    stage.environ = {"PATH": path, "HOME": "/root", "LD_LIBRARY_PATH": f"{PYTHON}/lib"}


def build(all_stages: list[Stage], below: Path) -> Stage:
    """Carry out every instruction; gives the last stage."""
    for number, stage in enumerate(all_stages):
        lay(stage, below / str(number))
        for word, rest in stage.steps:
            say(f"{word} {' '.join(rest.split())[:110]}")
            carry_out(all_stages, stage, word, rest)
    return all_stages[-1]


def carry_out(all_stages: list[Stage], stage: Stage, word: str, rest: str) -> None:
    """Carry out one instruction; one that is not known here ends the rehearsal."""
    match word:
        case "RUN":
            index = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
            index["PIP_QUIET"] = "1"
            order = f"cd {stage.workdir} && {rest}"
            subprocess.run(["chroot", str(stage.tree), "sh", "-ec", order], check=True, env=index | stage.environ)
        case "COPY":
            copy(all_stages, stage, rest.split())
        case "ENV":
            for setting in shlex.split(rest):
                name, _, value = setting.partition("=")
                stage.environ[name] = re.sub(r"\$(\w+)", lambda known: stage.environ[known[1]], value)
        case "WORKDIR":
            stage.workdir = rest
            (stage.tree / rest[1:]).mkdir(parents=True, exist_ok=True)
        case "USER":
            stage.user = rest
        case "VOLUME":
            stage.volumes.append(rest)
        case "HEALTHCHECK":
            stage.health = json.loads(rest[rest.index("CMD") + 3 :])
        case "ENTRYPOINT":
            stage.entrypoint = json.loads(rest)
        case "CMD":
            stage.command = json.loads(rest)
        case "EXPOSE" | "STOPSIGNAL":
            pass
        case _:
            raise SystemExit(f"{DOCKERFILE}: {word} is not known here")


def copy(all_stages: list[Stage], stage: Stage, words: list[str]) -> None:
    """`COPY [--from=STAGE] SOURCE... TARGET`."""
    source, made = ROOT, "__pycache__"
    if words[0].startswith("--from="):
        (source,) = (each.tree for each in all_stages if each.name == words[0].removeprefix("--from="))
        words, made = words[1:], ""
    *names, target = words
    to = stage.tree / os.path.normpath(f"{stage.workdir}/{target}" if target[0] != "/" else target)[1:]
    for name in names:
        path = source / name.lstrip("/")
        if path.is_dir():
            shutil.copytree(path, to, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(made))
        else:
            shutil.copy(path, to)


class Container:
    """The image, run."""

    def __init__(self, image: Stage, below: Path, environ: dict[str, str]) -> None:
        self.image = image
        self.environ = image.environ | {"HOME": image.volumes[0]} | environ
        for volume in image.volumes:
            here, kept = image.tree / volume[1:], below / "volume"
            shutil.copytree(here, kept)
            shutil.copystat(here, kept)
            os.chown(kept, here.stat().st_uid, here.stat().st_gid)
            sh("mount", "--bind", kept, here)
        sh("mount", "-t", "tmpfs", "tmpfs", image.tree / "tmp")
        sh("mount", "-o", "remount,ro,bind", image.tree)

    def start(self, *command: str, output: int | None = None) -> subprocess.Popen[str]:
        """Run a program as the image's user, without any right. `output`: where it goes, errors included."""
        user, _, group = self.image.user.partition(":")
        ids = [f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
        order = f"cd {self.image.workdir} && exec {shlex.join(command)}"
        line = ["chroot", str(self.image.tree), "setpriv", *ids, "sh", "-c", order]
        both = None if output is None else subprocess.STDOUT
        return subprocess.Popen(line, env=self.environ, text=True, stdout=output, stderr=both)

    def run(self, *command: str) -> tuple[int, str]:
        """Run one to its end."""
        process = self.start(*command, output=subprocess.PIPE)
        text, _ = process.communicate(timeout=300)
        return process.returncode, text


def expect(truth: bool, what: str) -> None:
    """Tell one result, or end."""
    say(f"  {'yes' if truth else 'NO '}  {what}")
    if not truth:
        raise SystemExit(1)


def look(container: Container) -> None:
    """Look at what the image holds."""
    home = container.image.written / "opt/voice-agent"
    size = sum(path.lstat().st_size for path in home.rglob("*") if not path.is_symlink())
    say(f"  {size / 1_000_000:.0f} MB in /opt/voice-agent, beside the base image")
    status, text = container.run("touch", "/opt/voice-agent/x")
    expect(status != 0 and "Read-only" in text, "the tree cannot be written")
    status, text = container.run("sh", "-c", "id -u; grep CapEff /proc/self/status")
    expect(text.split() == [container.image.user.partition(":")[0], "CapEff:", "0" * 16], "its user has no right")
    left = [path for path in home.rglob("*") if path.name in {"pip", "gcc", "cc", "ld"} or ".cache" in path.parts]
    expect(not left, "no pip, no compiler and no cache is left")
    # pip makes no bytecode for the other stage's folder; without it every start would compile all of it anew.
    expect(any(home.rglob("*.pyc")), "its modules are compiled")


def serve(container: Container) -> None:
    """Start the image's own command; health check, a call, a stop."""
    began = time.monotonic()
    process = container.start(*container.image.entrypoint, *container.image.command)
    try:
        while container.run(*container.image.health)[0] != 0:
            if process.poll() is not None or time.monotonic() > began + START_S:
                expect(False, "the health check passes")
            time.sleep(0.2)
        expect(True, f"the health check passes, {time.monotonic() - began:.1f} s after the start")
        wav = f"{container.image.volumes[0]}/call.wav"
        url = f"http://127.0.0.1:{container.environ['PORT']}/twilio/voice"
        said = f"{ROOT / 'voice_agent/examples/callers/reception-1.wav'}"
        status, text = container.run("voice-agent", "emulate", "call", "--to", url, "--say", said, "--out", wav)
        say("\n".join(f"       {line}" for line in text.splitlines()))
        expect(status == 0, "an emulated caller is answered")
        stopping = time.monotonic()
        process.send_signal(signal.SIGTERM)
        expect(process.wait(STOP_S) == 0, f"SIGTERM ends it in order, after {time.monotonic() - stopping:.1f} s")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def main() -> None:
    """Rehearse, in mounts of our own, so that nothing of it is left."""
    parser = argparse.ArgumentParser(description="Build and run the image without a container engine.")
    parser.parse_args()
    if INSIDE not in os.environ:
        if sys.platform != "linux" or os.geteuid() != 0:
            raise SystemExit("rehearse: needs Linux and root, for mounts and another user: sudo python3 " + sys.argv[0])
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, *sys.argv])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        # Over a file system of its own: the upper folder of an overlay must not lie in what it covers.
        sh("mount", "-t", "tmpfs", "tmpfs", folder)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        image = build(stages(DOCKERFILE.read_text(encoding="utf-8")), Path(folder))
        container = Container(image, Path(folder), {"PORT": str(port), "HOST": "127.0.0.1"})
        look(container)
        serve(container)
        sh("umount", "--recursive", "--lazy", folder)


if __name__ == "__main__":
    main()
