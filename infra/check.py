"""Checks every template below infra/ with its own linter, and then each of these with a mistake that is planted.

`make infra-check` runs this in an environment that has the linters. What only the code can tell - whether a variable is
a setting, a metric exists, a grace is long enough - is held by tests/infra.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import yaml
from bicep_names import faults as faults_of_bicep

HERE = Path(__file__).resolve().parent

OLDEST_KUBERNETES, NEWEST_KUBERNETES = "1.30", "1.37"

EXPOSURE = 15
"""Tenths of systemd's own measure of how much a unit could do; the unit has 14, two of them for `setpriority`."""

YAML_STYLE = """
extends: default
ignore: [node_modules]
rules:
  line-length: {max: 120}
  document-start: disable
  comments: {min-spaces-from-content: 1}
  braces: {max-spaces-inside: 0}
"""


def failure(*command: str | Path) -> str:
    """Run a linter; gives what it says if it complains."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip() or "failed" if done.returncode else ""


def words(*command: str | Path) -> str:
    """Run a linter that is silent where all is well, and does not always fail where it is not."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip() or ("failed" if done.returncode else "")


def check_dockerfile(infra: Path) -> str:
    """Hadolint."""
    return failure("hadolint", infra / "docker" / "Dockerfile")


def check_compose(infra: Path) -> str:
    """The schema of the Compose specification."""
    return failure("check-jsonschema", "--builtin-schema", "vendor.compose-spec", infra / "docker" / "compose.yaml")


def check_kubernetes(infra: Path) -> str:
    """The schemas of the API, of the oldest and the newest version, without unknown fields."""
    files = sorted((infra / "kubernetes").glob("*.yaml"))
    versions = (OLDEST_KUBERNETES, NEWEST_KUBERNETES)
    # An API that it does not know is a warning to it.
    return "".join(words("kubernetes-validate", "--strict", "--quiet", "-k", each, *files) for each in versions)


def check_security(infra: Path) -> str:
    """Checkov over the image, the manifests and the Bicep files."""
    # By its module: in a path with a space its script has no interpreter.
    options = ("--skip-download", "--config-file", infra / "checkov.yaml", "--directory", infra)
    return failure(sys.executable, "-m", "checkov.main", *options)


def check_alerts(infra: Path) -> str:
    """Promtool."""
    return failure("promtool", "check", "rules", infra / "prometheus" / "alerts.yaml")


def check_units(infra: Path) -> str:
    """systemd-analyze: unknown keys and values, and how much the unit could do."""
    with tempfile.TemporaryDirectory() as folder:
        units = [Path(folder, name) for name in ("voice-agent.service", "voice-agent.socket")]
        for unit in units:
            text = (infra / "vm" / unit.name).read_text(encoding="utf-8")
            # The program need not be installed here.
            unit.write_text(text.replace("/opt/voice-agent/bin/voice-agent serve", shutil.which("true") or ""))
        # A key that it does not know is a warning to it.
        known = words("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *units)
        rate = failure(
            "systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", "--no-pager", units[0]
        )
    return known + rate


def check_caddy(infra: Path) -> str:
    """Caddy reads it, and would write it so."""
    file = infra / "vm" / "Caddyfile"
    text = file.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        # Validating opens the log.
        copy = Path(folder, "Caddyfile")
        copy.write_text(text.replace("/var/log/caddy", folder), encoding="utf-8")
        read = failure("caddy", "validate", "--adapter", "caddyfile", "--config", copy)
    return read or failure("caddy", "fmt", "--diff", file)


def check_shell(infra: Path) -> str:
    """Shellcheck."""
    return failure("shellcheck", *sorted(infra.rglob("*.sh")))


def check_yaml(infra: Path) -> str:
    """Yamllint."""
    return failure("yamllint", "--strict", "--config-data", YAML_STYLE, infra)


def check_bicep(infra: Path) -> str:
    """It parses, and every name that is used, given or asked for is declared; see `bicep_names`."""
    return "\n".join(faults_of_bicep(infra / "azure" / "main.bicep"))


def check_azd(infra: Path) -> str:
    """Paths and parameters that the files of azd name exist; its schema is not at hand."""
    return "\n".join(_faults_of_azd(infra / "azure"))


def _faults_of_azd(azure: Path) -> Iterator[str]:
    project = yaml.safe_load((azure / "azure.yaml").read_text(encoding="utf-8"))
    if unknown := project.keys() - {"name", "infra", "services", "hooks"}:
        yield f"azure.yaml: unknown {sorted(unknown)}"
    infra = project["infra"]
    if not (azure / infra["path"] / f"{infra['module']}.bicep").is_file():
        yield "azure.yaml: infra names no Bicep file"
    for name, service in project["services"].items():
        place = azure / service["project"]
        if not (place / service["docker"]["path"]).is_file():
            yield f"azure.yaml: {name} has no Dockerfile"
        if not (place / service["docker"]["context"] / "pyproject.toml").is_file():
            yield f"azure.yaml: {name}'s context is not the project"
        bicep = (azure / "modules" / "app.bicep").read_text(encoding="utf-8")
        if f"'azd-service-name': '{name}'" not in bicep:
            yield f"azure.yaml: no app has the tag of {name}"
    for name, hook in project["hooks"].items():
        if name not in {"postdeploy", "postprovision"} or not (azure / hook["run"]).is_file():
            yield f"azure.yaml: hook {name} is unknown, or runs nothing"
    given = json.loads((azure / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]
    main = (azure / "main.bicep").read_text(encoding="utf-8")
    declared = dict(re.findall(r"^param (\w+) \w+( = .*)?$", main, re.MULTILINE))
    for name in given.keys() - declared.keys():
        yield f"main.parameters.json: main.bicep has no parameter {name}"
    for name in declared.keys() - given.keys():
        if not declared[name]:
            yield f"main.parameters.json: nothing is said of {name}, which has no default"


CHECKS: dict[str, Callable[[Path], str]] = {
    "docker/Dockerfile": check_dockerfile,
    "docker/compose.yaml": check_compose,
    "kubernetes/*.yaml": check_kubernetes,
    "prometheus/alerts.yaml": check_alerts,
    "vm/*.service, *.socket": check_units,
    "vm/Caddyfile": check_caddy,
    "azure/*.bicep": check_bicep,
    "azure/azure.yaml, main.parameters.json": check_azd,
    "*.sh": check_shell,
    "*.yaml": check_yaml,
    "security of image, manifests and Bicep": check_security,
}


@dataclass(frozen=True)
class Plant:
    """A mistake."""

    check: Callable[[Path], str]
    """What has to notice it."""
    file: str
    old: str
    new: str


PLANTS = (
    Plant(check_dockerfile, "docker/Dockerfile", "WORKDIR /src", "WORKDIR src"),
    Plant(check_dockerfile, "docker/Dockerfile", 'CMD ["serve"]', "CMD serve"),
    Plant(check_compose, "docker/compose.yaml", "read_only: true", "readonly: true"),
    Plant(check_kubernetes, "kubernetes/deployment.yaml", "terminationGracePeriodSeconds", "terminationGraceSeconds"),
    Plant(check_kubernetes, "kubernetes/deployment.yaml", "sleep: {seconds: 10}", "sleep: {seconds: ten}"),
    Plant(check_kubernetes, "kubernetes/ingress.yaml", "pathType: Prefix\n", "\n"),
    Plant(check_kubernetes, "kubernetes/autoscaler.yaml", "minReplicas: 2", "minReplica: 2"),
    Plant(check_kubernetes, "kubernetes/disruption.yaml", "policy/v1", "policy/v3"),
    Plant(check_kubernetes, "kubernetes/service.yaml", "port: 80,", 'port: "http",'),
    Plant(
        check_alerts, "prometheus/alerts.yaml", "sum(increase(voice_agent_calls_broken_total[10m]))", "sum(increase("
    ),
    Plant(check_alerts, "prometheus/alerts.yaml", "for: 5m", "fore: 5m"),
    Plant(check_units, "vm/voice-agent.service", "TimeoutStopSec=65", "TimeoutStopSeconds=65"),
    Plant(check_units, "vm/voice-agent.service", "CapabilityBoundingSet=\n", ""),
    Plant(check_units, "vm/voice-agent.socket", "Backlog=512", "Backlog=many"),
    Plant(check_caddy, "vm/Caddyfile", "stream_timeout 2h", "stream_timeout soon"),
    Plant(check_caddy, "vm/Caddyfile", "\treverse_proxy", "  reverse_proxy"),
    Plant(check_bicep, "azure/modules/app.bicep", "targetPort: 8080", "targetPort: 8080 8081"),
    Plant(check_bicep, "azure/modules/app.bicep", "dependsOn: [pull]", "dependsOn: [push]"),
    Plant(check_bicep, "azure/main.bicep", "zoneId: network.outputs.databaseZoneId", "zoneId: network.outputs.zone"),
    Plant(check_bicep, "azure/main.bicep", "    email: alertEmail\n", ""),
    Plant(check_bicep, "azure/main.bicep", "    email: alertEmail\n", "    email: alertEmail\n    phone: alertEmail\n"),
    Plant(check_bicep, "azure/modules/alerts.bicep", "param email string", "param email string\nparam phone string"),
    Plant(check_azd, "azure/azure.yaml", "run: ./point.sh", "run: ./points.sh"),
    Plant(check_azd, "azure/main.parameters.json", '"alertEmail"', '"alertMail"'),
    Plant(check_shell, "azure/point.sh", '"$PUBLIC_URL" >', "$PUBLIC_URL >"),
    Plant(check_yaml, "kubernetes/settings.yaml", "  labels:", "   labels:"),
    Plant(check_security, "kubernetes/deployment.yaml", "allowPrivilegeEscalation: false", "privileged: true"),
    Plant(check_security, "docker/Dockerfile", "USER 10001:10001\n", ""),
    Plant(check_security, "azure/modules/model.bicep", "disableLocalAuth: true", "disableLocalAuth: false"),
)


def check_all(infra: Path) -> bool:
    """Run every check, two at a time; prints a line for each."""
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda check: check(infra), CHECKS.values()))
    for what, complaint in zip(CHECKS, results, strict=True):
        print(f"{'wrong' if complaint else 'ok':<6} {what}")
        if complaint:
            print("       " + complaint.replace("\n", "\n       "))
    return not any(results)


def notices(plant: Plant) -> bool:
    """Plant a mistake in a copy, and see whether its check notices."""
    with tempfile.TemporaryDirectory() as folder:
        # azd's files name the project around them.
        for name in ("pyproject.toml", "infra"):
            source = HERE.parent / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, Path(folder, name))
        file = Path(folder, "infra", plant.file)
        text = file.read_text(encoding="utf-8")
        assert plant.old in text, f"{plant.file} has no {plant.old!r} any more: plant another mistake"
        file.write_text(text.replace(plant.old, plant.new, 1), encoding="utf-8")
        return bool(plant.check(Path(folder, "infra")))


def check_checks() -> bool:
    """Plant every mistake; prints a line for each kind of file, and for each mistake that nobody has noticed."""
    with ThreadPoolExecutor(2) as pool:
        noticed = list(pool.map(notices, PLANTS))
    for plant, good in zip(PLANTS, noticed, strict=True):
        if not good:
            print(f"wrong  nothing has noticed {plant.new!r} in {plant.file}")
    files = len({plant.file for plant in PLANTS})
    print(f"{sum(noticed)} of {len(PLANTS)} planted mistakes in {files} files were noticed")
    return all(noticed) and {plant.check for plant in PLANTS} == set(CHECKS.values())


def main() -> int:
    """Check; 0 if all is well."""
    parser = argparse.ArgumentParser(description="Check the templates below infra/.")
    parser.add_argument("--no-plants", action="store_true", help="leave the checks themselves unchecked")
    no_plants = parser.parse_args().no_plants
    good = check_all(HERE)
    return 0 if good and (no_plants or check_checks()) else 1


if __name__ == "__main__":
    sys.exit(main())
