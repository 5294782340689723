import json
import sys
from pathlib import Path

import pytest

from voice_agent.audio.wav import write_mono
from voice_agent.config.agent_file import AgentFile
from voice_agent.config.agents import AgentFolder, Demands
from voice_agent.config.drafts import Drafts
from voice_agent.config.references import References
from voice_agent.config.secret import Secret
from voice_agent.errors import ConfigError

DESK = """
name: desk
default: true
instructions: Answer.
recording: off
tools:
  - python: tests.config.sample_tools:asynchronous
  - http:
      name: slots
      description: Find slots.
      url: https://api.example.com/slots
      headers: {Authorization: "Bearer ${CALENDAR_KEY}"}
  - http: {name: ours, description: Ask ours., url: "http://127.0.0.1:9/x", allow_private: true}
  - mcp: {server_label: crm, server_url: "https://mcp.example.com/mcp", authorization: "${CRM_TOKEN}"}
"""
OTHER = "name: other\nnumbers: ['+14255550100']\ninstructions: Answer.\nrecording: off\n"
VALUES = References({"CALENDAR_KEY": Secret("calendar-key"), "CRM_TOKEN": Secret("crm-token-1")})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "desk.yaml").write_text(DESK)
    (tmp_path / "other.yaml").write_text(OTHER)
    return tmp_path


class Site:
    """The files of a folder, with the agents in force."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        agents = AgentFolder(folder, Demands(references=VALUES))
        self.in_force, _ = agents.current()
        self.drafts = Drafts(agents)

    def read(self, text: str, name: str = "desk.yaml") -> AgentFile:
        return self.drafts.read(self._folder / name, text, self.in_force)


def faults(folder: Path, text: str, name: str = "desk.yaml") -> str:
    with pytest.raises(ConfigError) as caught:
        Site(folder).read(text, name)
    return str(caught.value)


def test_what_an_agent_says_can_be_changed_and_it_keeps_its_tools(folder: Path) -> None:
    file = Site(folder).read(DESK.replace("Answer.", "Answer briefly."))

    assert file.agent.instructions == "Answer briefly."
    assert [tool.name for tool in file.agent.tools] == ["asynchronous", "slots", "ours"]
    assert file.agent.tools[0].parameters["required"] == ["day"]


def test_a_fault_is_told_with_its_place_as_that_of_a_file(folder: Path) -> None:
    told = faults(folder, DESK.replace("instructions:", "instruction:"))

    assert f'{folder}/desk.yaml:4:1: unknown key "instruction"; write "instructions"' in told


@pytest.mark.parametrize(
    "target", ["tests.config.sample_tools:with_fields", "imported_by_draft:run", "subprocess:getoutput"]
)
def test_no_python_is_run_that_no_agent_in_force_has(folder: Path, target: str) -> None:
    (folder / "imported_by_draft.py").write_text("raise SystemExit('imported')")

    told = faults(folder, DESK.replace("tests.config.sample_tools:asynchronous", target))

    assert f'desk.yaml:7:5: "{target}" is no tool of an agent in force' in told
    assert "imported_by_draft" not in sys.modules


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("https://api.example.com/", "https://thief.example/", "sends ${CALENDAR_KEY} to https://thief.example"),
        ("Bearer ${CALENDAR_KEY}", "Bearer ${CRM_TOKEN}", "sends ${CRM_TOKEN} to https://api.example.com"),
        ("https://mcp.example.com/mcp", "https://thief.example/mcp", "sends ${CRM_TOKEN} to https://thief.example/mcp"),
        ("http://127.0.0.1:9/", "http://10.0.0.7/", '"allow_private: true" for http://10.0.0.7'),
        ("http://127.0.0.1:9/", "http://127.0.0.1:10/", '"allow_private: true" for http://127.0.0.1:10'),
    ],
)
def test_no_secret_and_no_request_goes_where_no_agent_in_force_sends_it(
    folder: Path, before: str, after: str, complaint: str
) -> None:
    told = faults(folder, DESK.replace(before, after))

    assert complaint in told
    assert "desk.yaml:" in told


def test_a_secret_may_go_to_another_path_of_where_it_goes(folder: Path) -> None:
    text = DESK.replace("https://api.example.com/slots", "https://API.example.com/free")

    assert Site(folder).read(text).agent.name == "desk"


def test_the_callers_look_up_is_held_to_the_same(folder: Path) -> None:
    look_up = "lookup: {url: 'https://thief.example/', headers: {A: '${CRM_TOKEN}'}, variables: {who: who}}"

    told = faults(folder, f"{DESK}variables: {{who: you}}\n{look_up}\n")

    assert "no agent in force sends ${CRM_TOKEN} to https://thief.example" in told


def test_a_clip_must_be_one_of_theirs(folder: Path) -> None:
    write_mono(folder / "sorry.wav", b"\x10" * 800)

    assert "no agent in force has this clip" in faults(folder, f"{DESK}last_resort: {{clip: sorry.wav}}\n")


@pytest.mark.parametrize(
    "text",
    [
        "{{ 7 ** (10 ** 7) }}",
        "{{ 'a' * 9999999999 }}",
        "{{ '%9999999999d' % 1 }}",
        "{{ caller | center(9999999999) }}",
        "{{ caller.ljust(9999999999) }}",
        "{% for a in caller %}{% for b in caller %}{% for c in caller %}{% endfor %}{% endfor %}{% endfor %}",
        "{% set x = caller ~ caller %}{{ x }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    ],
)
@pytest.mark.parametrize("key", ["greeting", "consent", "on_machine"])
def test_no_work_without_end_is_begun_for_a_text(folder: Path, text: str, key: str) -> None:
    written = {"leave": text} if key == "on_machine" else text

    told = faults(folder, f"{DESK}{key}: {json.dumps(written)}\n")

    assert "no agent in force has this text, and a draft's has no loops, calls, products or powers" in told


def test_variables_and_conditions_may_be_changed_and_a_text_of_theirs_stays(folder: Path) -> None:
    loop = "{% for digit in caller %}{{ digit }} {% endfor %}"
    (folder / "other.yaml").write_text(f"{OTHER}greeting: {json.dumps(loop)}\n")
    said = "{% if caller[:2] == '+1' and called %}Hi{% else %}{{ 'Hello ' ~ caller | default('you') }}{% endif %}"

    for greeting in (said, loop):
        assert Site(folder).read(f"{DESK}greeting: {json.dumps(greeting)}\n").agent.greeting == greeting


def test_a_draft_must_agree_with_the_other_files(folder: Path) -> None:
    taken = DESK.replace("default: true", "default: true\nnumbers: ['+14255550100']")

    assert '"+14255550100" reaches another agent too' in faults(folder, taken)
    assert '"other" is the name of another agent too' in faults(folder, DESK.replace("name: desk", "name: other"))


def test_what_is_wrong_with_another_file_does_not_keep_a_draft_from_being_good(folder: Path) -> None:
    site = Site(folder)
    (folder / "other.yaml").write_text("name: [")

    assert site.read(DESK).agent.name == "desk"


def test_a_draft_stands_among_the_agents_in_force_in_the_place_of_its_file(folder: Path) -> None:
    site = Site(folder)
    file = site.read(DESK.replace("name: desk", "name: front"))

    among = site.drafts.among(file, folder / "desk.yaml", site.in_force)
    assert [agent.name for agent in among.all] == ["front", "other"]


def test_only_agents_own_files_have_drafts(folder: Path) -> None:
    (folder / "desk.dialogue.yaml").write_text("[]")
    ours = Site(folder).drafts

    assert [path.name for path in ours.paths()] == ["desk.yaml", "other.yaml"]
    assert ours.path("desk.yaml") == folder / "desk.yaml"
    assert [ours.path(name) for name in ("desk.dialogue.yaml", "../desk.yaml", "tools.py", "")] == [None] * 4
