import argparse
from datetime import date
from pathlib import Path

import pytest

from voice_agent.cli.check import arguments, examine, run
from voice_agent.config.agent_keys import schema_text
from voice_agent.config.settings import PACKAGED_AGENTS

TODAY = date(2026, 11, 22)


def write(folder: Path, name: str, added: str = "") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\ninstructions: You answer.\n{added}", encoding="utf-8")
    return path


def told(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_path_and_what_is_tried_may_be_given() -> None:
    parser = argparse.ArgumentParser()
    arguments(parser)

    usual = {"path": None, "live": False, "talk": False, "against": "emulator", "schema": False}
    assert vars(parser.parse_args([])) == usual
    assert vars(parser.parse_args(["agents", "--live"])) == usual | {"path": "agents", "live": True}
    assert vars(parser.parse_args(["--talk", "a.yaml"])) == usual | {"path": "a.yaml", "talk": True}


def test_a_list_of_words_that_is_not_there_is_no_good_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"REDACT": "on", "REDACT_WORDS": str(tmp_path / "words.txt")}

    assert examine(None, live=False, environ=environ, env_file=None, today=TODAY) == 1
    assert "words.txt" in told(capsys)[1]


def test_the_schema_of_agents_is_printed_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(schema=True) == 0
    assert capsys.readouterr().out == schema_text()


def test_a_fresh_machine_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    status = examine(None, live=False, environ={}, env_file=None, today=TODAY)

    assert status == 0
    assert told(capsys) == [
        "settings: OK: http://127.0.0.1:8080, model of emulator",
        f"{PACKAGED_AGENTS}/reception.yaml: OK: reception; answers every other number; tools: opening_hours, hang_up",
        f"{PACKAGED_AGENTS}/reminder.yaml: OK: reminder; answers no number yet; tools: note_answer, hang_up",
        f"{PACKAGED_AGENTS}/table.yaml: OK: table; answers no number yet; tools: free_table, hang_up",
    ]


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (
            {"AZURE_OPENAI_DEPLOYMENT": "gpt-4o-realtime-preview"},
            "warning: Azure retired gpt-4o-realtime-preview on 2026-03-24; use gpt-realtime-2.1",
        ),
        (
            {"AZURE_OPENAI_DEPLOYMENT": "gpt-4o-mini-realtime-preview"},
            "warning: Azure retired gpt-4o-mini-realtime-preview on 2026-03-24; use gpt-realtime-2.1-mini",
        ),
        (
            {"REALTIME_DIALECT": "preview"},
            "AZURE_OPENAI_API_VERSION: must be set for REALTIME_DIALECT=preview, e.g. to 2025-04-01-preview",
        ),
        (
            {"REALTIME_DIALECT": "ga", "AZURE_OPENAI_API_VERSION": "2025-04-01-preview"},
            "REALTIME_DIALECT: is ga, but AZURE_OPENAI_API_VERSION asks for preview; remove one of them",
        ),
    ],
)
def test_a_retired_model_and_a_form_that_does_not_fit_are_told_before_a_call(
    environ: dict[str, str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    azure = {
        "AZURE_OPENAI_ENDPOINT": "https://r.openai.azure.com",
        "AZURE_OPENAI_DEPLOYMENT": "gpt-realtime-2.1",
        "AZURE_OPENAI_API_KEY": "k",
    }

    assert examine(None, live=False, environ=azure | environ, env_file=None, today=TODAY) == 1
    assert line in told(capsys)


def test_one_agent_alone_answers_every_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "a")

    assert examine(path, live=False, environ={}, env_file=None, today=TODAY) == 0
    assert told(capsys)[1] == f"{path}: OK: a; answers every number; tools: none"


def test_good_agents_and_faults_are_told_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "a", "numbers: ['+14255550100']\nrecording: off\n")
    write(tmp_path, "b", "voise: marin\nlimit: 3\n")

    assert examine(tmp_path, live=False, environ={}, env_file=None, today=TODAY) == 1
    assert told(capsys)[1:] == [
        f"{tmp_path}/a.yaml: OK: a; answers +14255550100; tools: none",
        f'{tmp_path}/b.yaml:3:1: unknown key "voise"; write "voice"',
        f'{tmp_path}/b.yaml:4:1: unknown key "limit"; write "limits"',
    ]


def test_agents_that_claim_the_same_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, "a", "default: true\n")
    write(tmp_path, "b", "default: true\n")

    assert examine(tmp_path, live=False, environ={}, env_file=None, today=TODAY) == 1
    assert told(capsys)[-1] == (
        f'{tmp_path}/b.yaml:3:10: only one agent can be "default: true" ({tmp_path}/a.yaml:3:10 is too)'
    )


def test_settings_and_agents_are_examined_although_both_are_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"PORT": "x", "LOG_LEVEL": "y", "AGENTS": str(tmp_path), "OPENAI_API_KEYS": "k"}

    assert examine(None, live=True, environ=environ, env_file=None, today=TODAY) == 1
    assert told(capsys) == [
        'PORT: must be a whole number from 0 to 65535, not "x"',
        'LOG_LEVEL: cannot be "y"; known are debug, info, warning, error',
        'warning: OPENAI_API_KEYS: unknown; is it meant to be "OPENAI_API_KEY"?',
        f"{tmp_path}: no agent here; put a file such as reception.yaml into it",
        "live: nothing tried; correct the settings first",
    ]


def test_live_names_what_is_not_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert examine(None, live=True, environ={}, env_file=None, today=TODAY) == 0
    assert told(capsys)[4:] == [
        "not tried  PUBLIC_URL: is of this machine alone; a real call needs the https address of a tunnel or a proxy",
        "not tried  TWILIO_ACCOUNT_SID: is not set; calls cannot be ended by REST",
        "not tried  REALTIME_PROVIDER: is the local Realtime server, which needs no account",
        "not tried  LLM_URL: is not set; the local Realtime server answers from dialogue files",
    ]


def test_a_credential_that_is_refused_is_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"LLM_URL": "http://127.0.0.1:1/v1", "LLM_MODEL": "m"}

    assert examine(None, live=True, environ=environ, env_file=None, today=TODAY) == 1
    assert told(capsys)[-1].startswith("wrong      LLM_URL: http://127.0.0.1:1/v1 cannot be reached (")


def test_what_the_model_refuses_is_told_where_it_stands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "a", "model:\n  reasoning_effort: low\n")
    environ = {"OPENAI_API_KEY": "k", "OPENAI_REALTIME_MODEL": "gpt-realtime-1.5"}

    assert examine(path, live=False, environ=environ, env_file=None, today=TODAY) == 1
    assert told(capsys)[-1] == (
        f'{path}:4:21: gpt-realtime-1.5 knows no "model.reasoning_effort"; remove it, or use gpt-realtime-2.1'
    )
    assert examine(path, live=False, environ={"OPENAI_API_KEY": "k"}, env_file=None, today=TODAY) == 0


def test_an_unknown_model_is_a_warning_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"OPENAI_API_KEY": "k", "OPENAI_REALTIME_MODEL": "gpt-realtime-3"}

    assert examine(write(tmp_path, "a"), live=False, environ=environ, env_file=None, today=TODAY) == 0
    assert 'warning: nothing is known of a model "gpt-realtime-3": what it can do is not checked' in told(capsys)


def test_all_files_of_the_settings_that_cannot_be_read_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"PRICES": str(tmp_path), "REDACT_WORDS": str(tmp_path)}

    assert examine(None, live=False, environ=environ, env_file=None, today=TODAY) == 1
    lines = told(capsys)
    assert any(line.startswith(f"PRICES: {tmp_path} cannot be read") for line in lines)
    assert any(line.startswith(f"REDACT_WORDS: {tmp_path} cannot be read") for line in lines)


def test_the_deployment_that_a_transcription_needs_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "a", "transcription: {model: ears}\n")
    azure = {"ENDPOINT": "https://r.openai.azure.com", "DEPLOYMENT": "gpt-realtime-2.1", "API_KEY": "k"}
    environ = {f"AZURE_OPENAI_{name}": value for name, value in azure.items()}

    assert examine(path, live=False, environ=environ, env_file=None, today=TODAY) == 0
    assert told(capsys)[-1].startswith(f'warning: {path}: transcription needs a deployment named "ears"')


HTTP = """
tools:
  - http: {name: find, description: Find., url: "https://93.184.215.14/", headers: {X-Api-Key: "${CALENDAR_KEY}"}}
"""


def test_a_variable_that_a_header_names_is_looked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "desk", HTTP)

    assert examine(path, live=False, environ={}, env_file=None, today=TODAY) == 1
    assert told(capsys)[-1] == (
        f'{path}:5:5: "${{CALENDAR_KEY}}" is not set; set CALENDAR_KEY in the environment or in .env'
    )
    assert examine(path, live=False, environ={"CALENDAR_KEY": "s3cret-s3cret"}, env_file=None, today=TODAY) == 0


def test_the_hosts_of_the_agents_tools_are_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, "desk", HTTP)
    examine(path, live=True, environ={"CALENDAR_KEY": "s3cret-s3cret"}, env_file=None, today=TODAY)

    assert told(capsys)[-1] == "ok         desk.find: 93.184.215.14 was not asked anything"


CALENDAR = """
tools:
  - mcp:
      server_label: calendar
      server_url: ${CALENDAR_URL}
      authorization: ${CALENDAR_TOKEN}
"""


@pytest.mark.parametrize(
    ("environ", "lines"),
    [
        (
            {},
            [
                '5:5: "${CALENDAR_URL}" is not set; set CALENDAR_URL in the environment or in .env',
                '5:5: "${CALENDAR_TOKEN}" is not set; set CALENDAR_TOKEN in the environment or in .env',
            ],
        ),
        (
            {"CALENDAR_URL": "http://mcp.example.com/s3cret", "CALENDAR_TOKEN": "s3cret-s3cret"},
            ['5:5: "server_url" must begin with https:// when it is filled in, or lead to this machine'],
        ),
        ({"CALENDAR_URL": "https://mcp.example.com/s3cret", "CALENDAR_TOKEN": "s3cret-s3cret"}, []),
    ],
)
def test_a_variable_that_an_agent_names_is_looked_for(
    tmp_path: Path, environ: dict[str, str], lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "desk", CALENDAR)
    status = examine(path, live=False, environ=environ, env_file=None, today=TODAY)
    out = capsys.readouterr().out

    assert status == bool(lines)
    assert [line.removeprefix(f"{path}:") for line in out.splitlines()[1:] if ": OK: " not in line] == lines
    assert "s3cret" not in out
    assert ("tools: those of calendar" in out) is not bool(lines)


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        (
            {"AZURE_OPENAI_DEPLOYMENT": "gpt-4o-realtime-preview"},
            'gpt-4o-realtime-preview knows no "tools.mcp"; remove it, or use gpt-realtime-2.1',
        ),
        (
            {"AZURE_OPENAI_DEPLOYMENT": "reception", "AZURE_OPENAI_API_VERSION": "2025-04-01-preview"},
            "the preview dialect knows no MCP servers; use a model and an address of GA form, or a python tool",
        ),
    ],
)
def test_a_model_and_a_dialect_without_mcp_are_told_with_the_remedy(
    tmp_path: Path, environ: dict[str, str], fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, "desk", CALENDAR)
    azure = {"AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com", "AZURE_OPENAI_API_KEY": "key"}
    values = {"CALENDAR_URL": "https://mcp.example.com", "CALENDAR_TOKEN": "s3cret-s3cret"}
    status = examine(path, live=False, environ=azure | values | environ, env_file=None, today=TODAY)

    assert status == 1
    assert f"{path}:5:5: {fault}" in told(capsys)
