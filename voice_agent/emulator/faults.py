"""Faults that a client asks the local Realtime server for, and those of the HTTP upgrade carried out.

Asked for by the header `X-Emulator-Fault`, by the query `?fault=`, or of the whole server (`emulate realtime --fault`);
all three add up. `sim.realtime.faults` says what there is and how it is written. What happens within a session is
`sim.realtime.faulty_session`'s.
"""

import asyncio

from aiohttp import web

from voice_agent.emulator.webrtc.requests import BadRequest
from voice_agent.errors import PeerError
from voice_agent.sim.realtime import Faults, parse_faults
from voice_agent.sim.realtime.upgrade import refuse_upgrade

HEADER = "X-Emulator-Fault"
QUERY = "fault"


def faults_asked_for(request: web.Request, of_all: str) -> Faults:
    """Read what this client asks for, added to what all are given. Raises `BadRequest` for what there is not."""
    asked = [of_all, *request.headers.getall(HEADER, []), *request.query.getall(QUERY, [])]
    try:
        return parse_faults(",".join(asked))
    except PeerError as error:
        raise BadRequest(400, "unknown_fault", str(error), QUERY) from None


async def refuse(request: web.Request, faults: Faults) -> web.Response | None:
    """Let the client wait as long as it asked for, then give the refusal that it asked for, if any."""
    if faults.slow_upgrade_ms:
        await asyncio.sleep(faults.slow_upgrade_ms / 1000)
    if faults.status is None:
        return None
    refusal = refuse_upgrade(
        faults.status,
        azure=request.path.startswith("/openai/"),
        model=request.query.get("deployment") or request.query.get("model", ""),
        retry_after_s=faults.retry_after_s,
    )
    return web.Response(
        status=refusal.status, text=refusal.body, headers=refusal.headers, content_type="application/json"
    )
