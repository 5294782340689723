"""What calls are searched by: the words, what broke; and how long an interrupted agent was still heard."""

import json
from typing import Any

from alembic import op
from sqlalchemy import Column, Text, text

revision = "0002"
down_revision = "0001"

NAMES = ("interruption_ms", "words", "faults")


def upgrade() -> None:
    """Add the columns, and fill in what former calls tell; how long agents were still heard they do not."""
    for name in NAMES:
        default = "[]" if name == "interruption_ms" else ""
        op.add_column("calls", Column(name, Text, nullable=False, server_default=default))
    connection = op.get_bind()
    rows = connection.execute(text("SELECT id, recording, transcript FROM calls")).all()
    for key, recording, transcript in rows:
        lines = _lines(transcript)
        words = "\n".join(line["text"] for line in lines if line["who"] in {"caller", "agent"}).lower()
        faults = "".join(f"{what}\n" for what in sorted({line["text"] for line in lines if line["who"] == "note"}))
        connection.execute(
            text("UPDATE calls SET words = :words, faults = :faults WHERE id = :key"),
            {"words": "" if recording is None else words, "faults": faults, "key": key},
        )


def _lines(transcript: str) -> list[dict[str, Any]]:
    try:
        lines: list[dict[str, Any]] = json.loads(transcript)
        return [line for line in lines if isinstance(line["who"], str) and isinstance(line["text"], str)]
    except (ValueError, TypeError, KeyError):
        return []  # the history says so when it is read
