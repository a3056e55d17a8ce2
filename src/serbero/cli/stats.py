"""``serbero stats``: how many, how fast, by whom."""

from enum import StrEnum
from typing import Annotated

import typer

from serbero.cli.options import ConfigOption, DbOption, JsonOption, SinceOption, UntilOption


class By(StrEnum):
    """Breakdowns, as ``--by`` names them."""

    SOLVER = "solver"
    WEEK = "week"


def stats(
    since: SinceOption = "30d",
    until: UntilOption = None,
    by: Annotated[
        By | None,
        typer.Option("--by", help="A table of solvers or of weeks instead.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count disputes, and how long it took until somebody was told, took them, and resolved them.

    Of disputes first seen in the period: their states and outcomes today, the weeks they came in
    (from Monday, UTC), and three times from their detection, each to the first time it happened:
    told (a relay took the first message to any solver), taken (by anybody, Serbero included),
    resolved (closed at the node). A dispute that was taken already when first seen has no time to
    take. p50, p90 and p99: so many of a hundred were as fast or faster.

    Of what happened in the period: messages to solvers that a relay took (sent), hours in which an
    attempt failed (failed), messages given up; mediations begun and how they ended, verdicts of the
    model; hand-offs, and the time from their dispatch until a human had the dispute
    (acknowledged, taken or resolved).

    By solver: takes and the time to take count only where the node said who took a dispute; most
    nodes never do. Acknowledgements are answers of `ack` to a hand-off.

    With --json everything is in the document, whatever --by says. Needs no configuration where --db
    or SERBERO_DB_PATH names the database.

    Exit codes: 0 counted, 1 the database cannot be read, 2 wrong usage.
    """
    from serbero.cli import stats_page  # noqa: PLC0415 - `run` needs none of it
    from serbero.cli.source import Asked  # noqa: PLC0415 - see above

    chosen = None if by is None else by.value
    stats_page.report(Asked(config, db, as_json), since, until, chosen)
