"""What went wrong in each call, to be listed and searched; and an index that holds what the list asks for."""

import json
from typing import Any

from alembic import op
from sqlalchemy import Column, Integer, Text, text

revision = "0003"
down_revision = "0002"

LATE_MS = 1000

LOST = {"the model's session is opened anew", "another endpoint is asked for the model"}
ENDS = {"stream_lost": "stream lost", "no_stream": "stream lost", "model_failed": "model failed"}
ENDS |= {"refused": "not taken", "unanswered": "not taken"}

_CALLS = text(
    "SELECT id, call_sid, outcome, reason, duration_ms, response_ms, transcript FROM calls "
    "WHERE id <= :before ORDER BY id DESC LIMIT 500"
)
_TOLD = text("UPDATE calls SET trouble = :trouble, faults = :kinds, slowest_ms = :slowest WHERE id = :key")


def upgrade() -> None:
    """Add columns and indexes, and fill in what former calls tell: their transcripts name most of it."""
    op.add_column("calls", Column("trouble", Text, nullable=False, server_default="[]"))
    op.add_column("calls", Column("slowest_ms", Integer, nullable=False, server_default="-1"))
    connection = op.get_bind()
    later: set[str] = set()
    before = connection.execute(text("SELECT max(id) FROM calls")).scalar()
    # A few at a time: with its words, a call may be large.
    while before is not None:
        rows = connection.execute(_CALLS, {"before": before}).all()
        if rows:
            connection.execute(_TOLD, [_told(row, later) for row in rows])
        before = rows[-1].id - 1 if rows else None
    op.drop_index("calls_by_start", "calls")
    op.create_index("calls_listed", "calls", ["started_at", "faults", "agent", "outcome", "duration_ms", "slowest_ms"])


def _told(row: Any, later: set[str]) -> dict[str, Any]:
    """Give what a former call's row is to hold. `later`: the calls of which a later part was seen; it is added."""
    times = [ms for ms in _list(row.response_ms) if isinstance(ms, int)]
    found = _trouble(row, times)
    if row.outcome == "transferred" and row.call_sid in later:
        found.append({"at_ms": row.duration_ms, "kind": "transfer failed"})
    later.add(row.call_sid)
    kinds = {each["kind"] for each in found} | {each["what"] for each in found if each["kind"] == "fault"}
    return {
        "trouble": json.dumps(found),
        "kinds": "".join(f"{kind}\n" for kind in sorted(kinds)),
        "slowest": max(times, default=-1),
        "key": row.id,
    }


def _trouble(row: Any, times: list[int]) -> list[dict[str, Any]]:
    """Tell what is known of a former call; when an answer was late is not."""
    found: list[dict[str, Any]] = [{"at_ms": 0, "kind": "late answer", "ms": ms} for ms in times if ms > LATE_MS]
    for line in _list(row.transcript):
        try:
            at_ms, who, said, remark = line["at_ms"], line["who"], line["text"], line.get("remark", "")
        except (TypeError, KeyError, AttributeError):
            continue  # the history says so when it is read
        if who == "tool":
            if remark.startswith("failed in "):
                found.append({"at_ms": at_ms, "kind": "tool failed", "what": said.split(" ")[0][:64]})
            elif not remark:
                found.append({"at_ms": at_ms, "kind": "tool never answered", "what": said.split(" ")[0][:64]})
        elif who == "agent" and remark.startswith("interrupted: "):
            heard, _, whole = remark.removeprefix("interrupted: ").removesuffix(" heard").partition(" of ")
            if heard != whole:
                found.append({"at_ms": at_ms, "kind": "words not heard"})
        elif who == "note" and said != "the model is gone":
            found.append({"at_ms": at_ms, "kind": "connection lost"} if said in LOST else
                         {"at_ms": at_ms, "kind": "fault", "what": said})  # fmt: skip
    if row.outcome in ENDS:
        kind = ENDS[row.outcome]
        found.append({"at_ms": row.duration_ms, "kind": kind, "what": row.reason if kind == "not taken" else ""})
    return found


def _list(content: str) -> list[Any]:
    try:
        read = json.loads(content)
    except ValueError:
        return []
    return read if isinstance(read, list) else []
