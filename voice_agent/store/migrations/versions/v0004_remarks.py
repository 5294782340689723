"""What becomes known of a call before its row is in the history."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, Text

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "remarks",
        Column("id", Integer, primary_key=True),
        Column("call_sid", Text, nullable=False),
        Column("kind", Text, nullable=False),
        Column("what", Text, nullable=False),
        Column("told_at", BigInteger, nullable=False),
    )
    op.create_index("remarks_by_sid", "remarks", ["call_sid"])
