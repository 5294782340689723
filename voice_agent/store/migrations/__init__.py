"""How databases of former versions are brought up, by Alembic; see `database.Database.prepare`."""
