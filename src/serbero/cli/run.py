"""``serbero run``: the daemon."""

from serbero.cli.options import ConfigOption, DbOption, sources


def run(config: ConfigOption = None, db: DbOption = None) -> None:
    """Run the daemon until SIGINT or SIGTERM.

    Exit codes: 0 after an orderly stop, 1 when something failed at run time, 2 when the
    configuration does not allow to start.
    """
    from serbero.cli.serving import serve  # noqa: PLC0415 - the other commands need none of it

    serve(*sources(config, db))
