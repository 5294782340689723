"""The tools of `shop.yaml`: what becomes of a call to `find_order` depends on the number."""

import asyncio

SLOW_S = 4
"""Longer than a caller may be left in silence."""

NEVER_S = 60
"""Longer than any tool may take."""


async def find_order(number: int) -> dict[str, str]:
    """Look an order up.

    Args:
        number: The order's number.
    """
    match number:
        case 2:
            raise ValueError(f"there is no order {number}")
        case 3:
            await asyncio.sleep(SLOW_S)
            return {"title": "two garden books", "state": "was sent yesterday"}
        case 4:
            await asyncio.sleep(NEVER_S)
    return {"title": "a travel book", "state": "comes on Friday"}


def delivery_day(town: str) -> str:
    """Tell the day on which parcels come to a town.

    Args:
        town: The town.
    """
    return f"Parcels come to {town} on Tuesdays."
