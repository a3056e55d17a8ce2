"""``serbero demo``: relay, node, solvers and the real daemon, telling their story."""

from pathlib import Path
from typing import Annotated, Final

import typer

from serbero.cli import completing

MOST_DISPUTES: Final = 1000
MOST_SOLVERS: Final = 50

SCENARIOS: Final = (
    "cooperative",
    "unresponsive",
    "conflicting",
    "fraud",
    "injection",
    "human-please",
    "takeover",
    "provider-down",
    "restart",
    "escalation",
)
"""Named again in the simulator, which no other command loads."""
ALL: Final = "all"
WAYS: Final = "|".join((*SCENARIOS, ALL))


def demo(
    context: typer.Context,
    disputes: Annotated[
        int,
        typer.Option(
            "--disputes", "-d", metavar="N", min=1, max=MOST_DISPUTES, help="Disputes to watch."
        ),
    ] = 4,
    solvers: Annotated[
        int,
        typer.Option(
            "--solvers", "-s", metavar="N", min=1, max=MOST_SOLVERS, help="Solvers to tell."
        ),
    ] = 3,
    protocol: Annotated[
        int,
        typer.Option(
            "--protocol",
            "-p",
            metavar="1|2",
            min=1,
            max=2,
            help="What the node speaks: 1 is gift wraps, as before 2026; 2 is today's.",
        ),
    ] = 2,
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario",
            metavar=WAYS,
            help="Show mediation instead: one dispute, or one of each.",
            show_default=False,
            autocompletion=completing.words(*SCENARIOS, ALL),
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            "--keep",
            metavar="DIR",
            help="Keep configuration, database and log there.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object on standard output, at the end.")
    ] = False,
) -> None:
    """Show in fifteen seconds what Serbero does.

    Needs no configuration and no network. With --scenario it shows how Serbero mediates: what it
    asks, what it makes of the answers, and where it stops.

    Exit codes: 0 every message reached whom it was for exactly once, and every scenario its right
    end, 1 not so, or interrupted, 2 wrong usage.
    """
    from serbero.cli import demo_playing as playing  # noqa: PLC0415 - the daemon needs none of it

    asked = playing.Asked(disputes, solvers, 1 if protocol == 1 else 2, scenario, keep, as_json)
    playing.play(context, asked)
