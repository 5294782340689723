"""Who may see and do what strangers may not: programs of this machine, and whoever knows a secret.

It must not know what for.
"""

import hmac
import ipaddress
from urllib.parse import SplitResult, urlsplit

from fastapi import Request
from starlette.requests import HTTPConnection

from voice_agent.config.secret import Secret

_OF_PROXIES = frozenset({"forwarded", "via", "x-real-ip"})
"""Headers, beside those that begin with `x-forwarded`."""


def is_of_this_machine(request: HTTPConnection) -> bool:
    """Tell whether a request comes from this machine and from nowhere beyond it.

    One that came through a tunnel or a proxy has a loopback peer, too, so none of their headers may be there; a foreign
    page in a browser of this machine, by a name of its own, shows itself in `Host`. A proxy that adds no header and
    passes a stranger's `Host` on cannot be told from a browser here: `doctor --remote` looks for it.
    """
    headers = request.headers
    if any(name in _OF_PROXIES or name.startswith("x-forwarded") for name in headers):
        return False
    peer = request.client.host if request.client else ""
    return _is_here(peer) and _is_here(split(f"//{headers.get('host', '')}").hostname or "")


def bears(request: Request, token: Secret | None) -> bool:
    """Tell whether a request shows a token, as `Authorization: Bearer`; nobody can show one that is not set."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if token is None or scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(given.strip().encode(), token.reveal().encode())


def split(address: str) -> SplitResult:
    """Take an address apart; one that is none has no parts."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
