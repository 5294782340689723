import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.support.console import a_browser
from voice_agent.config.agent_keys import schema_text
from voice_agent.config.agents import AgentFolder, OneAgent
from voice_agent.server.console.agent_files import AgentFiles, agent_file_routes

DESK = "name: desk\ndefault: true\ninstructions: Answer.\nrecording: off\n"
NIGHT = "name: night\ninstructions: Answer at night.\nrecording: off\n"


class Site:
    """A browser at the agents' files of a folder."""

    def __init__(self, agents: AgentFolder, post: Callable[..., Awaitable[httpx2.Response]], get: Any) -> None:
        self.agents = agents
        self._post = post
        self.get = get

    async def post(self, what: str, text: str, file: str = "desk.yaml", **more: str) -> tuple[int, Any]:
        answer = await self._post(f"/console/api/agents/{what}", {"file": file, "text": text, **more})
        return answer.status_code, answer.json()

    async def version(self) -> str:
        told = (await self.get("/console/api/agents")).json()
        version: str = told["files"][0]["version"]
        return version


def at_site(folder: Path, script: Callable[[Site], Awaitable[None]], *, edit: bool = True) -> None:
    (folder / "desk.yaml").write_text(DESK)
    (folder / "night.yaml").write_text(NIGHT)

    async def main() -> None:
        agents = AgentFolder(folder)
        async with asyncio.timeout(60), a_browser([agent_file_routes(AgentFiles(agents, edit=edit))]) as browser:
            await script(Site(agents, browser.post, browser.get))

    asyncio.run(main())


def test_the_files_are_shown_as_they_are_on_the_disk(tmp_path: Path) -> None:
    (tmp_path / "dental").mkdir()
    (tmp_path / "dental" / "other.yaml").write_text(DESK)

    async def script(site: Site) -> None:
        told = (await site.get("/console/api/agents")).json()
        assert told["edit"] is False
        assert told["below"] == ["dental"]
        assert [(file["file"], file["text"]) for file in told["files"]] == [("desk.yaml", DESK), ("night.yaml", NIGHT)]
        assert (await site.get("/console/api/agents/schema")).text == schema_text()

    at_site(tmp_path, script, edit=False)


def test_a_file_with_line_ends_of_windows_is_given_as_a_browser_shows_it_and_does_not_seem_changed(
    tmp_path: Path,
) -> None:
    async def script(site: Site) -> None:
        (tmp_path / "desk.yaml").write_bytes(DESK.replace("\n", "\r\n").encode())
        (tmp_path / "night.yaml").write_bytes(NIGHT.replace("\n", "\r").encode())
        told = (await site.get("/console/api/agents")).json()
        assert [file["text"] for file in told["files"]] == [DESK, NIGHT]

    at_site(tmp_path, script)


def test_a_folder_that_is_not_there_any_more_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "agents"
    folder.mkdir()

    async def script(site: Site) -> None:
        shutil.rmtree(folder)
        listed = await site.get("/console/api/agents")
        checked = await site.post("check", DESK)
        assert (listed.status_code, checked[0]) == (409, 409)
        assert "cannot be read (No such file or directory)" in listed.json()["detail"]
        assert checked[1] == listed.json()

    at_site(folder, script)


@pytest.mark.parametrize("what", ["check", "differences", "save"])
def test_nothing_is_changed_where_that_is_off(tmp_path: Path, what: str) -> None:
    async def script(site: Site) -> None:
        assert (await site.post(what, NIGHT, version=await site.version()))[0] == 403
        assert (tmp_path / "desk.yaml").read_text() == DESK

    at_site(tmp_path, script, edit=False)


def test_what_is_wrong_is_told_with_line_and_column_and_what_to_write_instead(tmp_path: Path) -> None:
    async def script(site: Site) -> None:
        status, told = await site.post("check", DESK.replace("default:", "defult:") + "voice: marrin\n")
        assert status == 200
        assert told["faults"] == [
            {"line": 2, "column": 1, "what": 'unknown key "defult"; write "default"'},
            {"line": 5, "column": 8, "what": told["faults"][1]["what"]},
        ]
        assert 'write "marin"' in told["faults"][1]["what"]
        assert await site.post("check", DESK) == (200, {"faults": []})
        assert (await site.post("check", ""))[1]["faults"][0]["line"] == 1
        assert (await site.post("check", "x" * 40_000))[1]["faults"][0]["line"] == 1

    at_site(tmp_path, script)


def test_a_good_draft_is_written_in_one_step_and_serves_the_next_call(tmp_path: Path) -> None:
    async def script(site: Site) -> None:
        path = tmp_path / "desk.yaml"
        path.chmod(0o640)
        os.utime(path, (1, 1))
        assert site.agents.current()[1] == ""
        text = DESK.replace("Answer.", "Answer briefly.")
        status, told = await site.post("save", text, version=await site.version())
        assert status == 200
        assert [(line["kind"], line["text"]) for line in told["lines"]] == [
            ("place", "@@ -1,4 +1,4 @@"),
            ("same", "name: desk"),
            ("same", "default: true"),
            ("removed", "instructions: Answer."),
            ("added", "instructions: Answer briefly."),
            ("same", "recording: off"),
        ]
        assert path.read_text() == text
        assert path.stat().st_mode & 0o777 == 0o640
        agent = site.agents.current()[0].named("desk")
        assert agent is not None
        assert agent.instructions == "Answer briefly."
        assert told["saved"]["version"] == await site.version()

    at_site(tmp_path, script)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["desk.yaml", "night.yaml"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("name: desk\n", "instructions"), (DESK.replace("name: desk", "name: night"), "the name of another agent")],
)
def test_what_is_not_good_is_not_written(tmp_path: Path, text: str, complaint: str) -> None:
    async def script(site: Site) -> None:
        status, told = await site.post("save", text, version=await site.version())
        assert status == 422
        assert complaint in told["detail"]
        assert (tmp_path / "desk.yaml").read_text() == DESK

    at_site(tmp_path, script)


def test_what_somebody_else_has_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    async def script(site: Site) -> None:
        version = await site.version()
        (tmp_path / "desk.yaml").write_text(DESK + "voice: cedar\n")
        status, told = await site.post("save", DESK.replace("Answer.", "Hello."), version=version)
        assert status == 409
        assert "has changed meanwhile" in told["detail"]
        assert "cedar" in (tmp_path / "desk.yaml").read_text()

    at_site(tmp_path, script)


def test_of_two_who_save_at_once_one_is_told_that_the_file_has_changed(tmp_path: Path) -> None:
    async def script(site: Site) -> None:
        version = await site.version()
        texts = [DESK.replace("Answer.", said) for said in ("Good morning.", "Good evening.")]
        answers = await asyncio.gather(*(site.post("save", text, version=version) for text in texts))
        assert sorted(status for status, _ in answers) == [200, 409]
        (saved,) = (text for text, (status, _) in zip(texts, answers, strict=True) if status == 200)
        assert (tmp_path / "desk.yaml").read_text() == saved

    at_site(tmp_path, script)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["desk.yaml", "night.yaml"]


def test_a_file_keeps_its_kind_of_line_ends_and_stays_where_its_link_leads(tmp_path: Path) -> None:
    async def script(site: Site) -> None:
        kept = tmp_path / "elsewhere"
        kept.mkdir()
        (kept / "desk").write_bytes(DESK.replace("\n", "\r\n").encode())
        (tmp_path / "desk.yaml").unlink()
        (tmp_path / "desk.yaml").symlink_to(kept / "desk")
        status, told = await site.post("save", DESK.replace("Answer.", "Hello."), version=await site.version())
        assert status == 200
        assert (tmp_path / "desk.yaml").is_symlink()
        assert (kept / "desk").read_bytes() == DESK.replace("Answer.", "Hello.").replace("\n", "\r\n").encode()
        assert [line["kind"] for line in told["lines"]].count("added") == 1

    at_site(tmp_path, script)


@pytest.mark.parametrize(
    "file", ["other.yaml", "../desk.yaml", "/etc/passwd", "desk.dialogue.yaml", "", "night.yaml\0"]
)
def test_only_agents_files_can_be_named(tmp_path: Path, file: str) -> None:
    async def script(site: Site) -> None:
        (tmp_path / "desk.dialogue.yaml").write_text("turns: []\n")
        for what in ("check", "differences", "save"):
            assert (await site.post(what, DESK, file))[0] == 404

    at_site(tmp_path, script)


def test_an_agent_without_a_file_cannot_be_changed(tmp_path: Path) -> None:
    (tmp_path / "desk.yaml").write_text(DESK)
    agent = AgentFolder(tmp_path).current()[0].all[0]
    files = AgentFiles(OneAgent(agent), edit=True)

    assert not files.edit
    assert files.files() == []
