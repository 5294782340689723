"""Calls at Twilio, as far as a call in progress and `check --live` need them."""

import msgspec

from voice_agent.errors import PeerError
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


class CallsApi(TwilioRest):
    """The calls of one account."""

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


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a call without a status")
    return value
