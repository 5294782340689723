"""What Alembic runs: the migrations, on the connection that `database` has opened, in its transaction."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
