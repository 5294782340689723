"""Recordings of calls that the REST API starts, pauses and stops. There is no sound to fetch.

https://www.twilio.com/docs/voice/api/recording
"""

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from fastapi import APIRouter, Request

from voice_agent.emulator.twilio.call import OVER, EmulatedCall
from voice_agent.emulator.twilio.refusal import INVALID_PARAMETER, NOT_IN_STATE, Refused, not_found
from voice_agent.emulator.twilio.resources import API_VERSION, PREFIX, fields_of, page_of, rfc_2822

CURRENT = "Twilio.CURRENT"
"""Stands for the SID of the recording that is going on."""

_CHANNELS = {"mono": 1, "dual": 2}
_TRACKS = ("inbound", "outbound", "both")
_ORDERS = ("paused", "in-progress", "stopped")
"""Statuses that an update may ask for."""


class CallRecording(msgspec.Struct, kw_only=True):
    """One recording of a call."""

    call: EmulatedCall
    sid: str = msgspec.field(default_factory=lambda: "RE" + secrets.token_hex(16))
    channels: int = 1
    track: str = "both"
    began: datetime = msgspec.field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None
    paused: bool = False

    @property
    def going_on(self) -> bool:
        """Neither was it stopped, nor has its call ended."""
        return self.ended is None and self.call.status not in OVER

    def resource(self, account_sid: str, status: str = "") -> dict[str, Any]:
        """Show it as the API does; `status`: as an update's answer names it."""
        ended = None if self.going_on else self.ended or self.call.ended_at or datetime.now(UTC)
        known = "completed" if ended is not None else "paused" if self.paused else "in-progress"
        return {
            "sid": self.sid,
            "account_sid": account_sid,
            "call_sid": self.call.sid,
            "conference_sid": None,
            "api_version": API_VERSION,
            "status": status or known,
            "source": "StartCallRecordingAPI",
            "track": self.track,
            "channels": self.channels,
            "start_time": rfc_2822(self.began),
            "date_created": rfc_2822(self.began),
            "date_updated": rfc_2822(ended or self.began),
            "duration": None if ended is None or status else str(round((ended - self.began).total_seconds())),
            "price": None,
            "price_unit": None,
            "error_code": None,
            "encryption_details": None,
            "uri": f"{PREFIX}/{account_sid}/Calls/{self.call.sid}/Recordings/{self.sid}.json",
        }


def add_recordings(
    router: APIRouter, recordings: dict[str, CallRecording], call_of: Callable[[Request], EmulatedCall]
) -> None:
    """Add the resource; `recordings` by their SID, `call_of` gives the call of an address."""

    def of_call(request: Request) -> list[CallRecording]:
        call = call_of(request)
        return [recording for recording in recordings.values() if recording.call is call]

    def recording_of(request: Request) -> CallRecording:
        wanted = request.path_params["recording"]
        for recording in reversed(of_call(request)):
            if recording.sid == wanted or (wanted == CURRENT and recording.going_on):
                return recording
        raise not_found(request)

    @router.get("/{account}/Calls/{call}/Recordings.json")
    async def list_recordings(account: str, request: Request) -> dict[str, Any]:
        found = [recording.resource(account) for recording in reversed(of_call(request))]
        return page_of("recordings", found, request)

    @router.post("/{account}/Calls/{call}/Recordings.json", status_code=201)
    async def create_recording(account: str, request: Request) -> dict[str, Any]:
        recording = _begin(call_of(request), await fields_of(request))
        recordings[recording.sid] = recording
        return recording.resource(account)

    @router.get("/{account}/Calls/{call}/Recordings/{recording}.json")
    async def fetch_recording(account: str, request: Request) -> dict[str, Any]:
        return recording_of(request).resource(account)

    @router.post("/{account}/Calls/{call}/Recordings/{recording}.json")
    async def update_recording(account: str, request: Request) -> dict[str, Any]:
        recording = recording_of(request)
        return recording.resource(account, _update(recording, await fields_of(request)))


def _begin(call: EmulatedCall, fields: Mapping[str, str]) -> CallRecording:
    channels, track = fields.get("RecordingChannels", "mono"), fields.get("RecordingTrack", "both")
    if channels not in _CHANNELS or track not in _TRACKS:
        raise Refused(
            400, INVALID_PARAMETER, "RecordingChannels is mono or dual; RecordingTrack inbound, outbound or both"
        )
    if call.status != "in-progress":
        raise Refused(400, NOT_IN_STATE, "Requested resource is not eligible for recording")
    return CallRecording(call=call, channels=_CHANNELS[channels], track=track)


def _update(recording: CallRecording, fields: Mapping[str, str]) -> str:
    status, pause = fields.get("Status", ""), fields.get("PauseBehavior", "silence")
    if status not in _ORDERS or pause not in ("skip", "silence"):
        raise Refused(400, INVALID_PARAMETER, f"Status is one of {', '.join(_ORDERS)}; PauseBehavior skip or silence")
    if not recording.going_on:
        raise Refused(400, NOT_IN_STATE, "Requested resource is not eligible for recording")
    recording.paused = status == "paused"
    if status == "stopped":
        recording.ended = datetime.now(UTC)
    return status
