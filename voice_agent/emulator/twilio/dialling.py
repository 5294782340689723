"""`<Dial>`: somebody else is called from within a call, and the two are joined until one of them hangs up.

Nothing of what they say is kept. It must not know what follows. https://www.twilio.com/docs/voice/twiml/dial
"""

import asyncio
import secrets

from voice_agent.emulator.twilio.callee import Callee
from voice_agent.emulator.twilio.conference import Conference
from voice_agent.emulator.twilio.verbs import Line
from voice_agent.wire.twiml import Dial

_SIP_CODES = {"answers": "200", "busy": "486", "no-answer": "480", "failed": "404"}
"""RFC 3261, 21."""


async def meet(line: Line, call_sid: str, verb: Dial, room: Conference) -> dict[str, str]:
    """Be in a room until it is ended or the call is leaving; gives what the `action` is told."""
    line.note("the call enters a conference", verb.conference)
    visit = room.enter(call_sid)
    ended = asyncio.ensure_future(room.ended.wait())
    leaving = asyncio.ensure_future(line.left())
    try:
        await asyncio.wait({ended, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended.cancel()
        leaving.cancel()
        room.leave(visit, ends=verb.ends_conference)
    line.note("the call leaves the conference", verb.conference)
    return {"DialCallStatus": "completed"}


async def dial(line: Line, verb: Dial, callee: Callee) -> dict[str, str]:
    """Call somebody for `line`; gives what the `action` is told, and returns early when the call is leaving."""
    line.note("the carrier dials", verb.address)
    await line.pause(min(callee.rings_ms / 1000, verb.timeout_s))
    becomes = callee.becomes
    if becomes == "answers" and callee.rings_ms > verb.timeout_s * 1000:
        becomes = "no-answer"
    fields = {"DialCallSid": "CA" + secrets.token_hex(16), "DialBridged": "false"}
    if verb.sip:
        fields["DialSipResponseCode"] = _SIP_CODES[becomes]
    if line.leaving:
        return fields | {"DialCallStatus": "canceled"}
    if becomes != "answers":
        line.note("the dialled does not answer", becomes)
        return fields | {"DialCallStatus": becomes}
    line.note("the dialled answers")
    answered = asyncio.get_running_loop().time()
    await line.pause(callee.talks_ms / 1000)
    seconds = round(asyncio.get_running_loop().time() - answered)
    if not line.leaving:
        line.note("the dialled hangs up")
    talked = {"DialCallStatus": "completed", "DialBridged": "true", "DialCallDuration": str(seconds)}
    return fields | talked
