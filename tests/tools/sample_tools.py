"""Functions that agents of the tests call: quick ones, slow ones, and ones that fail."""

import asyncio
import functools
import json
import threading
from typing import Any, Literal

release = threading.Event()
"""What `blocks` waits for, so that its thread ends with the test."""


def hours(day: Literal["Monday", "Sunday"], week: int = 1) -> dict[str, Any]:
    """Tell."""
    return {"day": day, "week": week}


async def later(name: str) -> str:
    """Tell."""
    await asyncio.sleep(0)
    return f"hello {name}"


later_still = functools.wraps(later)(lambda **values: later(**values))  # noqa: PLW0108 - it hides what is called


def everything(text: str, number: float, flag: bool, names: list[str], size: Literal[1, 2] | None = None) -> list[Any]:
    """Tell."""
    return [text, number, flag, names, size]


def nothing() -> None:
    """Tell."""


def where() -> str:
    """Tell."""
    return threading.current_thread().name


def blocks() -> str:
    """Wait."""
    release.wait(5)
    return "too late"


async def hangs() -> str:
    """Wait."""
    await asyncio.Event().wait()
    return "too late"


class FullError(ValueError):
    """Of the agent's own."""


def is_full() -> str:
    """Refuse."""
    raise FullError("that day is full")


def decodes() -> str:
    """Read what is no JSON."""
    return str(json.loads("key=geheim"))


def refuses(day: str) -> str:
    """Refuse."""
    raise ValueError(f"no such\nday: {day}")


def breaks() -> str:
    """Break."""
    raise KeyError("password of the database")


def exits() -> str:
    """Exit."""
    raise SystemExit(3)


async def exits_later() -> str:
    """Exit."""
    raise SystemExit(3)


def stops() -> str:
    """Stop."""
    raise StopIteration


async def cancels_itself() -> str:
    """Cancel."""
    raise asyncio.CancelledError


async def times_out_itself() -> str:
    """Time out."""
    raise TimeoutError("the server of the calendar")


def long() -> str:
    """Tell."""
    return "x" * 20_000


def unspeakable() -> str:
    """Tell."""
    return "a\ud800b"


def unencodable() -> object:
    """Tell."""
    return object()
