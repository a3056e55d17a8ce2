"""``serbero doctor``: whether everything is as a dispute needs it."""

from typing import Annotated, Final

import typer

from serbero.cli.options import ConfigOption, DbOption, sources

DEFAULT_WAIT_SECONDS: Final = 120.0
"""How long a person with an open client needs to notice, read and type a word."""


def doctor(
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON document on standard output.")
    ] = False,
    dm_test: Annotated[
        bool,
        typer.Option("--dm-test", help="Send each solver a message that asks for an answer."),
    ] = False,
    store_test: Annotated[
        bool,
        typer.Option(
            "--store-test",
            help="Try whether the relays keep answers of the node and chat messages.",
        ),
    ] = False,
    send_test: Annotated[
        bool,
        typer.Option(
            "--send-test",
            help="Send each of your own channels ([[alerts]]) a message that says it is a test.",
        ),
    ] = False,
    wait: Annotated[
        float | None,
        typer.Option(
            "--wait",
            metavar="SECONDS",
            min=1,
            help=f"How long to wait for the answers; {DEFAULT_WAIT_SECONDS:.0f} if left out.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check everything that a dispute's way depends on.

    Looks at configuration, key, database, clock, relays, node and solvers, and names what to
    mend; where mediation is on, also at its model (asked for one word, which costs a few tokens),
    prompts and standing. Changes nothing; solvers, relays and your own channels are sent messages
    only with the options for it.

    Exit codes: 0 all is well, 1 warnings, 2 something is broken.
    """
    if wait is not None and not dm_test:
        raise typer.BadParameter("has a meaning only with --dm-test", param_hint="--wait")
    from serbero.cli.doctor_checks.examination import Wishes, run_doctor  # noqa: PLC0415 - heavy

    path, environ = sources(config, db)
    seconds = (wait or DEFAULT_WAIT_SECONDS) if dm_test else None
    wishes = Wishes(dm_test_seconds=seconds, store_test=store_test, send_test=send_test)
    raise typer.Exit(run_doctor(path, environ, wishes, as_json=as_json))
