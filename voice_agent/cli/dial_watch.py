"""Follows a call that was placed, by asking Twilio, until it is over."""

import asyncio
from collections.abc import Callable

from voice_agent.errors import CommandError, PeerError
from voice_agent.twilio_api.calls import NOT_ENDED, CallsApi, Course
from voice_agent.twilio_api.rest import GoneError

EVERY_S = 1.0
"""Between two questions."""

MOST_FAILURES = 60
"""Questions without an answer, one after the other; then the call goes on unwatched."""

_COURSE = {"queued": "queued", "initiated": "dialling", "ringing": "ringing", "in-progress": "answered"}


async def follow(api: CallsApi, sid: str, tell: Callable[[str], None], every_s: float = EVERY_S) -> Course:
    """Tell every change in a few words until the call is over; gives its end. Raises `CommandError`."""
    failures, told = 0, Course("")
    while True:
        try:
            course = await api.course(sid)
        except GoneError as error:
            raise CommandError(f"Twilio does not know {sid} any more") from error
        except PeerError as error:
            failures += 1
            if failures == 1:
                tell(f"the call cannot be seen: {error}")
            if failures == MOST_FAILURES:
                raise CommandError(f"{sid} goes on unwatched: {error}") from error
        else:
            failures = 0
            _tell_change(told, course, tell)
            told = course
            if course.status not in NOT_ENDED:
                return course
        await asyncio.sleep(every_s)


def _tell_change(before: Course, course: Course, tell: Callable[[str], None]) -> None:
    if course.status != before.status:
        if course.status not in NOT_ENDED:
            tell(f"{course.status} after {course.seconds} s" if course.seconds else course.status)
        elif before.status or course.status in _COURSE:
            tell(_COURSE[course.status])
    if course.answered_by != before.answered_by:
        tell(f"answered by {_who(course.answered_by)}")


def _who(answered_by: str) -> str:
    if answered_by.startswith("machine"):
        return f"a machine ({answered_by})"
    return {"human": "a person", "fax": "a fax"}.get(answered_by, "nobody knows whom")


def outcome_of(course: Course) -> str:
    """Say what came of a call that is over: Twilio's status, or `machine`."""
    machine = course.answered_by.startswith("machine") or course.answered_by == "fax"
    return "machine" if machine and course.status == "completed" else course.status
