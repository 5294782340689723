"""What the templates below infra/ say, as data. Linters are `make infra-check`'s; here they are held to the code."""

import re
from pathlib import Path
from typing import Any

import yaml

INFRA = Path(__file__).resolve().parent.parent.parent / "infra"


def documents(path: str) -> list[Any]:
    """Everything in a YAML file."""
    return list(yaml.safe_load_all((INFRA / path).read_text(encoding="utf-8")))


def manifest(kind: str) -> Any:
    """The manifest of a kind; there is one of each."""
    found = [
        document
        for path in sorted((INFRA / "kubernetes").glob("*.yaml"))
        for document in documents(f"kubernetes/{path.name}")
        if document["kind"] == kind
    ]
    (one,) = found
    return one


def pod() -> Any:
    return manifest("Deployment")["spec"]["template"]["spec"]


def unit(name: str) -> dict[str, list[str]]:
    """A unit of systemd: the values of each key, in order."""
    found: dict[str, list[str]] = {}
    for line in (INFRA / "vm" / name).read_text(encoding="utf-8").splitlines():
        if match := re.match(r"(\w+)=(.*)", line):
            found.setdefault(match[1], []).append(match[2])
    return found


def unit_environment() -> dict[str, str]:
    """What the unit sets by itself."""
    settings = " ".join(unit("voice-agent.service")["Environment"]).split()
    return dict(setting.split("=", 1) for setting in settings)


def dockerfile_environment() -> dict[str, str]:
    """What the image sets by itself."""
    text = (INFRA / "docker" / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.removeprefix("ENV ") for line in text.splitlines() if line.startswith("ENV ")]
    return dict(setting.split("=", 1) for setting in lines[-1].split())


def bicep() -> dict[str, str]:
    """Every Bicep file by its name."""
    paths = sorted((INFRA / "azure").rglob("*.bicep"))
    return {path.relative_to(INFRA / "azure").as_posix(): path.read_text(encoding="utf-8") for path in paths}
