"""`handoff` in an agent's YAML, and agents that name each other."""

from pathlib import Path

import pytest

from tests.support.agent_files import agent_of, faults_of
from voice_agent.agent import Agent, Handoff, Tool
from voice_agent.config.agents import AgentFolder, load_agents
from voice_agent.config.handoff_tools import handoff_tool, reachable
from voice_agent.errors import ConfigError


def tool_of(lines: str) -> Tool:
    return agent_of(f"tools:\n- handoff: {lines}\n").tools[0]


def write(folder: Path, name: str, *to: str, more: str = "") -> Path:
    tools = "".join(f"- handoff: {other}\n" for other in to)
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\ninstructions: You are {name}.\ntools:\n- hang_up\n{tools}{more}")
    return path


def refusal(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_agents(path)
    return [line.removeprefix(str(path.parent if path.is_file() else path)) for line in str(caught.value).split("\n")]


@pytest.mark.parametrize("lines", ["billing", "{to: billing}", "{to: [billing]}"])
def test_one_agent_is_named_in_any_form_and_the_model_has_no_choice(lines: str) -> None:
    tool = tool_of(lines)

    assert (tool.name, tool.kind, tool.handoff) == ("handoff", "handoff", Handoff(to=("billing",)))
    assert tool.parameters["required"] == ["reason"]
    assert "over to billing" in tool.description


def test_of_several_the_model_chooses_one_by_name() -> None:
    tool = tool_of("{to: [billing, sales], name: pass_on, description: billing knows invoices.}")

    assert (tool.name, tool.handoff) == ("pass_on", Handoff(to=("billing", "sales")))
    assert tool.parameters["properties"]["to"]["enum"] == ["billing", "sales"]
    assert tool.parameters["required"] == ["to", "reason"]
    assert tool.description.startswith("billing knows invoices. First say")


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("{to: []}", '"to" is empty; write the name of another agent, or a list'),
        ("{to: {a: b}}", '"to" cannot be a mapping; write the name of another agent, or a list'),
        ("{to: [billing, billing]}", '"billing" is there twice; keep one'),
        ("{to: my bank}", '"my bank" is no name of an agent; use at most 64 letters, digits, "-" and "_"'),
        ("{name: x}", 'key "to" is missing; write e.g. "to: [billing, sales]"'),
        ("{too: billing}", 'unknown key "too"; write "to"'),
        ("[billing]", '"handoff" must be a mapping, not a list; write e.g. billing, or {to: [billing, sales]}'),
        ("reception", '"reception" is this agent itself; name another one'),
    ],
)
def test_a_fault_is_one_line_with_its_remedy(lines: str, fault: str, tmp_path: Path) -> None:
    found = [line.partition(": ")[2] for line in faults_of(f"tools:\n- handoff: {lines}\n")]
    if not found:  # what is judged with all agents known
        path = tmp_path / "reception.yaml"
        path.write_text(f"name: reception\ninstructions: You.\ntools:\n- handoff: {lines}\n")
        found = [line.partition(": ")[2] for line in refusal(tmp_path)]

    assert fault in found


def test_an_agent_that_is_not_there_is_a_fault_at_the_tool_with_the_nearest_name(tmp_path: Path) -> None:
    write(tmp_path, "desk", "biling", "legal")
    write(tmp_path, "billing")

    assert refusal(tmp_path) == ['/desk.yaml:6:3: a tool "handoff" is there already; a model knows tools by name']

    (tmp_path / "desk.yaml").write_text(
        "name: desk\ninstructions: You.\ntools:\n- handoff: biling\n- handoff: {name: other, to: legal}\n"
    )
    assert refusal(tmp_path) == [
        '/desk.yaml:4:3: no agent is named "biling"; write "billing"',
        '/desk.yaml:5:3: no agent is named "legal"; its file must stand beside this one',
    ]


def test_an_agent_whose_instructions_are_kept_elsewhere_cannot_take_over(tmp_path: Path) -> None:
    write(tmp_path, "desk", "billing")
    (tmp_path / "billing.yaml").write_text("name: billing\nmodel: {prompt: {id: pmpt_1}}\n")

    assert refusal(tmp_path) == [
        '/desk.yaml:5:3: "billing" has no "instructions" of its own, and a session would keep those of desk; write some'
    ]


@pytest.mark.parametrize(("mine", "theirs"), [("audio", "text"), ("audio", "off"), ("text", "off")])
def test_an_agent_of_whom_less_may_be_kept_cannot_take_over(tmp_path: Path, mine: str, theirs: str) -> None:
    write(tmp_path, "desk", "billing", more=f'recording: "{mine}"\n')
    write(tmp_path, "billing", more=f'recording: "{theirs}"\n')

    (told,) = refusal(tmp_path)
    assert told.startswith(
        f'/desk.yaml:5:3: "billing" says "recording: {theirs}", but a call that desk takes is kept as'
    )
    assert told.endswith(f'"{mine}"; write the same')


def test_one_of_whom_more_may_be_kept_can(tmp_path: Path) -> None:
    write(tmp_path, "desk", "billing", more="recording: audio\n")
    write(tmp_path, "billing", more="recording: audio\n")

    assert len(load_agents(tmp_path).all) == 2


def test_one_file_finds_what_it_names_in_the_files_beside_it_and_nothing_else_of_them(tmp_path: Path) -> None:
    path = write(tmp_path, "desk", "billing")
    write(tmp_path, "billing", "legal", more='numbers: ["+14255550101"]\nrecording: audio\n')
    write(tmp_path, "legal")
    (tmp_path / "broken.yaml").write_text("name: [\n")
    agents = load_agents(path)

    assert [agent.name for agent in agents.all] == ["desk"]
    assert [agent.name for agent in agents.reachable(agents.all[0])] == ["billing", "legal"]
    answering = agents.for_number("+14255550101")
    assert answering is not None
    assert answering.name == "desk"


def test_a_change_of_who_is_only_named_serves_the_next_call(tmp_path: Path) -> None:
    path = write(tmp_path, "desk", "billing")
    write(tmp_path, "billing")
    folder = AgentFolder(path)
    before = folder.current()[0]
    write(tmp_path, "billing", more="voice: cedar\n")
    after = folder.current()[0]

    assert [agent.voice for agent in before.reachable(before.all[0])] == ["marin"]
    assert [agent.voice for agent in after.reachable(after.all[0])] == ["cedar"]


def an_agent(name: str, *to: str) -> Agent:
    return Agent(name=name, instructions="x", tools=(handoff_tool(to),) if to else ())


def test_all_that_can_be_reached_step_by_step_are_found_once_also_in_a_loop() -> None:
    agents = {agent.name: agent for agent in map(an_agent, "abcd")}
    agents |= {agent.name: agent for agent in (an_agent("a", "b"), an_agent("b", "c", "a"), an_agent("c", "a", "x"))}

    assert [agent.name for agent in reachable(agents["a"], agents)] == ["b", "c"]
    assert reachable(agents["d"], agents) == ()
