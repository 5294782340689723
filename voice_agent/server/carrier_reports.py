"""What the carrier tells of calls without being asked: how far they are, who has answered, what it complains about.

It must not know HTTP, nor what becomes of a call.
"""

import logging
from collections.abc import Mapping

import msgspec

from voice_agent.call.events import AnsweredBy, MachineVerdict
from voice_agent.live.capacity import Capacity
from voice_agent.live.lobby import Lobby
from voice_agent.live.metrics import Metrics
from voice_agent.server.carrier_errors import stream_error
from voice_agent.server.colleagues import Colleagues
from voice_agent.server.continuing import Continuing
from voice_agent.server.courses import Courses

logger = logging.getLogger(__name__)

ENDED_STATUSES = frozenset({"completed", "canceled", "busy", "failed", "no-answer"})
"""`CallStatus` values after which nobody is on the line."""


class CarrierReports:
    """One for the server."""

    def __init__(
        self,
        lobby: Lobby,
        metrics: Metrics,
        *,
        capacity: Capacity | None = None,
        continuing: Continuing | None = None,
        colleagues: Colleagues | None = None,
    ) -> None:
        """`capacity`: `None` where nobody is turned away. `continuing`: `None` where a call ends with its stream.

        `colleagues`: `None` where none can be called.
        """
        self.courses = Courses()
        self._lobby = lobby
        self._metrics = metrics
        self._capacity = capacity
        self._continuing = continuing
        self._colleagues = colleagues

    async def course(self, fields: Mapping[str, str]) -> None:
        """Tell whoever follows a call that we placed what a callback says, and what we know of it ourselves."""
        known = await self._lobby.outcome(fields.get("CallSid", ""), 0)
        ended = None if known is None else known.ended
        await self.courses.take(fields, model_failed=ended is not None and ended.outcome == "model_failed")

    async def over(self, fields: Mapping[str, str]) -> None:
        """Take a status callback of a call, and forget one that is over; or that of a stream."""
        self.complaint(stream_error(fields), fields.get("CallSid", ""))
        self.status(fields)
        if self._continuing is not None and fields.get("CallStatus", "") in ENDED_STATUSES:
            await self._continuing.over(fields.get("CallSid", ""))

    def complaint(self, problem: str, call_sid: str) -> None:
        """Pass on what the carrier complains about."""
        if problem:
            self._metrics.add("carrier_errors")
            logger.error("%s", problem, extra={"call": call_sid})

    def status(self, fields: Mapping[str, str]) -> None:
        """Take a status callback: a call that the carrier has ended is over here too."""
        status, call_sid = fields.get("CallStatus", ""), fields.get("CallSid", "")
        if status in ENDED_STATUSES and self._capacity is not None:
            self._capacity.arrived(call_sid)
        if status in ENDED_STATUSES and not self._lobby.end(call_sid, f"the carrier says {status}"):
            # A call of ours that nobody took, or one that another server has.
            logger.info("the carrier says %s of a call that was never here", status, extra={"call": call_sid})

    def detected(self, fields: Mapping[str, str]) -> None:
        """Take what the detection of answering machines says, late or twice as it may come."""
        call_sid, answered_by = fields.get("CallSid", ""), fields.get("AnsweredBy", "")
        extra = {"call": call_sid}
        try:
            verdict = msgspec.convert(answered_by, AnsweredBy)
        except msgspec.ValidationError:
            logger.warning("the detection of machines says what nobody knows: %r", answered_by[:40], extra=extra)
            return
        if not self._lobby.tell(call_sid, MachineVerdict(verdict)):
            logger.info("the detection says %s of a call that is not here, or over", verdict, extra=extra)

    async def colleague_status(self, link_id: str, fields: Mapping[str, str]) -> None:
        """Take a status callback of a colleague's call."""
        if self._colleagues is not None:
            await self._colleagues.progress(link_id, fields)
        await self.over(fields)
