"""The account's phone numbers: where each points, and changing it.

https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource
"""

import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from fastapi import APIRouter, Request

from voice_agent.emulator.twilio.refusal import Refused, not_found
from voice_agent.emulator.twilio.resources import API_VERSION, PREFIX, fields_of, friendly, is_url, page_of, rfc_2822

INVALID_URL = 21402
INVALID_METHOD = 21403

UNTOUCHED = "https://demo.twilio.com/welcome/voice/"
"""Where a number that was just bought leads to."""

_NAMES = (
    "FriendlyName", "VoiceUrl", "VoiceMethod", "VoiceFallbackUrl", "VoiceFallbackMethod", "VoiceApplicationSid",
    "VoiceCallerIdLookup", "VoiceReceiveMode", "StatusCallback", "StatusCallbackMethod", "TrunkSid", "SmsUrl",
    "SmsMethod", "SmsFallbackUrl", "SmsFallbackMethod", "SmsApplicationSid", "AddressSid", "IdentitySid", "BundleSid",
    "EmergencyAddressSid", "EmergencyStatus",
)  # fmt: skip
"""What an update may name; whatever else is there is ignored, as Twilio does."""

_OR_NULL = frozenset({"trunk_sid", "address_sid", "identity_sid", "bundle_sid", "emergency_address_sid"})
"""Fields that are null and not "" where there is nothing."""


class IncomingNumber(msgspec.Struct, kw_only=True):
    """One number; the fields have the API's names."""

    phone_number: str
    sid: str = msgspec.field(default_factory=lambda: "PN" + secrets.token_hex(16))
    friendly_name: str = ""
    """Empty: the number, as one writes it."""
    sms: bool = True
    """It can send and receive messages."""
    voice_url: str = UNTOUCHED
    voice_method: str = "POST"
    voice_fallback_url: str = ""
    voice_fallback_method: str = "POST"
    voice_application_sid: str = ""
    voice_caller_id_lookup: bool = False
    voice_receive_mode: str = "voice"
    status_callback: str = ""
    status_callback_method: str = "POST"
    trunk_sid: str = ""
    sms_url: str = ""
    sms_method: str = "POST"
    sms_fallback_url: str = ""
    sms_fallback_method: str = "POST"
    sms_application_sid: str = ""
    address_sid: str = ""
    identity_sid: str = ""
    bundle_sid: str = ""
    emergency_address_sid: str = ""
    emergency_status: str = "Inactive"
    date_created: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
    date_updated: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))

    def update(self, fields: Mapping[str, str]) -> None:
        """Change what the fields name, all of it or nothing; raises `Refused`."""
        named = {name: fields[name] for name in _NAMES if name in fields}
        for name, value in named.items():
            if name.endswith(("Url", "Callback")) and value and not is_url(value):
                raise Refused(400, INVALID_URL, f"{name} is not valid: {value}")
            if name.endswith("Method") and value not in ("GET", "POST"):
                raise Refused(400, INVALID_METHOD, f"{name} is not valid: {value}")
        for name, value in named.items():
            setattr(self, _field(name), value == "true" if name == "VoiceCallerIdLookup" else value)
        # Either a trunk or an application takes the calls.
        if named.get("TrunkSid"):
            self.voice_application_sid = ""
        elif named.get("VoiceApplicationSid"):
            self.trunk_sid = ""
        self.date_updated = datetime.now(UTC)

    def resource(self, account_sid: str) -> dict[str, Any]:
        """Show it as the API does."""
        uri = f"{PREFIX}/{account_sid}/IncomingPhoneNumbers/{self.sid}"
        shown = {_field(name): getattr(self, _field(name)) for name in _NAMES}
        return {
            **{name: value or None if name in _OR_NULL else value for name, value in shown.items()},
            "sid": self.sid,
            "account_sid": account_sid,
            "phone_number": self.phone_number,
            "friendly_name": self.friendly_name or friendly(self.phone_number),
            "api_version": API_VERSION,
            "address_requirements": "none",
            "beta": False,
            "capabilities": {"voice": True, "sms": self.sms, "mms": self.sms, "fax": False},
            "date_created": rfc_2822(self.date_created),
            "date_updated": rfc_2822(self.date_updated),
            "emergency_address_status": "unregistered",
            "origin": "twilio",
            "status": "in-use",
            "type": "local",
            "uri": f"{uri}.json",
            "subresource_uris": {"assigned_add_ons": f"{uri}/AssignedAddOns.json"},
        }


def _field(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def add_numbers(router: APIRouter, numbers: Mapping[str, IncomingNumber]) -> None:
    """Add the resource; `numbers` by their SID."""

    def number_of(request: Request) -> IncomingNumber:
        number = numbers.get(request.path_params["number"])
        if number is None:
            raise not_found(request)
        return number

    @router.get("/{account}/IncomingPhoneNumbers.json")
    async def list_numbers(account: str, request: Request) -> dict[str, Any]:
        wanted, named = request.query_params.get("PhoneNumber", ""), request.query_params.get("FriendlyName")
        found = [
            resource
            for resource in (number.resource(account) for number in numbers.values())
            if _matches(wanted, resource["phone_number"]) and named in (None, resource["friendly_name"])
        ]
        return page_of("incoming_phone_numbers", found, request)

    @router.get("/{account}/IncomingPhoneNumbers/{number}.json")
    async def fetch_number(account: str, request: Request) -> dict[str, Any]:
        return number_of(request).resource(account)

    @router.post("/{account}/IncomingPhoneNumbers/{number}.json")
    async def update_number(account: str, request: Request) -> dict[str, Any]:
        number = number_of(request)
        number.update(await fields_of(request))
        return number.resource(account)


def _matches(wanted: str, number: str) -> bool:
    """Compare as Twilio does: a part of the number will do, and `*` stands for any digit."""
    pattern = "".join("[0-9]" if sign == "*" else re.escape(sign) for sign in wanted)
    return re.search(pattern, number) is not None
