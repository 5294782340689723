"""How far the calls are that we placed, as the carrier's callbacks say: for whoever follows one.

`voice-agent dial` asks `POST /twilio/status/course`, signed as Twilio signs, for both know the account's token. It
tells what it knows (`CallStatus`, `AnsweredBy`); the answer comes as soon as there is more, else 204 after a while.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping

import msgspec

from voice_agent.twilio_api.calls import NOT_ENDED, Course

COURSE_PATH = "/twilio/status/course"

WAIT_S = 5.0
"""Longest wait for something new."""

MOST_KEPT = 1000
"""Calls; the one that has changed least recently goes."""

_STEPS = ("queued", "initiated", "ringing", "in-progress")
"""In their order, for callbacks overtake each other. What is not among them is an end."""


class Courses:
    """One for the server."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._known: OrderedDict[str, Course] = OrderedDict()
        self._most = most
        self._changed = asyncio.Condition()
        self._closed = False

    async def close(self) -> None:
        """Let go of all who wait: the server stops, and would have to wait for them."""
        self._closed = True
        async with self._changed:
            self._changed.notify_all()

    async def take(self, fields: Mapping[str, str], *, model_failed: bool = False) -> None:
        """Take a status callback, or a verdict on who answered; those of calls that came in are nobody's."""
        call_sid, seconds = fields.get("CallSid", ""), fields.get("CallDuration", "")
        if not call_sid or fields.get("Direction", "") == "inbound":
            return
        length = int(seconds) if seconds.isascii() and seconds.isdecimal() else 0
        known = self._known.get(call_sid, Course(""))
        course = _both(known, Course(fields.get("CallStatus", ""), fields.get("AnsweredBy", ""), length, model_failed))
        if course != known:
            self._known[call_sid] = course
            self._known.move_to_end(call_sid)
            if len(self._known) > self._most:
                self._known.popitem(last=False)
            async with self._changed:
                self._changed.notify_all()

    async def changed(self, call_sid: str, told: Course, wait_s: float = WAIT_S) -> Course | None:
        """Give a call's course as soon as more of it is known than what was `told`; `None`: nothing new so far."""
        try:
            async with asyncio.timeout(wait_s), self._changed:
                await self._changed.wait_for(lambda: self._closed or self._with(call_sid, told) != told)
        except TimeoutError:
            return None
        course = self._with(call_sid, told)
        return None if course == told else course

    def joined(self, call_sid: str, asked: Course) -> Course:
        """Give what Twilio says of a call's course when it is asked, with what only we know of it."""
        known = self._known.get(call_sid)
        return asked if known is None else msgspec.structs.replace(asked, model_failed=known.model_failed)

    def _with(self, call_sid: str, told: Course) -> Course:
        return _both(told, self._known.get(call_sid, Course("")))


def _both(before: Course, after: Course) -> Course:
    """Join what is known of one call; no status takes another back."""
    later = _step(after.status) > _step(before.status)
    return Course(
        after.status if later else before.status,
        after.answered_by or before.answered_by,
        after.seconds or before.seconds,
        after.model_failed or before.model_failed,
    )


def _step(status: str) -> int:
    if status in NOT_ENDED:
        return _STEPS.index(status)
    return len(_STEPS) if status else -1
