"""Follows a call that was placed until it is over: by what our server is called back with, else by asking Twilio."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlencode

import aiohttp
import msgspec

from voice_agent.config.settings import Settings
from voice_agent.config.variables import is_loopback
from voice_agent.errors import CommandError, PeerError
from voice_agent.server.courses import COURSE_PATH, WAIT_S
from voice_agent.twilio_api.calls import NOT_ENDED, CallsApi, Course
from voice_agent.twilio_api.rest import GoneError
from voice_agent.wire.signature import sign

EVERY_S = 1.0
"""Between two questions to Twilio, where no server tells anything."""

UNHEARD_S = 15.0
"""The same where one does, and it is silent: its callbacks may reach another one, or nobody."""

ANSWER_S = 5.0
"""What the server may need beyond its wait."""

MOST_FAILURES = 60
"""Questions without an answer, one after the other; then the call goes on unwatched."""

MODEL_FAILED = "model failed"
"""An outcome beside Twilio's statuses: whom it called has heard an apology."""

_COURSE = {"queued": "queued", "initiated": "dialling", "ringing": "ringing", "in-progress": "answered"}


class ForgottenError(CommandError):
    """Twilio has no such call any more: it was deleted there, or is another account's."""


class Callbacks:
    """The server at `PUBLIC_URL`, which Twilio calls back."""

    def __init__(self, public_url: str, token: str) -> None:
        """`token`: the account's, by which the server knows who asks."""
        self._url = public_url + COURSE_PATH
        self._token = token

    async def changed(self, sid: str, told: Course) -> Course | None:
        """Wait a while for news of a call; `None`: there is none. Raises `PeerError`: the server is of no use."""
        fields = {"CallSid": sid, "CallStatus": told.status, "AnsweredBy": told.answered_by}
        headers = {
            "X-Twilio-Signature": sign(self._token, self._url, fields.items()),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        # A proxy of the environment leads away from this machine.
        session = aiohttp.ClientSession(trust_env=not is_loopback(self._url))
        try:
            async with (
                asyncio.timeout(WAIT_S + ANSWER_S),
                session as http,
                http.post(self._url, data=urlencode(fields), headers=headers, allow_redirects=False) as response,
            ):
                body, status = await response.read(), response.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise PeerError(str(error) or type(error).__name__) from error
        if status == 204:
            return None
        try:
            if status == 200:
                return msgspec.json.decode(body, type=Course)
        except (ValueError, RecursionError) as error:
            raise PeerError(f"an answer that cannot be read: {error}") from error
        raise PeerError(f"status {status}")


def callbacks_of(settings: Settings) -> Callbacks | None:
    """Give the server that can be asked; `None`: the account's own token is not known here."""
    token = settings.twilio_auth_token
    return None if token is None else Callbacks(settings.public_url, token.reveal())


async def follow(
    api: CallsApi,
    sid: str,
    tell: Callable[[str], None],
    every_s: float = EVERY_S,
    callbacks: Callbacks | None = None,
) -> Course:
    """Tell every change in a few words until the call is over; gives its end.

    Raises `ForgottenError`, or another `CommandError`: the call goes on unwatched.
    """
    now = asyncio.get_running_loop().time
    failures, told, asked_at = 0, Course(""), -UNHEARD_S
    while True:
        course = None
        if callbacks is not None:
            try:
                course = await callbacks.changed(sid, told)
            except PeerError:
                callbacks = None
            if course is None and now() - asked_at < UNHEARD_S:
                continue
        try:
            if course is None:
                asked_at, course = now(), await api.course(sid)
            elif course.status not in NOT_ENDED:
                course = await _end(api, sid, course)
        except GoneError as error:
            raise ForgottenError(f"Twilio does not know {sid} any more") from error
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
        if callbacks is None:
            await asyncio.sleep(every_s)


async def _end(api: CallsApi, sid: str, heard: Course) -> Course:
    """Give the whole of what Twilio knows of a call that is over, if it can be asked."""
    with suppress(PeerError):
        known = await api.course(sid)
        if known.status not in NOT_ENDED:
            return msgspec.structs.replace(known, model_failed=heard.model_failed)
    return heard


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
    """Say what came of a call that is over: Twilio's status, `machine`, or that the model failed in it."""
    if course.model_failed and course.status == "completed":
        return MODEL_FAILED
    machine = course.answered_by.startswith("machine") or course.answered_by == "fax"
    return "machine" if machine and course.status == "completed" else course.status
