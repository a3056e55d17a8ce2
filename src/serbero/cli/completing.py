"""What a shell completes behind ``serbero ...``: ids that are in the database, and fixed words.

Called while somebody types: says nothing, fails silently, and looks no further than it must.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import typer

MOST: Final = 50
"""More ids are no help."""


def dispute_ids(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return ids of disputes that begin like this, newest first, each with its state."""
    return _asked(context, incomplete, "disputes")


def session_ids(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return ids of mediation sessions that begin like this, newest first, each with its state."""
    return _asked(context, incomplete, "sessions")


def words(*known: str) -> Callable[[str], list[str]]:
    """Return what completes an option that takes one of a few words."""

    def beginning(incomplete: str) -> list[str]:
        return [each for each in known if each.startswith(incomplete.lower())]

    return beginning


def audit_kinds(incomplete: str) -> list[str]:
    """Return the kinds of entries of the audit log that begin like this."""
    from serbero.cli.audit.words import KINDS  # noqa: PLC0415 - a command that is run loads its own

    return words(*sorted(KINDS))(incomplete)


def _asked(context: typer.Context, incomplete: str, what: str) -> list[tuple[str, str]]:
    from serbero.cli.source import Source  # noqa: PLC0415 - a command that is run loads its own
    from serbero.store import completion  # noqa: PLC0415 - see above

    find: Callable[..., list[tuple[str, str]]] = getattr(completion, what)
    try:
        source = Source.named(_typed(context, "config"), _typed(context, "db"))
        return source.read(lambda tx: find(tx, incomplete, MOST))
    except Exception:  # noqa: BLE001 - a traceback in the middle of a command line helps nobody
        return []


def _typed(context: typer.Context, name: str) -> Path | None:
    """An option as typed so far, before the command or after it."""
    at: Any = context
    while at is not None:
        value = at.params.get(name)
        if value is not None:
            return Path(value)
        at = at.parent
    return None
