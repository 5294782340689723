"""Where phone numbers led before they were pointed elsewhere, so that it can be undone: a small JSON file a number.

It must not know what leads where.
"""

import contextlib
import os
import re
from pathlib import Path

import msgspec

from voice_agent.errors import CommandError

FOLDER = "numbers"
"""Within `DATA`."""

MOST = 20
"""Changes of one number that can be undone."""


class FormerPointing(msgspec.Struct, frozen=True, kw_only=True):
    """One state of a number that a change has ended."""

    changed_at: str
    """ISO 8601, in UTC."""
    fields: dict[str, str]


class Pointings:
    """The former states of one number, the latest last. Faults of the disk are `CommandError`."""

    def __init__(self, data: Path, number: str) -> None:
        """`number`: E.164."""
        assert re.fullmatch(r"\+[0-9]+", number), "it becomes the name of a file"
        self.path = data / FOLDER / f"{number}.json"

    def last(self) -> FormerPointing | None:
        """Give the state that the latest change has ended; `None`: nothing was changed from here."""
        states = self._read()
        return states[-1] if states else None

    def push(self, state: FormerPointing) -> None:
        """Keep a state, before the change that ends it."""
        self._write([*self._read(), state][-MOST:])

    def drop_last(self) -> None:
        """Forget the latest one: its change did not come about, or is undone."""
        self._write(self._read()[:-1])

    def _read(self) -> list[FormerPointing]:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=list[FormerPointing])
        except (FileNotFoundError, NotADirectoryError):
            return []
        except (OSError, msgspec.DecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not what was written there"
            raise CommandError(f"{self.path} cannot be read ({why}); move it away to go on without undoing") from None

    def _write(self, states: list[FormerPointing]) -> None:
        draft = self.path.with_suffix(".new")
        try:
            if not states:
                self.path.unlink(missing_ok=True)
                return
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(states), indent=2))
            draft.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            why = f"{self.path} cannot be written ({error.strerror})"
            raise CommandError(f"{why}; DATA must be a folder of yours") from None
