"""Latency and CPU against calls, one curve a bridge: two panels of SVG, drawn here.

It must not know how anything was measured.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

from voice_agent.emulator.load.account import MOST_P99_MS, Level

_COLOURS = ("#2a6fb0", "#c26a1b", "#3d8b4f", "#a03070", "#666666", "#8a7a10", "#1b8a8a", "#7a4fb0")
_LEFT, _TOP, _WIDTH, _HEIGHT, _GAP = 60, 30, 360, 240, 70
_LINE = 16
_TICKS = 5


def draw(series: Mapping[str, Sequence[Level]]) -> str:
    """Draw the levels of each bridge, by its name."""
    width = 2 * (_LEFT + _WIDTH) + _GAP
    height = _TOP + _HEIGHT + 50 + _LINE * len(series)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">',
        "<style>text{font-size:11px}</style>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        *_panel("added latency, p99 of the worse way, ms", _LEFT, series, _latency, MOST_P99_MS),
        *_panel("CPU, ms per second of one call", _LEFT + _WIDTH + _GAP, series, lambda level: level.cpu_ms, None),
    ]
    for number, name in enumerate(series):
        y = _TOP + _HEIGHT + 50 + _LINE * number
        parts.append(f'<rect x="{_LEFT}" y="{y - 9}" width="10" height="10" fill="{_colour(number)}"/>')
        parts.append(f'<text x="{_LEFT + 16}" y="{y}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _latency(level: Level) -> float | None:
    ways = [way.p99 for way in (level.up, level.down) if way is not None]
    return max(ways, default=None)


def _panel(
    title: str,
    left: int,
    series: Mapping[str, Sequence[Level]],
    value: Callable[[Level], float | None],
    bound: float | None,
) -> Iterator[str]:
    curves = {
        name: sorted((level.calls, shown) for level in levels if (shown := value(level)) is not None)
        for name, levels in series.items()
    }
    points = [point for curve in curves.values() for point in curve]
    most_calls = max((calls for calls, _ in points), default=1)
    # What is far beyond the bound would flatten all the rest.
    ceiling = 3 * bound if bound else float("inf")
    highest = max((shown for _, shown in points), default=1.0) or 1.0
    most = min(ceiling, highest)

    def place(calls: float, shown: float) -> str:
        x = left + calls / most_calls * _WIDTH
        return f"{x:.1f} {_TOP + _HEIGHT * (1 - min(shown, most) / most):.1f}"

    yield f'<text x="{left}" y="{_TOP - 12}">{escape(title)}</text>'
    for tick in range(_TICKS + 1):
        shown, calls = most * tick / _TICKS, most_calls * tick / _TICKS
        y = _TOP + _HEIGHT * (1 - tick / _TICKS)
        beyond = "+" if tick == _TICKS and highest > most else ""
        yield f'<path d="M{left} {y:.1f}h{_WIDTH}" stroke="#ddd"/>'
        yield f'<text x="{left - 4}" y="{y + 4:.1f}" text-anchor="end" fill="#666">{shown:.3g}{beyond}</text>'
        x = left + _WIDTH * tick / _TICKS
        yield f'<text x="{x:.1f}" y="{_TOP + _HEIGHT + 16}" text-anchor="middle" fill="#666">{calls:.0f}</text>'
    yield f'<text x="{left + _WIDTH / 2}" y="{_TOP + _HEIGHT + 32}" text-anchor="middle" fill="#666">calls</text>'
    if bound is not None and bound < most:
        yield f'<path d="M{place(0, bound)}h{_WIDTH}" stroke="#c00" stroke-dasharray="4 3"/>'
    for number, curve in enumerate(curves.values()):
        colour = _colour(number)
        line = "L".join(place(*point) for point in curve)
        if line:
            yield f'<path d="M{line}" stroke="{colour}" stroke-width="2" fill="none"/>'
        for point in curve:
            yield f'<circle transform="translate({place(*point)})" r="3" fill="{colour}"/>'


def _colour(number: int) -> str:
    return _COLOURS[number % len(_COLOURS)]
