"""Alembic revisions of our own tables; the reference's are in ``reference_schema``."""
