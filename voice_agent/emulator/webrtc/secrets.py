"""Ephemeral secrets: keys that a browser may hold, each bound to a session that its server has chosen.

It must not know HTTP. https://platform.openai.com/docs/api-reference/realtime-sessions
"""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

PREFIX = "ek_"

USUAL_SECONDS = 600
SHORTEST_SECONDS = 10
LONGEST_SECONDS = 7200
"""How long a secret opens sessions, as the API's reference has it. A session outlives its secret."""

MOST = 1000
"""Secrets that are remembered; the oldest go first. A stand-in must not grow for ever."""


class EphemeralSecret(msgspec.Struct, frozen=True):
    """One secret."""

    value: str
    expires_at: int
    """Unix seconds."""
    session: dict[str, Any]
    """What was asked for."""


def wall_seconds() -> int:
    """Give the time of day: whoever holds a secret compares its end with their own clock."""
    return int(datetime.now(UTC).timestamp())


class EphemeralSecrets:
    """The secrets of one server."""

    def __init__(self, now_seconds: Callable[[], int] = wall_seconds) -> None:
        self._now_seconds = now_seconds
        self._secrets: dict[str, EphemeralSecret] = {}

    def mint(self, session: dict[str, Any], seconds: int) -> EphemeralSecret:
        """Make a secret. It may open any number of sessions until it expires."""
        made = EphemeralSecret(f"{PREFIX}{secrets.token_hex(16)}", self._now_seconds() + seconds, session)
        self._secrets[made.value] = made
        if len(self._secrets) > MOST:
            del self._secrets[next(iter(self._secrets))]
        return made

    def find(self, value: str) -> EphemeralSecret | None:
        """Give a secret that is still good."""
        found = self._secrets.get(value)
        return found if found is not None and self._now_seconds() < found.expires_at else None
