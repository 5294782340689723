"""The image: what is installed into it is what is locked, and no more gets to it than it needs."""

import re

from tests.infra.templates import INFRA, documents

ROOT = INFRA.parent


def locked(path: str) -> dict[str, str]:
    """Every package of a lock with its version, markers and hashes."""
    text = (ROOT / path).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return {re.split(r"[=<>!~ \[@]", line, maxsplit=1)[0]: " ".join(line.split()) for line in lines}


def hashes(line: str) -> set[str]:
    return set(re.findall(r"sha256:[0-9a-f]{64}", line))


def test_the_image_s_packages_are_those_of_the_lock() -> None:
    all_packages = locked("requirements.lock")
    for lock in ("infra/docker/run.lock", "infra/docker/build.lock"):
        for name, line in locked(lock).items():
            assert line.split()[0] == all_packages[name].split()[0], name
            assert hashes(line) == hashes(all_packages[name]), name
            assert hashes(line)


def test_the_image_has_what_production_needs_and_nothing_of_the_workshop() -> None:
    names = set(locked("infra/docker/run.lock"))

    assert {"fastapi", "azure-identity", "psycopg-binary", "prometheus-client", "uvloop"} <= names
    assert names.isdisjoint({"pytest", "mypy", "ruff", "onnxruntime", "moonshine-voice", "hibari-tts", "mcp"})


def test_only_what_is_named_gets_to_the_builder() -> None:
    lines = (INFRA / "docker" / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()

    assert next(line for line in lines if not line.startswith("#")) == "*"
    assert not any(".env" in line for line in lines if line.startswith("!"))


def test_the_image_runs_as_nobody_in_particular() -> None:
    text = (INFRA / "docker" / "Dockerfile").read_text(encoding="utf-8")
    (compose,) = documents("docker/compose.yaml")
    service = compose["services"]["voice-agent"]

    assert re.findall(r"^USER (.*)$", text, re.MULTILINE) == ["10001:10001"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
