"""What ``serbero export`` does; loaded when it is run."""

import io
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer

from serbero.cli import export_case
from serbero.cli.disputes.timeline import timeline
from serbero.cli.page import print_document, short
from serbero.cli.source import FAILED, USAGE, Asked, Stop, leave
from serbero.clock import SystemClock

MODE: Final = 0o600
"""It holds what the parties wrote."""
_STDOUT: Final = Path("-")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was typed behind the command."""

    as_html: bool
    as_json: bool
    output: Path | None
    without_chat: bool
    force: bool


def export_dispute(asked: Asked, beginning: str, wishes: Wishes) -> None:
    """Read, and write.

    Raises:
        typer.Exit: it cannot be; why is said.
    """
    if wishes.as_html == wishes.as_json:
        leave(Stop("expected one of --html and --json, found both or neither", USAGE), False)
    now = SystemClock().now()
    case = asked.read(lambda tx: export_case.read(tx, beginning, now))
    document = export_case.document(case, now, chat=not wishes.without_chat)
    if wishes.as_json:
        stream = io.StringIO()
        print_document(document, stream)
        text = stream.getvalue()
    else:
        from serbero.cli.export_page import page  # noqa: PLC0415 - a document needs none of it

        text = page(document, timeline(case.story, every=False))
    path = wishes.output
    if path is None:
        path = _STDOUT if wishes.as_json else Path(f"dispute-{_name(case)}.html")
    if path == _STDOUT:
        sys.stdout.write(text)
        return
    try:
        write(path, text, force=wishes.force)
    except Stop as stop:
        leave(stop, False)
    typer.echo(f"written: {path}", err=True)


def _name(case: export_case.Case) -> str:
    """A file's name may hold nothing but letters and digits, whatever an id holds."""
    plain = "".join(c for c in short(case.story.dispute.dispute_id) if c.isascii() and c.isalnum())
    return plain or "unnamed"


def write(path: Path, text: str, *, force: bool) -> None:
    """Write a file that only its owner may read; all of it, or none.

    Raises:
        Stop: it is there already and was not to be overwritten, or it cannot be written.
    """
    data = text.encode(errors="replace")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if not force and (path.exists() or path.is_symlink()):
            message = f"{path} is there already; --force overwrites it, --output names another"
            raise Stop(message, FAILED)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if force:
            draft.replace(path)
        else:
            # A file that appeared meanwhile stays.
            os.link(draft, path)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}; --output names another"
        raise Stop(message, FAILED) from None
    finally:
        with suppress(OSError):
            draft.unlink()
