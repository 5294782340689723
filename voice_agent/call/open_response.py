"""The response that the server makes now: what has come of it, and whether it was cancelled."""

from collections.abc import Iterator

from voice_agent.call.commands import CancelResponse, Command


class OpenResponse:
    """See the module. At most one is open at a time."""

    def __init__(self) -> None:
        self.id: str | None = None
        self.sounds = False
        """Sound of it has come."""
        self.calls = False
        """A call of a tool has."""
        self._cancelled: set[str] = set()
        """This one and former ones, as far as the session lasts."""

    def begin(self, response_id: str) -> None:
        """Take that it is open."""
        self.id = response_id
        self.sounds = self.calls = False

    def lose(self) -> None:
        """Take that its session is lost."""
        self.id = None
        self._cancelled.clear()

    @property
    def comes(self) -> bool:
        """Whether there is one that is not cancelled."""
        return self.id is not None and self.id not in self._cancelled

    @property
    def came(self) -> bool:
        """Whether something has come of it, or nothing shall."""
        return self.sounds or self.calls or self.id in self._cancelled

    def is_cancelled(self, response_id: str) -> bool:
        """Whether this one, open or not, was cancelled."""
        return response_id in self._cancelled

    def cancel(self, response_id: str) -> Iterator[Command]:
        """Have it cancelled, once."""
        if response_id not in self._cancelled:
            self._cancelled.add(response_id)
            yield CancelResponse(f"cancel-{response_id}", response_id)
