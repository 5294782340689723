"""`CONSOLE_PASSWORD`: the password itself, or a hash of it that does not tell it. It must not know what it opens.

The hash is scrypt's in the PHC string format, `$scrypt$ln=14,r=8,p=5$<salt>$<hash>`, base64 without padding:
https://github.com/P-H-C/phc-string-format/blob/master/phc-sf-spec.md
"""

import base64
import binascii
import hashlib
import hmac
import re
from typing import NamedTuple

from voice_agent.errors import ConfigError

LN, R, P = 14, 8, 5
"""16 MiB and some 150 ms a try:
https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#scrypt"""

MOST_BYTES = 64 * 2**20
"""Of memory for one try, whatever a hash asks for."""

MOST_PARALLEL = 16
"""Each of them takes as long as the first."""

DIGEST_BYTES = 16
"""At least."""

_PHC = re.compile(r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)")


class Password:
    """What is set, ready to be compared."""

    def __init__(self, setting: str) -> None:
        """Raises `ConfigError` for what begins as a hash and is none."""
        self._text = setting
        self._hash = _parse(setting) if setting.startswith("$") else None

    def is_(self, given: str) -> bool:
        """Compare, in a time that does not tell how much of it is right. With a hash: not on the event loop."""
        data = given.encode("utf-8", "surrogatepass")
        if self._hash is not None:
            return hmac.compare_digest(_scrypt(data, self._hash), self._hash.digest)
        return hmac.compare_digest(hashlib.sha256(data).digest(), hashlib.sha256(self._text.encode()).digest())


def hashed(password: str, salt: bytes) -> str:
    """Give what may be set instead of a password; `salt` is random, 16 bytes."""
    digest = _scrypt(password.encode(), _Hash(LN, R, P, salt, bytes(32)))
    return f"$scrypt$ln={LN},r={R},p={P}${_b64(salt)}${_b64(digest)}"


class _Hash(NamedTuple):
    ln: int
    r: int
    p: int
    salt: bytes
    digest: bytes


def _parse(setting: str) -> _Hash:
    wrong = ConfigError(
        'begins with "$" and is no hash that is known here: make one with voice-agent serve --hash-password',
        "CONSOLE_PASSWORD",
    )
    matched = _PHC.fullmatch(setting)
    if matched is None:
        raise wrong
    try:
        known = _Hash(int(matched[1]), int(matched[2]), int(matched[3]), _unb64(matched[4]), _unb64(matched[5]))
        # Tried now, for what the machine refuses must not be found out when somebody signs in.
        _scrypt(b"", known)
    except (ValueError, binascii.Error):
        raise wrong from None
    return known


def _scrypt(data: bytes, like: _Hash) -> bytes:
    if not 1 <= like.ln <= 20 or like.p > MOST_PARALLEL or len(like.digest) < DIGEST_BYTES:
        raise ValueError(like.ln)
    return hashlib.scrypt(
        data, salt=like.salt, n=2**like.ln, r=like.r, p=like.p, maxmem=MOST_BYTES, dklen=len(like.digest)
    )


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _unb64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
