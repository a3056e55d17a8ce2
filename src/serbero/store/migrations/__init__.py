"""Alembic revisions of our own tables; the reference's are in ``reference_schema``."""

from typing import Final

HEAD: Final = "0005"
"""The newest revision in ``versions``; a database that stands there needs no Alembic."""
