"""Whether a request really comes from Twilio: `X-Twilio-Signature`, computed by hand.

By hand because `twilio.request_validator` raises for a missing header, knows nothing of WebSocket upgrades, and gives
`wss` port 80. https://www.twilio.com/docs/usage/security#validating-requests

URLs are ours: the configured public address and the path, never what a `Host` header says. Tokens are one, or two
while they are rotated. No function raises for anything that a stranger can send, and a missing token opens nothing.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qs, urlsplit, urlunsplit

Parameters = Iterable[tuple[str, str]]
"""The form's fields as they came, repeated ones repeated, empty ones kept."""

_DEFAULT_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}


def sign(token: str, url: str, parameters: Parameters = ()) -> str:
    """Make the header for a request to `url` (as configured at Twilio, with its query; a fragment does not count)."""
    # A name that comes twice with one value counts once: Twilio signs the set, sorted by name and then by value.
    fields = "".join(name + value for name, value in sorted(set(parameters)))
    signed = (url.partition("#")[0] + fields).encode("utf-8", "surrogatepass")
    return base64.b64encode(hmac.new(token.encode(), signed, hashlib.sha1).digest()).decode()


def valid_request(tokens: Sequence[str], url: str, parameters: Parameters, signature: str | None) -> bool:
    """Check a webhook: a form's fields, or none of them for GET. The default port may be written or not."""
    return _any_match(tokens, _ports(url), tuple(parameters), signature)


def valid_json(tokens: Sequence[str], url: str, body: bytes, signature: str | None) -> bool:
    """Check a webhook whose body is not a form: the signed URL carries the body's hash as `bodySHA256`."""
    hashes = parse_qs(urlsplit(url).query).get("bodySHA256", [])
    actual = hashlib.sha256(body).hexdigest()
    same_body = len(hashes) == 1 and hmac.compare_digest(_bytes(hashes[0]), actual.encode())
    return _any_match(tokens, _ports(url), (), signature) and same_body


def valid_upgrade(tokens: Sequence[str], url: str, signature: str | None) -> bool:
    """Check the upgrade to a stream; `url` is the TwiML's.

    Reports differ on what exactly Twilio signs, so each of {wss, https} x {with, without final slash} x {no port, 443}
    is accepted.
    """
    parts = urlsplit(url)
    schemes = ("wss", "https") if parts.scheme in {"wss", "https"} else ("ws", "http")
    path = parts.path.rstrip("/")
    urls = [
        variant
        for scheme in schemes
        for slash in ("", "/")
        for variant in _ports(urlunsplit((scheme, parts.netloc, path + slash, parts.query, "")))
    ]
    return _any_match(tokens, urls, (), signature)


def _ports(url: str) -> list[str]:
    """Give the URL as written and, where its port is the scheme's default, with and without it."""
    parts = urlsplit(url)
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None or parts.port not in {None, default}:
        return [url]
    bare = parts.netloc.removesuffix(f":{default}")
    return [url, *(urlunsplit(parts._replace(netloc=netloc)) for netloc in (bare, f"{bare}:{default}"))]


def _any_match(
    tokens: Sequence[str], urls: Sequence[str], parameters: Sequence[tuple[str, str]], signature: str | None
) -> bool:
    given = _bytes(signature or "")
    # Every candidate is compared, so that the time tells nothing about which one was near.
    matches = [
        hmac.compare_digest(sign(token, url, parameters).encode(), given) for token in tokens if token for url in urls
    ]
    return any(matches)


def _bytes(text: str) -> bytes:
    # compare_digest takes no text beyond ASCII, and a header may hold anything.
    return text.encode("utf-8", "surrogatepass")
