"""Call history: one row a call, in SQLite."""
