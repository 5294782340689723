"""Calls at Twilio: placing one, following its course, ending it; and what `check --live` asks."""

from datetime import datetime
from typing import Any

import msgspec

from voice_agent.errors import PeerError, RefusedError
from voice_agent.twilio_api.dialling import OutboundCall
from voice_agent.twilio_api.rest import GoneError, TwilioRest

NOT_ENDED = frozenset({"queued", "initiated", "ringing", "in-progress"})
"""Statuses of a call that Twilio still has. https://www.twilio.com/docs/voice/api/call-resource#call-status-values"""


class Account(msgspec.Struct, frozen=True):
    """What the credentials open."""

    sid: str
    name: str = ""
    """Empty with an API key: a standard key may not read the account."""
    status: str = ""
    """active, suspended or closed; empty with an API key."""
    trial: bool | None = None
    """On trial Twilio blocks media streams; `None` with an API key."""


class Course(msgspec.Struct, frozen=True):
    """How far a call is."""

    status: str
    """In Twilio's words."""
    answered_by: str = ""
    """What its detection of answering machines says; empty: nothing, or not yet."""
    seconds: int = 0
    """From the answer to the end; 0 before it."""
    model_failed: bool = False
    """Our server says so, not Twilio: who answered heard no agent, or not to the end."""


class CallsApi(TwilioRest):
    """The calls of one account."""

    async def create(self, call: OutboundCall) -> str:
        """Place a call, once; gives its SID. Raises `PeerError`: one line; what timed out may have been placed."""
        try:
            return await self.ask(lambda client: _sid(client.calls.create(**_order(call)).sid))
        except GoneError as error:
            raise RefusedError(str(error)) from error  # there is no such account

    async def find(self, to: str, from_: str, since: datetime) -> str | None:
        """Find the newest call that we have placed between two numbers since a time. Raises `PeerError`: one line."""
        found = await self.ask(lambda client: client.calls.list(to=to, from_=from_, limit=20))
        placed = (call for call in found if call.direction == "outbound-api")
        return next((_sid(call.sid) for call in placed if call.date_created and call.date_created >= since), None)

    async def course(self, call_sid: str) -> Course:
        """Tell how far a call is. Raises `PeerError`: one line."""
        return await self.ask(lambda client: _course(client.calls(call_sid).fetch()))

    async def hang_up(self, call_sid: str) -> str:
        """End a call; give "" when it is over, also when it was over before, else one line that says why not."""
        try:
            await self.ask(lambda client: client.calls(call_sid).update(status="completed"))
        except GoneError:
            return ""
        except PeerError as error:
            return str(error)
        return ""

    async def status(self, call_sid: str) -> str | None:
        """Tell a call's status in Twilio's words; `None`: there is no such call. Raises `PeerError`: one line."""
        try:
            return await self.ask(lambda client: _text(client.calls(call_sid).fetch().status))
        except GoneError:
            return None

    async def is_in_progress(self, call_sid: str) -> bool | None:
        """Tell whether Twilio still has a call; `None`: it cannot be known now."""
        try:
            return await self.status(call_sid) in NOT_ENDED
        except PeerError:
            return None

    async def account(self) -> Account:
        """Try the credentials. Raises `PeerError`: one line that says what is wrong."""
        if self.with_key:
            await self.ask(lambda client: client.calls.list(limit=1))
            return Account(self.account_sid)
        account = await self.ask(lambda client: client.api.v2010.accounts(self.account_sid).fetch())
        return Account(self.account_sid, str(account.friendly_name), str(account.status), account.type == "Trial")


def _order(call: OutboundCall) -> dict[str, Any]:
    order: dict[str, Any] = {
        "to": call.to,
        "from_": call.from_,
        "url": call.url,
        "status_callback": call.status_callback,
        "status_callback_event": ["initiated", "ringing", "answered", "completed"],
    }
    if call.on_machine is None:
        return order
    # Only the end of its greeting tells when a machine listens.
    mode = "DetectMessageEnd" if call.on_machine.do == "leave" else "Enable"
    return order | {
        "machine_detection": mode,
        "async_amd": "true",
        "async_amd_status_callback": call.detection_callback,
    }


def _course(found: Any) -> Course:
    seconds = str(found.duration or "0")
    return Course(_text(found.status), str(found.answered_by or ""), int(seconds) if seconds.isdecimal() else 0)


def _sid(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("a call without a SID")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a call without a status")
    return value
