"""Twilio in a few lines: signed webhooks, a signed upgrade, hand-typed messages."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from websockets.asyncio.client import ClientConnection, connect

from voice_agent.wire.signature import sign

TOKEN = "0123456789abcdef0123456789abcdef"
CALL_SID = "CA00000000000000000000000000000001"
ACCOUNT_SID = "AC00000000000000000000000000000001"
STREAM_SID = "MZ00000000000000000000000000000001"
FIELDS = {
    "CallSid": CALL_SID,
    "AccountSid": ACCOUNT_SID,
    "From": "+14255550199",
    "To": "+14255550100",
    "CallStatus": "ringing",
    "Direction": "inbound",
    "CallerName": "",
}


async def request(
    url: str,
    fields: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    host: str = "elsewhere.example",
) -> tuple[int, str]:
    """Send one request over a socket of its own: POST with fields or a body, else GET.

    `host`: what it says of the server's name; Twilio's is never what the server believes to be called.
    """
    parts = urlsplit(url)
    content = urlencode(fields).encode() if fields is not None else body or b""
    method = "GET" if fields is None and body is None else "POST"
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    lines += [f"Content-Length: {len(content)}", "Content-Type: application/x-www-form-urlencoded", "Connection: close"]
    async with asyncio.timeout(30):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    head, _, text = answer.decode().partition("\r\n\r\n")
    return int(head.split()[1]), text


async def webhook(url: str, fields: Mapping[str, str], token: str = TOKEN) -> tuple[int, str]:
    """Post a signed form."""
    return await request(url, fields, {"X-Twilio-Signature": sign(token, url, list(fields.items()))})


async def open_stream(url: str, token: str = TOKEN) -> ClientConnection:
    """Open the stream of a TwiML's URL, signed."""
    async with asyncio.timeout(30):
        return await connect(
            url, additional_headers={"X-Twilio-Signature": sign(token, url)}, compression=None, close_timeout=0.5
        )


def connected() -> str:
    return '{"event":"connected","protocol":"Call","version":"1.0.0"}'


def start(parameters: Mapping[str, str], call_sid: str = CALL_SID, **media_format: Any) -> str:
    return json.dumps(
        {
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": STREAM_SID,
            "start": {
                "streamSid": STREAM_SID,
                "accountSid": ACCOUNT_SID,
                "callSid": call_sid,
                "tracks": ["inbound"],
                "customParameters": dict(parameters),
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1, **media_format},
            },
        }
    )


def stop() -> str:
    return json.dumps(
        {
            "event": "stop",
            "sequenceNumber": "9",
            "streamSid": STREAM_SID,
            "stop": {"accountSid": ACCOUNT_SID, "callSid": CALL_SID},
        }
    )


def mark(name: str) -> str:
    return json.dumps({"event": "mark", "sequenceNumber": "5", "streamSid": STREAM_SID, "mark": {"name": name}})


def key(digit: str, stream_sid: str = STREAM_SID) -> str:
    """A key that the caller presses."""
    dtmf = {"track": "inbound_track", "digit": digit}
    return json.dumps({"event": "dtmf", "streamSid": stream_sid, "sequenceNumber": "5", "dtmf": dtmf})


def media(payload: str, timestamp_ms: int = 0, stream_sid: str = STREAM_SID) -> str:
    return json.dumps(
        {
            "event": "media",
            "sequenceNumber": "2",
            "streamSid": stream_sid,
            "media": {"track": "inbound", "chunk": "1", "timestamp": str(timestamp_ms), "payload": payload},
        }
    )
