"""The account's phone numbers at Twilio: where each points, and pointing it elsewhere."""

import re
from typing import Any

import msgspec

from voice_agent.twilio_api.rest import TwilioRest


class Pointing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a number leads; the fields have the API's names. Empty: nowhere."""

    voice_url: str = ""
    voice_method: str = "POST"
    voice_fallback_url: str = ""
    voice_fallback_method: str = "POST"
    status_callback: str = ""
    status_callback_method: str = "POST"
    voice_application_sid: str = ""
    """Of a TwiML application, which then takes the calls; the URLs are not looked at."""
    trunk_sid: str = ""
    """Of a SIP trunk, likewise; the application is not looked at either."""

    @property
    def leads_to(self) -> str:
        """What takes the calls: a trunk or an application, named so, or a URL, to which Twilio posts or it is said.

        Empty: nothing does.
        """
        if self.trunk_sid:
            return f"SIP trunk {self.trunk_sid}"
        if self.voice_application_sid:
            return f"TwiML application {self.voice_application_sid}"
        by = "" if self.voice_method == "POST" else f" by HTTP {self.voice_method}"
        return f"{self.voice_url}{by}" if self.voice_url else ""


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """One number."""

    sid: str
    number: str
    """E.164."""
    name: str = ""
    voice: bool = True
    """It can take calls."""
    sms: bool = True
    """It can send text messages."""
    pointing: Pointing = Pointing()


class NumbersApi(TwilioRest):
    """The numbers of one account. Every method raises `PeerError`: one line."""

    async def all(self) -> list[Number]:
        """List all of them."""
        return await self.ask(lambda client: [_number(one) for one in client.incoming_phone_numbers.list()])

    async def named(self, number: str) -> Number | None:
        """Find one (E.164); `None`: the account has no such number."""
        found = await self.ask(
            lambda client: [_number(one) for one in client.incoming_phone_numbers.list(phone_number=number)]
        )
        return next((one for one in found if one.number == number), None)

    async def point(self, sid: str, pointing: Pointing) -> Number:
        """Let a number lead elsewhere; gives it as it then is."""
        return await self.ask(lambda client: _number(client.incoming_phone_numbers(sid).update(**_changes(pointing))))


def _changes(pointing: Pointing) -> dict[str, str]:
    """Of a trunk and an application only one can be named; naming neither as "" takes both away."""
    fields: dict[str, str] = msgspec.structs.asdict(pointing)
    if pointing.trunk_sid:
        del fields["voice_application_sid"]
    return fields


def _number(found: Any) -> Number:
    capabilities = found.capabilities if isinstance(found.capabilities, dict) else {}
    number = str(found.phone_number)
    if not re.fullmatch(r"\+[0-9]+", number):
        raise ValueError("a number without digits")
    return Number(
        sid=str(found.sid),
        number=number,
        name=str(found.friendly_name or ""),
        voice=bool(capabilities.get("voice", True)),
        sms=bool(capabilities.get("sms", True)),
        pointing=Pointing(**{name: str(getattr(found, name) or "") or default for name, default in _DEFAULTS.items()}),
    )


_DEFAULTS: dict[str, str] = msgspec.structs.asdict(Pointing())
