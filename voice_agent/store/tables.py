"""What the store's tables look like today. How a database of a former version gets there stands in `migrations`.

Texts that hold structs are JSON, written and read by the module whose table it is. It must not know how a database is
reached.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

REVISIONS = ("0001", "0002", "0003", "0004")
"""Of `migrations/versions`, the first first: what is not among them was written by a newer program."""

METADATA = MetaData()

CALLS = Table(
    "calls",
    METADATA,
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
    Column("interruption_ms", Text, nullable=False, server_default="[]"),
    Column("trouble", Text, nullable=False, server_default="[]"),
    # What is searched for: small letters of what was said, where a recording may be kept; the kinds of trouble, a line
    # each; what calls are put in order by.
    Column("words", Text, nullable=False, server_default=""),
    Column("faults", Text, nullable=False, server_default=""),
    Column("slowest_ms", Integer, nullable=False, server_default="-1"),
    Index("calls_by_sid", "call_sid"),
    # Rows hold whole transcripts: the list is found, put in order and chosen from without opening one.
    Index("calls_listed", "started_at", "faults", "agent", "outcome", "duration_ms", "slowest_ms"),
)

REMARKS = Table(
    "remarks",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("call_sid", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("told_at", BigInteger, nullable=False),
    Index("remarks_by_sid", "call_sid"),
)

TRANSFERS = Table(
    "transfers",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("caller_sid", Text, nullable=False),
    Column("colleague_sid", Text, nullable=False, server_default=""),
    Column("state", Text, nullable=False, server_default="calling"),
    Column("problem", Text, nullable=False, server_default=""),
    Column("setup", Text, nullable=False),
    Column("made_at", BigInteger, nullable=False),
    Index("transfers_by_colleague", "colleague_sid"),
)

CHECKPOINTS = Table(
    "checkpoints",
    METADATA,
    Column("call_sid", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("content", Text, nullable=False),
    Column("written_at", BigInteger, nullable=False),
    Index("checkpoints_by_age", "written_at"),
)
