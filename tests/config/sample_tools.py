"""Functions that agents of the tests call; wrong ones too."""

import functools
from typing import Annotated, Any, List, Literal  # noqa: UP035 - the fault under test


def everything(  # noqa: PLR0917 - one parameter of each kind
    day: Literal["Monday", "Tuesday"],
    people: int,
    price: Annotated[float, "in euros"],
    outside: bool,
    names: list[str],
    table: Literal[1, 2] | None,
    note: str | None = None,
    hours: int = 2,
) -> str:
    """Find a free table.

    Tables are given
    for two hours.

    Args:
        day: The day of the week,
            in English.
        people (int): How many come.
        price: Not shown, the annotation wins.

    Returns:
        A sentence.
    """
    return f"{day} {people} {price} {outside} {names} {table} {note} {hours}"


def with_fields(day: str, time: str) -> str:
    """Look up something.

    :param day: The day of the week,
        in English.
    :param time: The time.
    :return: A sentence.
    """
    return day + time


async def asynchronous(day: str) -> str:
    """Answer later."""
    return day


def without_docstring(day: str) -> str:
    return day


def without_type(day) -> str:  # type: ignore[no-untyped-def]
    """Answer."""
    return str(day)


def with_mapping(filters: dict[str, str]) -> str:
    """Answer."""
    return str(filters)


def with_two_types(day: str | int) -> str:
    """Answer."""
    return str(day)


def with_mixed_literal(day: Literal["a", 1]) -> str:
    """Answer."""
    return str(day)


def with_any_list(days: List) -> str:  # type: ignore[type-arg]  # noqa: UP006 - the fault under test
    """Answer."""
    return str(days)


def with_lists_in_literal(day: Literal[["Monday"]]) -> str:  # type: ignore[valid-type]  # the fault under test
    """Answer."""
    return str(day)


def with_half_a_character(day: str = "\ud83d") -> str:
    """Answer."""
    return day


def with_rest(*days: str) -> str:
    """Answer."""
    return str(days)


def with_unknown_hint(day: "Dya") -> str:  # type: ignore[name-defined]  # noqa: F821 - the fault under test
    """Answer."""
    return str(day)


def with_odd_default(day: str = "Monday", when: float = float("inf"), what: list[str] = [object()]) -> str:  # type: ignore[list-item]  # noqa: B006, B008 - only read
    """Answer."""
    return f"{day}{when}{what}"


def a_function_whose_name_is_so_long_that_the_api_would_refuse_to_take_it_(day: str) -> str:
    """Answer."""
    return day


class NotAFunction:
    """Not a function."""

    def __call__(self) -> str:
        """Answer."""
        return ""


instance = NotAFunction()
partial: Any = functools.partial(with_fields, day="Monday")
