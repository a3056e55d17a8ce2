"""``serbero outbox retry`` and ``drop``; loaded when one of them is run."""

import os
import pwd
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import typer

from serbero.cli.options import moment_given, sources
from serbero.cli.outbox import steering
from serbero.cli.outbox.judging import People
from serbero.cli.outbox.steering import Answer, Outcome, Wish
from serbero.cli.outbox.words import purpose_words
from serbero.cli.page import Page, counted, print_document, short
from serbero.cli.source import FAILED, USAGE, Asked, Source, Stop, leave
from serbero.clock import SystemClock
from serbero.config.environment import DB_VARIABLE
from serbero.config.loader import load
from serbero.config.problems import ConfigError
from serbero.config.settings import Config
from serbero.observe.logging import configure_logging
from serbero.store import outbox_lookup

AT_ONCE: Final = 100
"""Messages a transaction: the daemon's own writes never wait noticeably for one."""
_SHOWN_WHEN_ASKED: Final = 20

_SAID: Final = {
    Outcome.DUE: "due now",
    Outcome.REVIVED: "lives again, due now",
    Outcome.WITHDRAWN: "not sent but withdrawn",
    Outcome.DROPPED: "dropped",
    Outcome.REFUSED: "left as it is",
    Outcome.UNKNOWN: "not found",
}


def retry(asked: Asked, numbers: Sequence[int], *, all_dead: bool, since: str | None) -> None:
    """``retry``."""
    now = SystemClock().now()
    _check_usage(asked, numbers, all_dead=all_dead, since=since)
    from_then = moment_given(since, "--since", now)
    config = _of_this_database(asked)
    wish = Wish(_whoami(), now) if config is None else _wish(config, now)
    answers: list[Answer] = []
    for batch in _all_dead(asked, from_then) if all_dead else _batches(list(numbers)):
        answers += asked.write(partial(steering.retry, numbers=batch, wish=wish))
    if config is None and any(each.done for each in answers):
        _say("No configuration of this database was found: nobody looked whether the recipients")
        _say("are still configured, and what lives again has 24 hours.")
    _tell(asked, answers)
    if not asked.as_json and any(each.done for each in answers):
        _say("The daemon tries within 5 seconds, or when it starts. It looks once more whether a")
        _say("message is true, and withdraws it if not.")
    _end(answers)


def drop(asked: Asked, numbers: Sequence[int], *, yes: bool) -> None:
    """``drop``."""
    configure_logging("off", "console", sys.stderr)
    if not numbers:
        leave(Stop("expected numbers of messages; see `serbero outbox list`", USAGE), asked.as_json)
    if not yes:
        _confirm(asked, numbers)
    wish = Wish(_whoami(), SystemClock().now())
    answers: list[Answer] = []
    for batch in _batches(list(numbers)):
        answers += asked.write(partial(steering.drop, numbers=batch, wish=wish))
    _tell(asked, answers)
    _end(answers)


def _check_usage(
    asked: Asked, numbers: Sequence[int], *, all_dead: bool, since: str | None
) -> None:
    problem = None
    if bool(numbers) == all_dead:
        problem = "expected either numbers of messages or --all-dead; see `serbero outbox list`"
    elif since is not None and not all_dead:
        problem = "--since goes with --all-dead only"
    if problem is not None:
        leave(Stop(problem, USAGE), asked.as_json)


def _batches(numbers: Sequence[int]) -> Iterator[list[int]]:
    wanted = list(dict.fromkeys(numbers))
    for first in range(0, len(wanted), AT_ONCE):
        yield wanted[first : first + AT_ONCE]


def _all_dead(asked: Asked, since: int | None) -> Iterator[list[int]]:
    """Yield what is dead, a batch after the other has been dealt with."""
    after = 0
    while True:
        batch = asked.read(
            partial(outbox_lookup.dead_since, since=since, after=after, limit=AT_ONCE)
        )
        if not batch:
            return
        yield batch
        after = batch[-1]


def _confirm(asked: Asked, numbers: Sequence[int]) -> None:
    """Show what would be dropped and ask.

    Raises:
        typer.Exit: nobody can answer, or the answer is no.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        leave(Stop("nobody is there to confirm: add --yes", USAGE), asked.as_json)
    some = list(dict.fromkeys(numbers))
    found = asked.read(
        lambda tx: [outbox_lookup.one(tx, each) for each in some[:_SHOWN_WHEN_ASKED]]
    )
    for letter in found:
        if letter is not None:
            about = "" if letter.dispute_id is None else f" of dispute {short(letter.dispute_id)}"
            _say(f"  {letter.id}  {purpose_words(letter.purpose)}{about}, {letter.state}")
    if len(some) > _SHOWN_WHEN_ASKED:
        _say(f"  and {len(some) - _SHOWN_WHEN_ASKED} more")
    if not typer.confirm(f"Drop {counted(len(some), 'message')} for good?", err=True):
        leave(Stop("nothing was dropped", FAILED), asked.as_json)


def _of_this_database(asked: Asked) -> Config | None:
    """The configuration of the daemon whose database this is; None if none can be told.

    One that was named counts. One that merely lies here counts if it names this database: those
    of another daemon say nothing about this one's recipients.
    """
    path, environ = sources(asked.config, None)
    try:
        here = Source.named(asked.config, asked.db).path
        environ.pop(DB_VARIABLE, None)
        config = load(path, environ).config
    except (Stop, ConfigError):
        return None
    same = os.path.realpath(config.db_path) == os.path.realpath(here)
    return config if same or asked.config is not None else None


def _wish(config: Config, now: int) -> Wish:
    solvers = frozenset(
        each.hex for each in config.solvers if each.reachable and each.hex is not None
    )
    people = People(config.public_key, solvers)
    return Wish(_whoami(), now, config.delivery.deadline_seconds, people)


def _whoami() -> str:
    """The person's name on this machine; not what the environment claims."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"uid {number}"


def _tell(asked: Asked, answers: Sequence[Answer]) -> None:
    if asked.as_json:
        print_document(_document(answers), sys.stdout)
        return
    page = Page(sys.stdout)
    for each in answers:
        about = [] if each.purpose is None else [purpose_words(each.purpose)]
        if each.dispute_id is not None:
            about.append(f"dispute {short(each.dispute_id)}")
        said = _SAID[each.outcome]
        because = "" if each.because is None else f": {each.because}"
        what = f" ({', '.join(about)})" if about else ""
        page.hanging(f"{each.id}  ", f"{said}{what}{because}", "" if each.done else "yellow")
    if not answers:
        _say("no message was given up")


def _document(answers: Sequence[Answer]) -> dict[str, object]:
    return {
        "ok": all(each.done for each in answers),
        "messages": [
            {
                "id": each.id,
                "outcome": each.outcome.value,
                "reason": each.because,
                "purpose": each.purpose,
                "dispute_id": each.dispute_id,
                "was": each.was,
            }
            for each in answers
        ],
    }


def _end(answers: Sequence[Answer]) -> None:
    if not all(each.done for each in answers):
        raise typer.Exit(FAILED)


def _say(line: str) -> None:
    typer.echo(line, err=True)
