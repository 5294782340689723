"""The page of one call: what the history says at once, and what its recording tells when it has been read.

A call that came back, e.g. from a transfer, has several parts; each is shown by itself.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, HTTPException
from fastapi import Path as PathValue
from fastapi.responses import FileResponse, Response

from voice_agent.config.prices import Prices
from voice_agent.errors import CommandError, PeerError
from voice_agent.recording.redact import Wanted
from voice_agent.review.findings import Finding, described
from voice_agent.review.past_calls import in_object_store, unlisted_files
from voice_agent.review.viewing import PEAKS, WAV
from voice_agent.server.console.answers import json_of
from voice_agent.server.console.workshop import Workshop
from voice_agent.server.reception import CALL_SID
from voice_agent.store.history import History, PastCall
from voice_agent.store.recordings import Recordings

T = TypeVar("T")

VERSION = "x-version"
"""Header of the peaks: the sound that they are of is asked for by it, however far the call has got meanwhile."""

MOST_PARTS = 100
"""Of a call: one that has pressed keys thirty times (`carrier_keys.MOST`), was transferred and lost, has less."""

_Number = Annotated[int, PathValue(ge=1, le=1_000_000)]
"""Of a part, counted from 1. Starlette's own converter stumbles over thousands of digits."""


class PastCalls:
    """What the routes need."""

    def __init__(
        self,
        history: History,
        recordings: Recordings,
        prices: Prices,
        workshop: Workshop,
        *,
        redact: Callable[[], Wanted],
        is_loaded: Callable[[str], bool],
    ) -> None:
        """`redact`: gives what a copy that leaves the house must not hold. `is_loaded`: an agent of that name is."""
        self.history = history
        self.workshop = workshop
        self.redact = redact
        self._recordings = recordings
        self._prices = prices
        self._is_loaded = is_loaded

    async def parts(self, call_sid: str) -> list[PastCall]:
        """Give the parts of a call, the first first."""
        parts = [part for part in await self.history.find(call_sid, MOST_PARTS) if part.call_sid == call_sid]
        # What is no whole one stands in the names of other calls' recordings, and all of them would be read.
        if CALL_SID.fullmatch(call_sid):
            listed = {Path(part.recording).name for part in parts if part.recording is not None}
            others = await asyncio.to_thread(unlisted_files, listed, self._recordings.folder, call_sid)
            # Only names are looked at here: what has to be read waits for its turn, behind the sound of other calls.
            for other in others:
                with contextlib.suppress(PeerError):  # no recording, whatever its name says
                    found = await self.workshop.summary(other)
                    parts += [found] if found.call_sid == call_sid else []
            if not parts:
                parts = await asyncio.to_thread(in_object_store, self._recordings, call_sid)
        if not parts:
            line = "nobody knows that call: it may have been deleted, or go on still without a recording"
            raise HTTPException(404, line)
        return sorted(parts, key=lambda part: part.started_at)

    async def recording(self, call_sid: str, number: int) -> Path:
        """Give the file of a part, counted from 1."""
        parts = await self.parts(call_sid)
        if not 1 <= number <= len(parts):
            raise HTTPException(404, f"the call has {len(parts)} parts")
        recording = parts[number - 1].recording
        if recording is None:
            raise HTTPException(404, f"the call was not recorded: {parts[number - 1].why_no_recording}")
        return await asyncio.to_thread(self._recordings.file, recording)

    def told(self, part: PastCall) -> dict[str, Any]:
        """Give a part as the page takes it."""
        told: dict[str, Any] = msgspec.to_builtins(part)
        told["cost"] = self._prices.told(part.model, part.usage)
        # What happened behind the call's end, no recording tells.
        told["findings"] = [Finding(at_ms=one.at_ms, kind=one.kind, text=described(one)) for one in part.trouble]
        told["loaded"] = not part.agent or self._is_loaded(part.agent)
        told["recorded"] = part.recording is not None
        told["why_no_recording"] = part.why_no_recording if part.recording is None else ""
        del told["recording"], told["trouble"]
        return told


def call_routes(calls: PastCalls) -> APIRouter:
    """Make the routes."""
    router = APIRouter()
    workshop = calls.workshop

    @router.get("/console/api/calls/{call_sid}")
    async def parts(call_sid: str) -> Response:
        return json_of([calls.told(part) for part in await _made(calls.parts(call_sid))])

    @router.get("/console/api/calls/{call_sid}/{number}/course")
    async def course(call_sid: str, number: _Number) -> Response:
        path = await _made(calls.recording(call_sid, number))
        return Response(await _made(workshop.course(path)), media_type="application/json")

    @router.get("/console/api/calls/{call_sid}/{number}/heard")
    async def heard(call_sid: str, number: _Number) -> Response:
        path = await _made(calls.recording(call_sid, number))
        return Response(await _made(workshop.heard(path)), media_type="application/json")

    @router.get("/console/api/calls/{call_sid}/{number}/peaks")
    async def peaks(call_sid: str, number: _Number) -> Response:
        path = await _made(calls.recording(call_sid, number))
        folder, version = await _made(workshop.sound(path))
        return FileResponse(folder / PEAKS, headers={VERSION: version}, media_type="application/octet-stream")

    @router.get("/console/api/calls/{call_sid}/{number}/sound.wav")
    async def sound(call_sid: str, number: _Number, version: str = "") -> Response:
        path = await _made(calls.recording(call_sid, number))
        folder, _ = await _made(workshop.sound(path, version))
        # Starlette answers requests for a range by itself: that is how a browser seeks.
        return FileResponse(folder / WAV, media_type="audio/wav")

    @router.get("/console/api/calls/{call_sid}/{number}/test.call")
    async def test(call_sid: str, number: _Number) -> Response:
        path = await _made(calls.recording(call_sid, number))
        data, _ = await _made(workshop.redacted(path, calls.redact()))
        headers = {"Content-Disposition": f'attachment; filename="{call_sid}-{number}.call"'}
        return Response(data, headers=headers, media_type="application/octet-stream")

    @router.get("/console/api/calls/{call_sid}/{number}/test.expect.yaml")
    async def expected(call_sid: str, number: _Number) -> Response:
        path = await _made(calls.recording(call_sid, number))
        _, text = await _made(workshop.redacted(path, calls.redact()))
        headers = {"Content-Disposition": f'attachment; filename="{call_sid}-{number}.expect.yaml"'}
        return Response(text, headers=headers, media_type="application/yaml")

    return router


async def _made(work: Awaitable[T]) -> T:
    try:
        return await work
    except (PeerError, CommandError) as error:
        raise HTTPException(409, str(error)) from None
