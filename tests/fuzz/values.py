"""Changes values of JSON and of msgpack, which stay such values."""

import copy
import json
import random
from typing import Any

_VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 1.5, 2**31, 2**63, -(2**63), 2**70, "", "x", "\ud800", "\x00", "é" * 9, "1", "-1",
    "1e400", "9" * 30, "AAAA", "////", "AAA", "CA1", "MZ1", "inbound", "audio/x-mulaw", "response.done", "start", [],
    {}, [[]], {"a": {}}, ["r1"],
]  # fmt: skip


def changed_text(data: bytes, chance: random.Random) -> bytes | None:
    """Change a text of JSON somewhere; `None`: it is none."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    for _ in range(chance.randint(1, 3)):
        value = changed(value, chance)
    if chance.random() < 0.01:
        value = {"type": value, "x": []}
        return json.dumps(value).encode().replace(b"[]", b"[" * 3000 + b"]" * 3000)
    try:
        return json.dumps(value, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        return None


def changed(value: Any, chance: random.Random) -> Any:
    """Change a value, or one within it, which is changed itself."""
    inner = _items(value)
    if not inner or chance.random() < 0.1:
        return _value(chance)
    key = chance.choice(inner)
    match chance.randrange(8):
        case 0:
            del value[key]
        case 1:
            value[key] = _value(chance)
        case 2 if isinstance(value, dict):
            value[chance.choice(["type", "event", "x", "id", "item", "streamSid", str(key)])] = copy.deepcopy(
                value[key]
            )
        case 3 if isinstance(value, list):
            value.append(copy.deepcopy(value[key]))
        case _:
            value[key] = changed(value[key], chance)
    return value


def _value(chance: random.Random) -> Any:
    return copy.deepcopy(chance.choice(_VALUES))


def _items(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value)
    return list(range(len(value))) if isinstance(value, list) else []
