import os
import shutil
from pathlib import Path

import pytest

from voice_agent.audio.wav import write_mono
from voice_agent.config.agents import AgentFolder, Agents, OneAgent, agent_named, agent_paths, load_agent, load_agents
from voice_agent.errors import ConfigError


def write(folder: Path, name: str, added: str = "") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\ninstructions: You answer.\n{added}", encoding="utf-8")
    return path


def touch(path: Path, later_ns: int) -> None:
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + later_ns))


def refusal(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load_agents(path)
    return str(raised.value).splitlines()


def test_an_agent_knows_the_folder_of_its_file(tmp_path: Path) -> None:
    agent = load_agent(write(tmp_path, "a"))

    assert (agent.name, agent.folder) == ("a", str(tmp_path.resolve()))


def test_a_number_reaches_the_agent_that_names_it(tmp_path: Path) -> None:
    write(tmp_path, "a", "numbers: ['+14255550100']\nrecording: off\n")
    write(tmp_path, "b", "default: true\n")
    agents = load_agents(tmp_path)

    named, other = agents.for_number("+14255550100"), agents.for_number("+14255550199")

    assert named is not None
    assert named.name == "a"
    assert other is not None
    assert other.name == "b"


def test_without_a_default_only_the_only_agent_takes_other_calls(tmp_path: Path) -> None:
    write(tmp_path, "a", "numbers: ['+14255550100']\nrecording: off\n")
    only = load_agents(tmp_path).for_number("client:bob")
    write(tmp_path, "b")

    assert only is not None
    assert only.name == "a"
    assert load_agents(tmp_path).for_number("client:bob") is None
    assert Agents([]).for_number("+1") is None


def test_an_agent_is_found_by_name(tmp_path: Path) -> None:
    write(tmp_path, "a")
    agents = load_agents(tmp_path)

    assert agents.named("a") is agents.all[0]
    assert agents.named("b") is None


def test_files_of_the_local_model_are_not_agents(tmp_path: Path) -> None:
    write(tmp_path, "b")
    write(tmp_path, "a.dialogue")
    write(tmp_path, "a.expect")
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "c.yml").write_text("name: c\ninstructions: x\n")

    assert [path.name for path in agent_paths(tmp_path)] == ["b.yaml", "c.yml"]


def test_faults_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, "a", "voise: x\n")
    write(tmp_path, "b", "voise: x\nlimit: 3\n")

    assert refusal(tmp_path) == [
        f'{tmp_path}/a.yaml:3:1: unknown key "voise"; write "voice"',
        f'{tmp_path}/b.yaml:3:1: unknown key "voise"; write "voice"',
        f'{tmp_path}/b.yaml:4:1: unknown key "limit"; write "limits"',
    ]


def test_two_agents_cannot_claim_the_same_number_name_or_default(tmp_path: Path) -> None:
    write(tmp_path, "a", "numbers: ['+14255550100']\nrecording: off\ndefault: true\n")
    write(tmp_path, "b", "numbers: ['+14255550100']\nrecording: off\ndefault: true\n")
    (tmp_path / "b.yaml").write_text((tmp_path / "b.yaml").read_text().replace("name: b", "name: a"))

    assert refusal(tmp_path) == [
        f'{tmp_path}/b.yaml:1:7: "a" is the name of another agent too ({tmp_path}/a.yaml:1:7)',
        f'{tmp_path}/b.yaml:3:11: "+14255550100" reaches another agent too ({tmp_path}/a.yaml:3:11); keep one',
        f'{tmp_path}/b.yaml:5:10: only one agent can be "default: true" ({tmp_path}/a.yaml:5:10 is too)',
    ]


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "x") == [
        f"{tmp_path}/x: cannot be read (No such file or directory); AGENTS is a file or folder of agents"
    ]
    assert refusal(tmp_path) == [f"{tmp_path}: no agent here; put a file such as reception.yaml into it"]


def test_where_nobody_may_look_is_named_likewise(tmp_path: Path) -> None:
    # As a folder of somebody else's or of a network that is down, for root may look into any.
    path = tmp_path / ("x" * 300)

    assert refusal(path) == [f"{path}: cannot be read (File name too long); AGENTS is a file or folder of agents"]
    with pytest.raises(ConfigError, match="File name too long"):
        AgentFolder(path)


def test_a_file_that_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"name: a\ninstructions: \xff\n")
    (tmp_path / "b.yaml").mkdir()

    assert refusal(tmp_path) == [
        f"{tmp_path}/a.yaml:2: not UTF-8 text; save the file as UTF-8",
        f"{tmp_path}/b.yaml: cannot be read: Is a directory",
    ]


def test_an_unchanged_folder_is_not_read_again(tmp_path: Path) -> None:
    write(tmp_path, "a")
    folder = AgentFolder(tmp_path)

    first, second = folder.current(), folder.current()

    assert first[0] is second[0]
    assert (first[1], second[1]) == ("", "")


def test_a_changed_file_serves_the_next_call(tmp_path: Path) -> None:
    path = write(tmp_path, "a")
    folder = AgentFolder(tmp_path)
    before, _ = folder.current()
    write(tmp_path, "a", "voice: cedar\n")
    touch(path, 1_000_000)

    after, problem = folder.current()

    assert [before.all[0].voice, after.all[0].voice] == ["marin", "cedar"]
    assert problem == ""


def test_a_changed_clip_beside_a_file_serves_the_next_call(tmp_path: Path) -> None:
    write_mono(tmp_path / "sorry.wav", b"\x90" * 800)
    write(tmp_path, "a", "last_resort: {clip: sorry.wav}\n")
    folder = AgentFolder(tmp_path)
    write_mono(tmp_path / "sorry.wav", b"\x90" * 1600)

    agents, _ = folder.current()

    assert agents.all[0].last_resort is not None
    assert len(agents.all[0].last_resort.clip) == 1600


def test_a_new_file_and_a_deleted_one_are_changes(tmp_path: Path) -> None:
    path = write(tmp_path, "a")
    folder = AgentFolder(tmp_path)
    write(tmp_path, "b")
    assert len(folder.current()[0].all) == 2
    path.unlink()

    assert [agent.name for agent in folder.current()[0].all] == ["b"]


def test_a_broken_change_keeps_the_last_good_agents_and_is_told_once(tmp_path: Path) -> None:
    path = write(tmp_path, "a")
    folder = AgentFolder(path)
    write(tmp_path, "a", "voise: cedar\n")

    agents, problem = folder.current()
    again, silence = folder.current()

    assert problem == (f'agents not reloaded, the last good ones stay:\n{path}:3:1: unknown key "voise"; write "voice"')
    assert silence == ""
    assert agents is again
    assert agents.all[0].name == "a"


def test_agents_are_broken_for_as_long_as_a_change_is(tmp_path: Path) -> None:
    write(tmp_path, "a")
    folder = AgentFolder(tmp_path)
    before = folder.broken()
    write(tmp_path, "a", "voise: cedar\n")
    during = [folder.broken(), folder.broken()]
    problem = folder.current()[1]
    write(tmp_path, "a")

    assert (before, during, folder.broken()) == (False, [True, True], False)
    assert "voise" in problem


def test_a_broken_change_that_was_met_in_passing_is_told_to_whoever_tells_it(tmp_path: Path) -> None:
    path = write(tmp_path, "a")
    folder = AgentFolder(path)
    write(tmp_path, "a", "voise: cedar\n")

    assert folder.latest().all[0].name == "a"
    assert "voise" in folder.current()[1]
    assert folder.current()[1] == ""


def test_a_folder_that_vanishes_keeps_the_last_good_agents_until_it_is_back(tmp_path: Path) -> None:
    path = write(tmp_path, "a")
    folder = AgentFolder(tmp_path)
    tmp_path.rename(tmp_path.with_name("elsewhere"))
    _, problem = folder.current()
    tmp_path.with_name("elsewhere").rename(tmp_path)
    write(tmp_path, "a", "voice: cedar\n")
    agents, silence = folder.current()

    assert "No such file" in problem
    assert (agents.all[0].voice, silence) == ("cedar", "")
    assert path.exists()


def test_a_link_that_leads_nowhere_is_no_change_but_an_error_when_read(tmp_path: Path) -> None:
    write(tmp_path, "a")
    folder = AgentFolder(tmp_path)
    (tmp_path / "b.yaml").symlink_to(tmp_path / "nowhere")

    assert folder.current()[1] == ""


def test_a_file_that_changes_while_the_agents_are_read_serves_the_next_call(tmp_path: Path) -> None:
    path = write(tmp_path, "a", f"tools: [python: {tmp_path.name}_tools:answer]\n")
    (tmp_path / f"{tmp_path.name}_tools.py").write_text(
        "from pathlib import Path\n"
        f"path = Path({str(path)!r})\n"
        "path.write_text(path.read_text() + 'voice: cedar\\n')\n"
        "def answer() -> str:\n"
        "    'Answers.'\n"
        "    return ''\n"
    )
    folder = AgentFolder(tmp_path)

    assert folder.current()[0].all[0].voice == "cedar"


def test_an_agent_that_was_missed_beside_the_only_file_is_found_when_it_is_there(tmp_path: Path) -> None:
    path = write(tmp_path, "a")
    folder = AgentFolder(path)
    write(tmp_path, "a", "tools: [handoff: night]\n")
    _, problem = folder.current()
    write(tmp_path, "night")

    agents, silence = folder.current()

    assert 'no agent is named "night"' in problem
    assert ([agent.name for agent in agents.beside], silence) == (["night"], "")


def published(folder: Path, version: str, instructions: str) -> None:
    """Write an agent with a tool as a ConfigMap of Kubernetes lies in a pod: links to a folder that is exchanged."""
    (folder / version).mkdir()
    (folder / version / "a.yaml").write_text(
        f"name: a\ninstructions: {instructions}\ntools: [python: tools_of_a_config_map:book]\n"
    )
    (folder / version / "tools_of_a_config_map.py").write_text('def book(day: str) -> str:\n    """Book."""\n')
    (folder / "..new").symlink_to(version)
    (folder / "..new").rename(folder / "..data")
    for name in ("a.yaml", "tools_of_a_config_map.py"):
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")


def test_an_agent_of_a_config_map_is_reloaded_with_the_tools_that_it_had(tmp_path: Path) -> None:
    published(tmp_path, "..1", "One.")
    folder = AgentFolder(tmp_path)
    published(tmp_path, "..2", "Two.")
    shutil.rmtree(tmp_path / "..1")

    agents, problem = folder.current()

    assert (agents.all[0].instructions, problem) == ("Two.", "")


def test_the_tools_of_an_agent_that_is_a_link_stand_beside_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "here").mkdir()
    write(tmp_path / "kept", "a")
    (tmp_path / "here" / "a.yaml").symlink_to(tmp_path / "kept" / "a.yaml")

    assert load_agent(tmp_path / "here" / "a.yaml").folder == str((tmp_path / "kept").resolve())


def test_what_an_editor_keeps_hidden_is_no_agent(tmp_path: Path) -> None:
    write(tmp_path, "a")
    (tmp_path / ".#a.yaml").symlink_to("somebody@nowhere.1")
    (tmp_path / "._a.yaml").write_bytes(b"\x00\x05\x16\x07")

    assert [agent.name for agent in load_agents(tmp_path).all] == ["a"]


def test_a_broken_folder_does_not_start_a_server(tmp_path: Path) -> None:
    write(tmp_path, "a", "voise: x\n")

    with pytest.raises(ConfigError):
        AgentFolder(tmp_path)


def test_an_agent_is_looked_up_among_files_by_its_name(tmp_path: Path) -> None:
    write(tmp_path, "a")
    write(tmp_path, "broken", "unknown: key\n")
    assert agent_named(tmp_path, "a").name == "a"

    with pytest.raises(ConfigError) as raised:
        agent_named(tmp_path, "b")
    lines = str(raised.value).splitlines()
    assert f"{tmp_path / 'broken.yaml'}:3:1: unknown key" in lines[0]  # it may have been meant
    assert lines[1] == f'{tmp_path}: no agent is named "b" here; there are a'


def test_one_agent_takes_every_call(tmp_path: Path) -> None:
    agents, problem = OneAgent(load_agent(write(tmp_path, "a"))).current()

    assert agents.for_number("+14255550199") is agents.named("a")
    assert problem == ""
