"""The tools of `parcel.yaml` and `claims.yaml`; a real parcel service would ask its own system."""

_PARCELS = {"4417": "in the van, and with you before noon", "2050": "at the customs office in Oakland"}


def where_is(number: str) -> dict[str, str | bool]:
    """Find out where a parcel is.

    Args:
        number: The four digits of the parcel.
    """
    place = _PARCELS.get(number)
    return {"number": number, "known": place is not None, "place": place or "nowhere that we know of"}


def open_claim(thing: str) -> dict[str, str | int]:
    """Open a claim for something that arrived broken.

    Args:
        thing: What was broken, in a word.
    """
    return {"thing": thing, "claim": 88}
