"""Alembic's entry point: runs on the connection of the caller's transaction."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="serbero_schema",
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
