"""How results are shown: one row a measurement, ours beside the yardstick that was measured in the same run."""

from typing import NamedTuple


class Row(NamedTuple):
    """One measurement."""

    what: str
    ours: str
    yardstick: str
    compared: str
    """The ratio or the difference, which is what means anything on another machine."""
    bound: str
    kept: bool


class Table(NamedTuple):
    """The results of one bench."""

    title: str
    rows: list[Row]

    def render(self) -> str:
        """Give the table as text, one line a row; a broken bound is marked."""
        heads = ("", "ours", "yardstick", "compared", "bound", "")
        lines = [heads, *((*row[:5], "" if row.kept else "<- over") for row in self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(6)]
        text = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:5], widths[1:5]), line[5]]).rstrip()
            for line in lines
        ]
        return "\n".join([self.title, *text, ""])

    @property
    def kept(self) -> bool:
        """Tell whether every bound was kept."""
        return all(row.kept for row in self.rows)
