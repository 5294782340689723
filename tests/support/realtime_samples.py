"""The published samples of the Realtime API, and ways to break them."""

import json
from pathlib import Path
from typing import Any, Literal

from hypothesis import strategies as st

_FOLDER = Path(__file__).parent.parent / "wire" / "samples" / "realtime"


def names(side: Literal["server", "client"]) -> list[str]:
    """Every event type of a side that there is a sample of."""
    return sorted(path.stem for path in (_FOLDER / side).glob("*.json"))


def text(side: Literal["server", "client"], name: str) -> str:
    """The sample as it would cross the socket."""
    return json.dumps(fields(side, name))


def fields(side: Literal["server", "client"], name: str) -> dict[str, Any]:
    """The sample as data, a fresh copy."""
    found: dict[str, Any] = json.loads((_FOLDER / side / f"{name}.json").read_text(encoding="utf-8"))
    return found


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@st.composite
def mutated(draw: st.DrawFn, side: Literal["server", "client"]) -> str:
    """A valid event with a few of its values replaced or removed, at any depth, and sometimes its text damaged."""
    event = fields(side, draw(st.sampled_from(names(side))))
    for _ in range(draw(st.integers(0, 3))):
        place: Any = event
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and draw(st.booleans()):
                place = place[key]
                continue
            if draw(st.booleans()):
                place[key] = draw(_VALUES)
            else:
                del place[key]
            break
    written = json.dumps(event)
    if draw(st.integers(0, 3)):
        return written
    begin = draw(st.integers(0, len(written)))
    patch = draw(st.sampled_from(["", "-", "null", "[]", '"', '":5,"', "9" * 400, "\\ud800", "\ud800", "\x00"]))
    return written[:begin] + patch + written[begin + draw(st.integers(0, 12)) :]
