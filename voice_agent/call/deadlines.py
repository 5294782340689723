"""Named deadlines: what a part waits for, as data."""


class Deadlines:
    """A few named points in time, whole milliseconds of the call. Naming one again moves it."""

    def __init__(self) -> None:
        self._at: dict[str, int] = {}
        self._earliest_ms: int | None = None
        """As it was when `_moved` was last false: it is asked for far more often than anything moves."""
        self._moved = False

    def set(self, name: str, at_ms: int) -> None:
        """Arm or move a deadline."""
        self._at[name] = at_ms
        self._moved = True

    def clear(self, *names: str) -> None:
        """Disarm; unknown names are fine."""
        for name in names:
            self._at.pop(name, None)
        self._moved = True

    def clear_all(self) -> None:
        """Disarm whatever there is."""
        self._at.clear()
        self._moved = True

    def armed(self, name: str) -> bool:
        """Whether this deadline is still to come."""
        return name in self._at

    def earliest(self) -> int | None:
        """The next one, or `None`."""
        if self._moved:
            self._moved = False
            self._earliest_ms = min(self._at.values()) if self._at else None
        return self._earliest_ms

    def take_due(self, now_ms: int) -> list[str]:
        """Disarm and name what is due, earliest first."""
        if not self._at:
            return []
        due = sorted((at, name) for name, at in self._at.items() if at <= now_ms)
        for _, name in due:
            del self._at[name]
        self._moved = True
        return [name for _, name in due]

    def __repr__(self) -> str:
        return f"Deadlines({self._at})"
