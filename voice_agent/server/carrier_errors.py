"""What the carrier says went wrong: with a stream, in its status callback, or with a webhook before this one.

Each known number is told with what it means and what to do. It must not know HTTP, nor what becomes of the call.
https://www.twilio.com/docs/api/errors
"""

import re
from collections.abc import Mapping

_ADDRESS = "PUBLIC_URL must be this server's public https address, and a proxy before it must let WebSockets through"

_MEANINGS = {
    "11200": "a webhook got no usable answer: is the server up, and is PUBLIC_URL the address that Twilio calls?",
    "11205": "a webhook's server could not be reached: is the server up, and is PUBLIC_URL right?",
    "11210": "a webhook's host has no address: check PUBLIC_URL",
    "11220": "a webhook's server has no valid TLS certificate: renew it, or check PUBLIC_URL",
    "12100": "the answer to a webhook was no TwiML: something else answers at PUBLIC_URL",
    "31901": f"the stream's socket did not open in time: {_ADDRESS}",
    "31902": f"the stream's socket was refused: {_ADDRESS}",
    "31910": "the stream's server has no valid TLS certificate: renew it; a tunnel must be one for HTTP",
    "31920": f"the stream's upgrade was refused: {_ADDRESS}, and keep the header X-Twilio-Signature",
    "31921": "the stream's socket was closed by this side: the server went, or a proxy gave the connection up",
    "31922": "the stream's address does not begin with wss://: PUBLIC_URL must be an https address",
    "31923": "the stream's address is none: check PUBLIC_URL",
    "31924": "the stream broke the rules of WebSockets: a proxy before the server changes what passes",
    "31930": "the server reads a stream too slowly, and some of the caller was lost: it has too many calls",
    "31950": "a message of the stream was not understood: please report it, with the call's recording",
    "31951": "a message of the stream was not understood: please report it, with the call's recording",
}
"""Those of streams, and of webhooks."""

_LONGEST = 200


def meaning_of(code: str) -> str:
    """Say what an error of the carrier means and what to do; empty: its own words have to do."""
    return _MEANINGS.get(code, "")


def stream_error(fields: Mapping[str, str]) -> str:
    """Tell what a stream's status callback complains about, in one line; empty: nothing."""
    if fields.get("StreamEvent") != "stream-error":
        return ""
    text = " ".join(fields.get("StreamError", "").split())[:_LONGEST]
    code = re.search(r"\b[13]\d{4}\b", text)
    return f"the call could not be streamed: {_told(text or 'it is not said why', code[0] if code else '')}"


def webhook_error(fields: Mapping[str, str]) -> str:
    """Tell what went wrong before this webhook, of which it is the fallback; empty: nothing."""
    code = "".join(fields.get("ErrorCode", "").split())[:10]
    if not code:
        return ""
    where = " ".join(fields.get("ErrorUrl", "").split())[:_LONGEST]
    return f"the carrier had no answer before this one: {_told(f'error {code} of {where}', code)}"


def _told(text: str, code: str) -> str:
    meaning = meaning_of(code)
    return f"{text}; {meaning}" if meaning else text
