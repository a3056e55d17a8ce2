"""What a shell completes behind ``serbero ...``: ids that are in the database, and fixed words.

Called while somebody types: says nothing, fails silently, and looks no further than it must.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import typer

MOST: Final = 50
"""More ids are no help."""
_KEY_LENGTH: Final = 64


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


def purposes(incomplete: str) -> list[str]:
    """Return the purposes of messages that begin like this."""
    from serbero.model.notification import Purpose  # noqa: PLC0415 - see above

    return words(*Purpose)(incomplete)


def notification_types(incomplete: str) -> list[str]:
    """Return the types of rows in `notifications` that begin like this."""
    from serbero.model.notification import NotificationType  # noqa: PLC0415 - see above

    return words(*NotificationType)(incomplete)


def solvers(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return the solvers of the configuration, or of the database, as npubs that begin like this.

    In hex where hex digits are typed. A name of the configuration stands beside its key.
    """
    try:
        known = _solvers(context)
        in_hex = not incomplete.lower().startswith("n") and incomplete != ""
        offered = [(key if in_hex else _npub(key), name) for key, name in known]
        return [each for each in offered if each[0].startswith(incomplete.lower())][:MOST]
    except Exception:  # noqa: BLE001 - a traceback in the middle of a command line helps nobody
        return []


def _npub(key: str) -> str:
    from serbero.nostr.keys import npub  # noqa: PLC0415 - see above

    return npub(key)


def _solvers(context: typer.Context) -> list[tuple[str, str]]:
    from serbero.cli.solver_keys import in_hex  # noqa: PLC0415 - see above

    found: dict[str, str] = {}
    for key, name in (*_configured(context), *_asked(context, "", "solvers")):
        known = in_hex(key)
        if len(known) == _KEY_LENGTH:
            found.setdefault(known, name)
    return list(found.items())


def _configured(context: typer.Context) -> list[tuple[str, str]]:
    """Keys and names that stand in the file; nothing else of it is looked at."""
    import tomllib  # noqa: PLC0415 - see above

    from serbero.cli.options import sources  # noqa: PLC0415 - see above

    path, _ = sources(_typed(context, "config"), _typed(context, "db"))
    try:
        listed = tomllib.loads(path.read_text("utf-8")).get("solvers", [])
    except (OSError, ValueError):
        return []
    return [(str(each["pubkey"]), str(each.get("name", ""))) for each in listed if "pubkey" in each]


def message_numbers(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return numbers of messages that wait or were given up, newest first, each with its state."""
    return _asked(context, incomplete, "messages")


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
