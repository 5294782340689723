"""One store: the calls, which were a SQLite file before, the transfers, and what calls need to go on."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, Text, inspect

revision = "0001"
down_revision = None

FORMER_LAST = 3
"""The last version that the file of calls counted by itself. One more, and programs of then leave the file alone."""


def upgrade() -> None:
    """Make the tables; a file of former calls keeps them."""
    connection = op.get_bind()
    if inspect(connection).has_table("calls"):
        _complete_calls({column["name"] for column in inspect(connection).get_columns("calls")})
    else:
        _make_calls()
    op.create_table(
        "transfers",
        Column("id", Text, primary_key=True),
        Column("caller_sid", Text, nullable=False),
        Column("colleague_sid", Text, nullable=False, server_default=""),
        Column("state", Text, nullable=False, server_default="calling"),
        Column("problem", Text, nullable=False, server_default=""),
        Column("setup", Text, nullable=False),
        Column("made_at", BigInteger, nullable=False),
    )
    op.create_index("transfers_by_colleague", "transfers", ["colleague_sid"])
    op.create_table(
        "checkpoints",
        Column("call_sid", Text, primary_key=True),
        Column("state", Text, nullable=False),
        Column("number", Integer, nullable=False),
        Column("content", Text, nullable=False),
        Column("written_at", BigInteger, nullable=False),
    )
    op.create_index("checkpoints_by_age", "checkpoints", ["written_at"])
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA user_version = {FORMER_LAST + 1}")


def _make_calls() -> None:
    op.create_table(
        "calls",
        Column("id", Integer, primary_key=True),
        Column("call_sid", Text, nullable=False),
        Column("agent", Text, nullable=False),
        Column("caller", Text, nullable=False),
        Column("called", Text, nullable=False),
        Column("started_at", Text, nullable=False),
        Column("ended_at", Text, nullable=False),
        Column("outcome", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("duration_ms", Integer, nullable=False),
        Column("recording", Text),
        Column("transcript", Text, nullable=False),
        Column("turns", Integer, nullable=False),
        Column("interruptions", Integer, nullable=False),
        Column("tool_calls", Integer, nullable=False),
        Column("response_ms", Text, nullable=False),
        Column("usage", Text, nullable=False),
        Column("model", Text, nullable=False, server_default=""),
        Column("transcription", Text, nullable=False, server_default="{}"),
    )
    op.create_index("calls_by_sid", "calls", ["call_sid"])
    op.create_index("calls_by_start", "calls", ["started_at"])


def _complete_calls(known: set[str]) -> None:
    # The second version added the model, the third what transcriptions cost.
    if "model" not in known:
        op.add_column("calls", Column("model", Text, nullable=False, server_default=""))
    if "transcription" not in known:
        op.add_column("calls", Column("transcription", Text, nullable=False, server_default="{}"))
