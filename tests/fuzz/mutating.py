"""Changes inputs so that they stay what they are: JSON stays JSON, a recording's blocks keep their checksums.

Bytes changed at random hardly ever do, and would test the JSON reader and the checksum again and again.
"""

import random
from collections.abc import Callable

from tests.fuzz.recordings import change_recording
from tests.fuzz.values import changed_text


def mutate(target: str, data: bytes, chance: random.Random, plainly: Callable[[bytes], bytes]) -> bytes:
    """Change an input of a target; `plainly` changes bytes at random, which is right now and then, too."""
    if target == "recording":
        return change_recording(data, chance, plainly)
    if chance.random() < 0.15:
        return plainly(data)
    match target:
        case "call":
            return _lines(data, chance)
        case _:
            return changed_text(data, chance) or plainly(data)


def _lines(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    match chance.randrange(6):
        case 0:
            lines.insert(at, b"T")
        case 1:
            lines.insert(at, lines[chance.randrange(len(lines))])
        case 2 if len(lines) > 1:
            del lines[at]
        case 3:
            other = chance.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        case _:
            lines[at] = lines[at][:1] + (changed_text(lines[at][1:], chance) or b"{}")
    return b"\n".join(lines)
