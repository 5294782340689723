"""Every variable that a template sets is one of ours, and what a template sets can be read."""

import re
from pathlib import Path

import pytest

from tests.infra.templates import INFRA, dockerfile_environment, documents, manifest, pod, unit_environment
from voice_agent.config.settings import Settings, read_settings

OF_OTHERS = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "OPENBLAS_NUM_THREADS"}
"""Of Python and of numpy."""


@pytest.mark.parametrize(
    "names", [set(dockerfile_environment()), set(unit_environment()), set(manifest("ConfigMap")["data"])]
)
def test_every_variable_is_a_setting(names: set[str]) -> None:
    unknown = {name for name in names - OF_OTHERS if name.lower() not in Settings.__struct_fields__}

    assert unknown == set()
    assert names


def test_the_settings_of_kubernetes_are_whole(tmp_path: Path) -> None:
    environ = {**dockerfile_environment(), **manifest("ConfigMap")["data"]}
    secrets = {"TWILIO_AUTH_TOKEN": "token", "DATABASE_URL": "postgresql://voice:secret@db.example/calls"}
    settings = read_settings({**environ, **secrets}, tmp_path / ".env")

    assert (settings.realtime_provider, settings.is_public, settings.host) == ("azure", True, "0.0.0.0")
    container = pod()["containers"][0]
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {str(settings.data), str(settings.agents)} <= mounted
    assert container["ports"][0]["containerPort"] == settings.port


def test_the_settings_of_a_machine_are_whole(tmp_path: Path) -> None:
    text = (INFRA / "vm" / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^ *```ini\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "settings").write_text("\n".join(line.strip() for line in block.splitlines()), encoding="utf-8")

    settings = read_settings(unit_environment(), tmp_path / "settings")
    assert settings.is_public
    assert settings.has_rest
    assert settings.log_format == "json"


def test_compose_takes_all_settings_from_the_file_that_the_guide_names() -> None:
    (compose,) = documents("docker/compose.yaml")
    service = compose["services"]["voice-agent"]

    # What stood beside it would win over the file, even if it were empty.
    assert "environment" not in service
    assert [(INFRA / "docker" / each["path"]).resolve() for each in service["env_file"]] == [INFRA.parent / ".env"]


def test_who_answers_health_checks_is_the_server() -> None:
    paths = {pod()["containers"][0][probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")}

    assert paths == {"/healthz"}
    assert pod()["containers"][0]["readinessProbe"]["httpGet"]["path"] == "/readyz"


@pytest.mark.parametrize("given", [unit_environment(), {**dockerfile_environment(), "AGENTS": "/agents"}])
def test_a_copy_of_the_example_file_takes_nothing_away_that_a_unit_or_an_image_has_set(given: dict[str, str]) -> None:
    """A file of settings wins over both: `EnvironmentFile=` of systemd, `env_file` of Compose, empty values too."""
    copied = dict(
        line.split("=", 1)
        for line in (INFRA.parent / ".env.example").read_text(encoding="utf-8").splitlines()
        if re.match(r"[A-Z0-9_]+=", line)
    )

    assert copied
    assert read_settings({**given, **copied}) == read_settings(given)


def test_a_certificate_that_is_to_be_checked_is_checked_by_a_file_that_is_there() -> None:
    """Without `sslrootcert` libpq looks in the user's own folder alone, which no unit and no image has."""
    root = INFRA.parent
    paths = [root / ".env.example", *root.joinpath("voice_agent").rglob("*.md")]
    paths += [path for path in INFRA.rglob("*") if path.suffix in {".md", ".bicep", ".yaml"}]
    shown = [found for path in paths for found in re.findall(r"sslmode=verify-full\S*", path.read_text("utf-8"))]

    assert [found for found in shown if "&sslrootcert=/etc/ssl/certs/ca-certificates.crt" not in found] == []
    assert len(shown) >= 4
