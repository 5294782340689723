"""Secrets: a value that no log line, recording or traceback shows, and the token that stands in for Twilio's.

It must not know what the secrets are for.
"""

import hmac
import os
import re
import secrets
from pathlib import Path

from voice_agent.errors import CommandError

TOKEN_FILE = "auth-token"  # noqa: S105 - the name of a file
_TOKEN = re.compile(r"[0-9a-f]{32}")
"""The form of Twilio's own Auth Tokens."""


class Secret:
    """A text that shows itself only to `reveal`; JSON encoders refuse it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, to be put into a request and nowhere else."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)


def local_auth_token(data: Path) -> str:
    """Return the token that signs webhooks where no `TWILIO_AUTH_TOKEN` is set: made once, kept in `data`.

    Whoever asks first makes it, readable by the owner only; the server and the emulated Twilio then read the same one,
    also when both start at once. Raises `CommandError` when the folder cannot be written or the file is not private.
    """
    path = data / TOKEN_FILE
    try:
        if not path.exists():
            _make(path)
        if path.stat().st_mode & 0o077:
            raise CommandError(f"{path} can be read by others; run: chmod 600 {path}")
        token = path.read_text(encoding="ascii").strip()
    except UnicodeDecodeError:
        token = ""
    except OSError as error:
        raise CommandError(
            f"{path} cannot be made or read ({error.strerror}); DATA must be a folder of yours"
        ) from None
    if not _TOKEN.fullmatch(token):
        raise CommandError(f"{path} holds no token; delete it, and a new one will be made")
    return token


def _make(path: Path) -> None:
    """Write beside and link into place: the file appears whole, and the first of several makers wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(16) + "\n")
        path.hardlink_to(draft)
    except FileExistsError:
        pass  # another process was first; its token is read
    finally:
        draft.unlink()
