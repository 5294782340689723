"""What the HTTP requests of Realtime over WebRTC hold, and the API's errors for those that hold something else.

It must not know sessions. Bodies: https://platform.openai.com/docs/guides/realtime-webrtc
"""

import json
from typing import Any

import msgspec
from aiohttp import BodyPartReader, web

from voice_agent.emulator.webrtc.secrets import LONGEST_SECONDS, PREFIX, SHORTEST_SECONDS, USUAL_SECONDS


class CallRequest(msgspec.Struct, frozen=True):
    """`POST .../calls`."""

    sdp: str
    session: dict[str, Any] | None
    """`None`: the ephemeral key names it, or nothing does."""


def refusal(status: int, code: str | None, message: str, param: str | None = None) -> web.Response:
    """Answer with the API's error object."""
    error = {"type": "invalid_request_error", "code": code, "message": message, "param": param}
    return web.json_response({"error": error}, status=status)


class BadRequest(Exception):  # noqa: N818 - what is bad is the request, not our code
    """A request that is refused with `answer`."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.answer = refusal(status, code, message, param)


def key_of(request: web.Request) -> str:
    """Give the key that came along: as Bearer, as Azure's header, or as a browser's subprotocol; empty: none."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    offered = request.headers.get("Sec-WebSocket-Protocol", "").split(",")
    prefix = "openai-insecure-api-key."
    found = [name.strip().removeprefix(prefix) for name in offered if name.strip().startswith(prefix)]
    return found[0] if found else request.headers.get("api-key", "")


def is_ephemeral(key: str) -> bool:
    """Whether a key claims to be an ephemeral secret."""
    return key.startswith(PREFIX)


async def read_secret_request(request: web.Request) -> tuple[dict[str, Any], int]:
    """Read `POST .../client_secrets`: the session and the seconds. Raises `BadRequest`."""
    body = _object(await request.text() or "{}", "body")
    session = body.get("session", {"type": "realtime"})
    if not isinstance(session, dict):
        raise BadRequest(400, "invalid_type", "Invalid type for 'session': expected an object.", "session")
    after = body.get("expires_after", {})
    seconds = after.get("seconds", USUAL_SECONDS) if isinstance(after, dict) else None
    if type(seconds) is not int or not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        message = f"Invalid 'expires_after.seconds': expected {SHORTEST_SECONDS} to {LONGEST_SECONDS}."
        raise BadRequest(400, "invalid_value", message, "expires_after.seconds")
    return session, seconds


async def read_call_request(request: web.Request) -> CallRequest:
    """Read `POST .../calls`: the bare offer, or a form of `sdp` and `session`. Raises `BadRequest`."""
    if request.content_type == "application/sdp":
        return CallRequest(await request.text(), None)
    if request.content_type != "multipart/form-data":
        raise BadRequest(
            400, "unsupported_content_type", "Expected Content-Type application/sdp or multipart/form-data."
        )
    parts: dict[str, str] = {}
    try:
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.name:
                parts[part.name] = (await part.read(decode=True)).decode()
    except (ValueError, UnicodeDecodeError) as error:
        raise BadRequest(400, "invalid_form", f"The form could not be read: {error}.") from None
    if "sdp" not in parts:
        raise BadRequest(400, "missing_required_parameter", "Missing required parameter: 'sdp'.", "sdp")
    return CallRequest(parts["sdp"], _object(parts["session"], "session") if "session" in parts else None)


def _object(text: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise BadRequest(400, "invalid_json", f"The {name} is no JSON object.", name)
    return found
