"""The units of systemd against what the program does."""

from tests.infra.templates import INFRA, unit

PACKAGE = INFRA.parent / "voice_agent"


def test_what_works_behind_the_calls_may_lower_its_priority() -> None:
    lowering = [path for path in PACKAGE.rglob("*.py") if "os.nice(" in path.read_text(encoding="utf-8")]
    first, *later = unit("voice-agent.service")["SystemCallFilter"]
    allowed = set(first.split())
    for line in later:
        allowed = allowed - set(line[1:].split()) if line.startswith("~") else allowed | set(line.split())

    assert lowering
    assert "@resources" in " ".join(later)  # which has it, and takes it away
    assert "setpriority" in allowed
