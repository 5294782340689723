"""The agents' files in the browser: read, judged while they are typed, tried before they are saved, saved.

Where `CONSOLE_EDIT` is off they can only be looked at. What a draft may not bring is `config.drafts`' affair. It must
not know what an agent does.
"""

import asyncio
import difflib
import hashlib
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import msgspec
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from voice_agent.config.agent_file import AgentFile
from voice_agent.config.agent_keys import schema_text
from voice_agent.config.agents import AgentFolder, AgentSource
from voice_agent.config.drafts import Drafts
from voice_agent.errors import ConfigError, ConfigErrors
from voice_agent.server.console.answers import json_of, read
from voice_agent.server.reception import Chosen

logger = logging.getLogger(__name__)

CONTEXT_LINES = 3
"""Of a difference, around what differs."""


class File(msgspec.Struct, frozen=True):
    """One file, as it is on the disk."""

    file: str
    """Its name within the folder."""
    text: str
    version: str
    """Changes whenever the file does."""


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with a draft, and where, both counted from 1."""

    line: int
    column: int
    what: str


class Difference(msgspec.Struct, frozen=True):
    """One line of a difference."""

    kind: Literal["place", "added", "removed", "same"]
    text: str


class Draft(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file's text that is not saved."""

    file: str
    text: str
    version: str = ""
    """Of the file that was changed; only for saving."""


class AgentFiles:
    """Those of one server."""

    def __init__(self, agents: AgentSource, *, edit: bool) -> None:
        """`edit`: files may be changed."""
        self._agents = agents
        self._drafts = Drafts(agents) if isinstance(agents, AgentFolder) else None
        self.edit = edit and self._drafts is not None

    def files(self) -> list[File]:
        """Give all files; one that is being written just now is left out. Raises `HTTPException`."""
        found = []
        with _refusing():
            paths = [] if self._drafts is None else self._drafts.paths()
        for path in paths:
            try:
                content = path.read_bytes()
                found.append(File(path.name, _as_edited(content.decode()), _version(content)))
            except (OSError, UnicodeDecodeError) as error:
                logger.warning("the console cannot show %s: %s", path, error)
        return found

    def folders_below(self) -> list[str]:
        """Name the folders whose agents are not read, though they lie beside those that are."""
        if not isinstance(self._agents, AgentFolder) or not self._agents.path.is_dir():
            return []
        return sorted({path.parent.name for path in self._agents.path.glob("*/*.yaml")})

    async def check(self, draft: Draft) -> list[Fault]:
        """Say what is wrong with a draft, in the words of `voice-agent check`."""
        path = self._path(draft)
        try:
            await self._read(path, draft.text)
        except ConfigError as error:
            errors = error.errors if isinstance(error, ConfigErrors) else (error,)
            return [_fault(one, path) for one in errors]
        return []

    async def chosen(self, draft: Draft) -> Chosen:
        """Give the agent of a draft, to be called; raises `HTTPException`."""
        path = self._path(draft)
        assert self._drafts is not None, "there is a path"
        try:
            file = await self._read(path, draft.text)
        except ConfigError as error:
            raise HTTPException(422, f"the draft is not good: {str(error).splitlines()[0]}") from None
        in_force = self._agents.latest()
        return Chosen(file.agent, await asyncio.to_thread(self._drafts.among, file, path, in_force))

    def differences(self, draft: Draft) -> list[Difference]:
        """Compare a draft with its file."""
        return _differences(self._content(self._path(draft)), draft.text)

    async def save(self, draft: Draft) -> tuple[File, list[Difference]]:
        """Write a draft that is good in the place of its file, if that is still what was changed."""
        path = self._path(draft)
        before = self._unchanged(path, draft)
        try:
            await self._read(path, draft.text)
        except ConfigError as error:
            raise HTTPException(422, f"not saved: {str(error).splitlines()[0]}") from None
        lines = _as_edited(draft.text)
        content = (lines.replace("\n", "\r\n") if b"\r\n" in before else lines).encode()
        place = path.resolve()
        # Not named like an agent, in the same folder and so on the same disk.
        beside = place.with_name(f".{place.name}.{secrets.token_hex(4)}.new")
        try:
            await asyncio.to_thread(_write, beside, content, like=place)
            # Somebody else may have saved theirs since.
            self._unchanged(path, draft)
            beside.replace(place)
        except OSError as error:
            raise HTTPException(409, f"{path.name} cannot be written: {error.strerror}") from None
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
        logger.warning("%s was changed in the console", path)
        _, problem = self._agents.current()
        if problem:
            logger.error("%s", problem)
        return File(path.name, lines, _version(content)), _differences(before, draft.text)

    async def _read(self, path: Path, text: str) -> AgentFile:
        assert self._drafts is not None, "there is a path"
        in_force, problem = self._agents.current()
        if problem:
            logger.error("%s", problem)
        # Other files are read, too, for some tens of milliseconds: calls go on meanwhile.
        return await asyncio.to_thread(self._drafts.read, path, text, in_force)

    def _path(self, draft: Draft) -> Path:
        if not self.edit:
            raise HTTPException(403, "agents are not changed here; set CONSOLE_EDIT=on")
        with _refusing():
            path = None if self._drafts is None else self._drafts.path(draft.file)
        if path is None:
            raise HTTPException(404, "there is no such file of an agent")
        return path

    def _unchanged(self, path: Path, draft: Draft) -> bytes:
        content = self._content(path)
        if _version(content) != draft.version:
            raise HTTPException(409, f"{path.name} has changed meanwhile; load it anew and look at what is there now")
        return content

    def _content(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise HTTPException(409, f"{path.name} cannot be read: {error.strerror}") from None


@contextmanager
def _refusing() -> Iterator[None]:
    """Tell whoever asks of a folder that cannot be read."""
    try:
        yield
    except ConfigError as error:
        raise HTTPException(409, str(error)) from None


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _as_edited(text: str) -> str:
    """Give a text with the line ends that a browser's field makes of any, or it would seem changed."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _fault(error: ConfigError, path: Path) -> Fault:
    """Take the place out of an error; one that has none is that of the whole file."""
    parts = error.where.removeprefix(f"{path}:").split(":")
    numbers = [int(part) for part in parts if part.isdecimal()]
    line, column = (*numbers, 1, 1)[:2]
    return Fault(line, column, error.what)


def _differences(before: bytes, text: str) -> list[Difference]:
    old, new = before.decode(errors="replace").splitlines(), text.splitlines()
    # The first two lines name the files.
    lines = list(difflib.unified_diff(old, new, lineterm="", n=CONTEXT_LINES))[2:]
    return [_difference(line) for line in lines]


def _difference(line: str) -> Difference:
    match line[:1]:
        case "@":
            return Difference("place", line)
        case "+":
            return Difference("added", line[1:])
        case "-":
            return Difference("removed", line[1:])
        case _:
            return Difference("same", line[1:])


def _write(path: Path, content: bytes, like: Path) -> None:
    """Write a file with the rights of another one, whose place it takes in one step then: who reads has either."""
    with path.open("xb") as file:
        path.chmod(like.stat().st_mode & 0o777)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def agent_file_routes(files: AgentFiles) -> APIRouter:
    """Make the routes."""
    router = APIRouter(prefix="/console/api/agents")

    @router.get("")
    async def all_files() -> Response:
        return json_of({"edit": files.edit, "files": files.files(), "below": files.folders_below()})

    @router.get("/schema")
    async def schema() -> Response:
        return Response(schema_text(), media_type="application/json")

    @router.post("/check")
    async def check(request: Request) -> Response:
        return json_of({"faults": await files.check(await read(request, Draft))})

    @router.post("/differences")
    async def differences(request: Request) -> Response:
        return json_of({"lines": files.differences(await read(request, Draft))})

    @router.post("/save")
    async def save(request: Request) -> Response:
        saved, lines = await files.save(await read(request, Draft))
        return json_of({"saved": saved, "lines": lines})

    return router
