"""The guides below infra/: their commands exist, their links lead somewhere, their checks are there."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.templates import INFRA, unit, unit_environment
from tests.test_readme import FENCE, parse
from voice_agent.config.settings import Settings
from voice_agent.live.metrics import COUNTS, PREFIX, TIMES

ROOT = INFRA.parent
GUIDES = sorted(INFRA.rglob("README.md"))
OF_OTHERS = re.compile(
    r"AZURE_|POSTGRES_PASSWORD|REALTIME_(MODEL|VERSION|SKU|CAPACITY)$|FALLBACK_LOCATION|ALERT_EMAIL|TRANSCRIPTION"
    r"|(MIN|MAX|CALLS_PER)_REPLICAS?$"
)
"""Of azd's environment and of PostgreSQL's image."""


def text_of(guide: Path) -> str:
    return guide.read_text(encoding="utf-8")


def commands(guide: Path) -> list[str]:
    """Every command line of ours: in fenced blocks, and in the text."""
    text = text_of(guide)
    blocks = [body.replace("\\\n", " ") for _, language, body in FENCE.findall(text) if language == "sh"]
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    found = (re.search(r"(?:^|bin/|exec voice-agent )(voice-agent .*|make .*)$", line) for line in lines)
    return [match[1] for match in found if match]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.parent.name)
def test_the_commands_of_a_guide_exist(guide: Path) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    found = commands(guide)
    for line in found:
        program, *words = shlex.split(line, comments=True)
        if program == "make":
            assert set(words) <= set(targets), line
        elif words != ["--help"]:
            parse([word for word in words if word != "--remote"] if words[-1] == "--remote" else words)

    assert any("doctor" in line for line in found)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.parent.name)
def test_the_links_of_a_guide_lead_somewhere(guide: Path) -> None:
    links = re.findall(r"\]\(([^)]+)\)", text_of(guide))

    assert [link for link in links if "://" not in link and not (guide.parent / link).exists()] == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.parent.name)
def test_what_a_guide_names_of_ours_exists(guide: Path) -> None:
    inline = re.findall(r"`([^`\n]+)`", FENCE.sub("", text_of(guide)))
    settings = {
        name for name in inline if re.fullmatch(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+", name) and not OF_OTHERS.match(name)
    }
    files = {
        part for text in inline for part in text.split() if re.fullmatch(r"(infra|modules|voice_agent)/[\w/.]+", part)
    }
    metrics = set(re.findall(rf"{PREFIX}(\w+)", text_of(guide)))
    states = {"calls", "calls_in_store", "tool_seconds"}

    assert {name for name in settings if name.lower() not in Settings.__struct_fields__} == set()
    assert [name for name in files if not any((place / name).exists() for place in (ROOT, guide.parent))] == []
    assert metrics - states <= COUNTS.keys() | TIMES.keys()


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.parent.name)
def test_a_guide_says_what_was_not_run_and_ends_its_steps_in_checks(guide: Path) -> None:
    text = text_of(guide)

    assert re.search(r"not\s+run\s+by\s+us|has\s+been\s+built\s+by\s+us|was\s+run\s+by\s+us", text)
    steps = re.findall(r"^\d+\. .*?(?=^\d+\. |^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert len(steps) >= 3
    if guide.parent.name in {"azure", "kubernetes", "vm"}:
        without = [step.splitlines()[0] for step in steps if "Check" not in step and "doctor" not in step]
        assert [step for step in without if "number" not in step and "settings" not in step] == []


def test_what_has_to_be_filled_in_for_kubernetes_is_what_the_check_of_the_guide_finds() -> None:
    manifests = INFRA / "kubernetes"
    (pattern,) = re.findall(r"`grep -nE '(.+?)' infra/kubernetes/\*\.yaml`", text_of(manifests / "README.md"))
    found = [
        line.strip()
        for path in sorted(manifests.glob("*.yaml"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(pattern, line)
    ]

    assert found == [
        "image: registry.example.com/voice-agent:0.1.0",
        "- hosts: [phone.example.com]",
        "- host: phone.example.com",
        "PUBLIC_URL: https://phone.example.com",
        "TWILIO_ACCOUNT_SID: AC00000000000000000000000000000000",
        "AZURE_OPENAI_ENDPOINT: https://your-resource.openai.azure.com",
        "AZURE_OPENAI_DEPLOYMENT: your-deployment",
    ]


def test_the_doctor_of_a_machine_has_what_the_service_has() -> None:
    (order,) = re.findall(r"sudo (systemd-run .*?)\n *```", text_of(INFRA / "vm" / "README.md"), re.DOTALL)
    given = dict(re.findall(r"-p (\w+)=(\S+)", order))
    service = unit("voice-agent.service")

    assert {name: value for name, value in given.items() if service[name] != [value]} == {}
    assert {"DynamicUser", "User", "StateDirectory", "EnvironmentFile", "LimitNOFILE"} <= given.keys()
    environment = unit_environment()
    assert {name: value for name, value in re.findall(r"-E (\w+)=(\S+)", order) if environment[name] != value} == {}


def test_the_agent_that_the_guide_of_a_machine_copies_is_whole(tmp_path: Path) -> None:
    (files,) = re.findall(r"sudo cp (.*) /etc/voice-agent/agents/", text_of(INFRA / "vm" / "README.md"))
    for name in files.split():
        shutil.copy(ROOT / name, tmp_path)
    load = "import sys; from pathlib import Path; from voice_agent.config.agents import load_agents"
    # In a process of its own: the tools of the packaged agents may be imported here.
    done = subprocess.run(
        [sys.executable, "-c", f"{load}; load_agents(Path(sys.argv[1]))", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
