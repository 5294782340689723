"""The Bicep files against the code: variables, the grace, the scaler's metric, the sentences that alerts look for."""

import json
import re
from pathlib import Path

import pytest

from tests.infra.templates import INFRA, bicep, dockerfile_environment
from tests.infra.test_metrics import names
from voice_agent.call.commands import AgentBegan, Note
from voice_agent.config.settings import Settings, read_settings
from voice_agent.live.admission import Refusal
from voice_agent.live.call_log import describe
from voice_agent.wire.endpoint import Endpoint, explain_refusal

FILES = bicep()
APP = FILES["modules/app.bicep"]
ALERTS = FILES["modules/alerts.bicep"]
OF_OTHERS = {"AZURE_CLIENT_ID"}
"""Of azure-identity."""


def environment() -> dict[str, str]:
    """What the servers are given: a value, or the name of a secret."""
    return dict(re.findall(r"\{ name: '([A-Z][A-Z0-9_]*)', (?:value|secretRef): (.*?) \}", APP))


def test_every_variable_is_a_setting() -> None:
    known = set(Settings.__struct_fields__)
    unknown = {name for name in environment() if name.lower().removesuffix("_2") not in known} - OF_OTHERS

    assert unknown == set()
    assert len(environment()) > 12


def test_the_settings_are_whole(tmp_path: Path) -> None:
    examples = {
        "PUBLIC_URL": "https://ca-x.example.azurecontainerapps.io",
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "AZURE_OPENAI_ENDPOINT": "https://oai-x.openai.azure.com/",
        "AZURE_OPENAI_ENDPOINT_2": "https://oai2-x.openai.azure.com/",
        "DATABASE_URL": "postgresql://voice:a%2Fb@psql-x.postgres.database.azure.com/calls?sslmode=verify-full",
        "RECORDINGS_URL": "https://stx.blob.core.windows.net/recordings",
        "MAX_CALLS": "25",
        "DRAIN_SECONDS": "240",
    }
    given = {name: examples.get(name, value.strip("'")) for name, value in environment().items()}
    settings = read_settings({**dockerfile_environment(), **given}, tmp_path / ".env")

    assert (settings.realtime_provider, settings.is_public) == ("azure", True)
    assert settings.azure_openai_api_key is None
    assert [each.name for each in settings.realtime_fallbacks] == ["azure_2"]


def test_what_azd_tells_its_hook_are_whole_settings(tmp_path: Path) -> None:
    told = set(re.findall(r"^output (\w+) ", FILES["main.bicep"], re.MULTILINE))
    examples = {
        "PUBLIC_URL": "https://ca-x.example.azurecontainerapps.io",
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "AZURE_OPENAI_ENDPOINT": "https://oai-x.openai.azure.com/",
        "AZURE_OPENAI_DEPLOYMENT": "realtime",
    }
    given = {"TWILIO_AUTH_TOKEN": "token", "TWILIO_PHONE_NUMBER": "+14255550100"}
    settings = read_settings({**given, **{name: examples[name] for name in examples.keys() & told}}, tmp_path / ".env")

    assert settings.is_public
    assert settings.has_rest


def test_no_secret_is_a_plain_value() -> None:
    secrets = {name for name in environment() if re.search("TOKEN|PASSWORD|SECRET|_KEY|DATABASE_URL", name)}

    assert {name: environment()[name] for name in secrets if f"'{name}', secretRef:" not in APP} == {}
    assert not re.search(r"listKeys|primaryKey|connectionString", "".join(FILES.values()))


def test_secrets_are_parameters_that_nobody_sees() -> None:
    for file, text in FILES.items():
        for name in re.findall(r"^param (\w*(?:Token|Password|password|databaseUrl)\w*) ", text, re.MULTILINE):
            before = text[: text.index(f"param {name} ")].rsplit("\n\n", 1)[-1] + text[: text.index(f"param {name} ")]
            assert "@secure()" in before, f"{file}: {name}"


def test_the_grace_is_the_drain_and_a_minute() -> None:
    (drain,) = re.findall(r"^var drainSeconds = (\d+)$", APP, re.MULTILINE)

    assert int(drain) == Settings().drain_seconds
    assert "terminationGracePeriodSeconds: drainSeconds + 60" in APP
    assert "{ name: 'DRAIN_SECONDS', value: string(drainSeconds) }" in APP


def test_the_metric_of_the_scaler_exists(tmp_path: Path) -> None:
    (metric,) = re.findall(r"valueLocation: '(\w+)'", APP)

    assert metric in names(tmp_path)


def test_the_port_and_the_probes_are_the_server_s() -> None:
    assert set(re.findall(r"(?:targetPort|port): (\d+)", APP)) == {dockerfile_environment()["PORT"]}
    assert re.findall(r"path: (\S+),", APP) == ["'/healthz'", "'/healthz'", "readyPath"]
    assert "var readyPath = empty(imageName) ? '/healthz' : '/readyz'" in APP


PLACEHOLDERS = {"mcr.microsoft.com/dotnet/samples:aspnetapp": ("8080", {"/healthz"})}
"""Where they listen, by ASPNETCORE_HTTP_PORTS of the base image, and what they answer with 200, by `Program.cs`."""


def test_what_stands_in_for_the_first_image_passes_the_probes() -> None:
    (placeholder,) = re.findall(r"^var placeholder = '(\S+)'$", APP, re.MULTILINE)
    port, answered = PLACEHOLDERS[placeholder]

    assert set(re.findall(r"(?:targetPort|port): (\d+)", APP)) == {port}
    assert {*re.findall(r"path: '(/\w+)'", APP), *re.findall(r"empty\(imageName\) \? '(/\w+)'", APP)} <= answered


def test_the_probes_are_within_what_container_apps_allow() -> None:
    """By the reference of `ContainerAppProbe`, whose values are the resource manager's to refuse."""
    assert [most for most in map(int, re.findall(r"failureThreshold: (\d+)", APP)) if not 1 <= most <= 10] == []
    assert [every for every in map(int, re.findall(r"periodSeconds: (\d+)", APP)) if not 1 <= every <= 240] == []


def test_the_alert_of_slow_answers_comes_with_as_many_as_it_says() -> None:
    (told, threshold) = re.findall(r"text: '(\w+) answers in ten minutes.*?threshold: (\d+)", ALERTS, re.DOTALL)[0]

    assert (told, int(threshold)) == ("Five", 5 - 1)  # more than which
    assert "operator: 'GreaterThan'" in ALERTS
    assert "windowSize: 'PT10M'" in ALERTS


def core_notes() -> str:
    """The text of every module that reports."""
    package = INFRA.parent / "voice_agent"
    return "".join(path.read_text(encoding="utf-8") for path in (package / "call").glob("*.py"))


def test_the_sentences_that_alerts_look_for_are_those_of_the_log() -> None:
    begun = [begin for begin in re.findall(r'startswith "([^"]+)"', ALERTS) if not begin.startswith("refused")]

    assert {"another endpoint is asked for the model", "the model is gone"} == set(begun)
    assert [begin for begin in begun if f'"{begin}"' not in core_notes()] == []


def test_an_answer_that_comes_late_is_found_in_the_log() -> None:
    (pattern,) = re.findall(r'extract\("(\^the agent[^"]+)"', ALERTS)
    told = describe(AgentBegan("i1", 3210))
    assert told is not None
    found = re.match(pattern, told[1])

    assert found is not None
    assert found[1] == "3210"


def test_a_quota_that_is_used_up_is_found_in_the_log() -> None:
    (part,) = re.findall(r'contains "([^"]+)"', ALERTS)
    reason = explain_refusal(429, "", Endpoint("wss://x.example", {}))
    told = describe(Note("warning", "another endpoint is asked for the model", {"reason": reason}))
    assert told is not None

    assert part in told[1]


def test_callers_who_are_turned_away_are_found_in_the_log() -> None:
    reasons = re.findall(r'startswith "refused \((.+?)\)"', ALERTS)

    assert set(reasons) == {Refusal.TOO_MANY_CALLS.value, Refusal.TOO_BUSY.value}


@pytest.mark.parametrize("name", ["REALTIME_VERSION", "ALERT_EMAIL", "FALLBACK_LOCATION", "TWILIO_AUTH_TOKEN"])
def test_what_azd_is_told_is_in_the_guide(name: str) -> None:
    assert name in (INFRA / "azure" / "README.md").read_text(encoding="utf-8")


def test_every_parameter_is_in_the_guide() -> None:
    guide = (INFRA / "azure" / "README.md").read_text(encoding="utf-8")
    text = (INFRA / "azure" / "main.parameters.json").read_text(encoding="utf-8")
    values = [each["value"] for each in json.loads(text)["parameters"].values()]
    told = {found[1] for value in values if (found := re.match(r"\$\{(\w+)", value))}
    by_itself = {name for name in told if name.startswith(("AZURE_", "SERVICE_"))}

    assert [name for name in sorted(told - by_itself) if name not in guide] == []
