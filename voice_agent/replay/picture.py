"""A picture of a call: both voices above one line of time, and what happened. SVG, drawn here.

It must not know where sound and moments come from.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from voice_agent.audio.levels import rms_dbfs
from voice_agent.audio.mulaw import BYTES_PER_MS

SLICE_MS = 100
"""One bar of a voice."""

_QUIETEST_DBFS = -50.0
_WIDTH_PER_SECOND = 40
_LEFT = 60
_LANE = 60
_LINE = 16


class Moment(NamedTuple):
    """Something that happened."""

    at_ms: int
    what: str
    bad: bool = False
    """It is what went wrong."""


def draw(caller: bytes, agent: bytes, moments: Sequence[Moment]) -> str:
    """Draw mu-law sound that begins at 0 ms, and the moments on the same clock."""
    seconds = len(caller) / BYTES_PER_MS / 1000
    width = _LEFT + int(seconds * _WIDTH_PER_SECOND) + 260
    height = 2 * _LANE + 30 + _LINE * (len(moments) + 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">',
        "<style>text{font-size:11px}</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *_voice("caller", caller, 0, "#2a6fb0"),
        *_voice("agent", agent, _LANE, "#c26a1b"),
        *_seconds(int(seconds), 2 * _LANE),
    ]
    for number, moment in enumerate(moments):
        parts += _mark(moment, 2 * _LANE + 30 + _LINE * (number + 1))
    return "\n".join([*parts, "</svg>\n"])


def _voice(name: str, sound: bytes, top: int, colour: str) -> Iterator[str]:
    middle = top + _LANE // 2
    yield f'<text x="4" y="{middle + 4}" fill="{colour}">{name}</text>'
    size = SLICE_MS * BYTES_PER_MS
    bars = []
    for number in range(0, len(sound), size):
        loud = max(0.0, 1 - rms_dbfs(sound[number : number + size]) / _QUIETEST_DBFS)
        if loud:
            x, half = _x(number // BYTES_PER_MS), round(loud * (_LANE // 2 - 2), 1)
            bars.append(f"M{x} {middle - half}V{middle + half}")
    yield f'<path d="{"".join(bars)}" stroke="{colour}" stroke-width="3" fill="none"/>'


def _seconds(count: int, top: int) -> Iterator[str]:
    for second in range(count + 1):
        x = _x(second * 1000)
        yield f'<path d="M{x} 0V{top + 4}" stroke="#ddd"/>'
        yield f'<text x="{x}" y="{top + 16}" text-anchor="middle" fill="#666">{second // 60}:{second % 60:02}</text>'


def _mark(moment: Moment, y: int) -> Iterator[str]:
    x, colour = _x(moment.at_ms), "#c00" if moment.bad else "#444"
    yield f'<path d="M{x} 0V{y - 4}" stroke="{colour}" stroke-width="{2 if moment.bad else 0.5}"/>'
    yield f'<text x="{x + 3}" y="{y}" fill="{colour}">{escape(_printable(moment.what))}</text>'


def _x(at_ms: int) -> float:
    return round(_LEFT + at_ms * _WIDTH_PER_SECOND / 1000, 1)


def _printable(text: str) -> str:
    """XML has no characters for most control codes, and a picture no room for a speech."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= 110 else f"{line[:109]}…"
