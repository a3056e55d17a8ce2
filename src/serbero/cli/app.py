"""The ``serbero`` command: what it can do and how it answers."""

from typing import Annotated

import typer

from serbero import __version__
from serbero.cli.audit import audit
from serbero.cli.backup import backup
from serbero.cli.demo import demo
from serbero.cli.disputes import disputes
from serbero.cli.doctor import doctor
from serbero.cli.export import export
from serbero.cli.init import init
from serbero.cli.notifications import notifications
from serbero.cli.options import ConfigOption, DbOption
from serbero.cli.outbox import outbox
from serbero.cli.prompts import prompts
from serbero.cli.purge import purge
from serbero.cli.run import run
from serbero.cli.sessions import sessions
from serbero.cli.stats import stats

app = typer.Typer(
    name="serbero",
    help="Every dispute of a Mostro node reaches every solver, whatever happens.\n\n"
    "Without a command it runs the daemon, like `serbero run`.",
    no_args_is_help=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"serbero {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _default(
    context: typer.Context,
    config: ConfigOption = None,
    db: DbOption = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        run(config, db)
        return
    # Given before the command they are its defaults; given after it they win.
    given = {"config": config, "db": db}
    if context.invoked_subcommand == "init":
        given["output"] = config  # there the configuration is what comes out
    texts = {name: str(path) for name, path in given.items() if path is not None}
    nouns = {each.name: each.typer_instance for each in app.registered_groups}
    noun = nouns.get(context.invoked_subcommand)
    verbs = [] if noun is None else [each.name for each in noun.registered_commands]
    context.default_map = {
        context.invoked_subcommand: {str(each): texts for each in verbs} if verbs else texts
    }


app.command("run")(run)
app.command("init")(init)
app.command("doctor")(doctor)
app.command("demo")(demo)
app.command("backup", short_help="Copy the database while the daemon goes on.")(backup)
app.command("purge", short_help="Empty what was written in disputes closed long ago.")(purge)
app.command("export", short_help="Write the case file of a dispute, for people or programs.")(
    export
)
app.command("notifications", short_help="List what solvers were told, newest first.")(notifications)
app.command("stats", short_help="Count disputes, and how long people took.")(stats)
app.add_typer(prompts, name="prompts", short_help="The texts that tell the model what it is.")
app.add_typer(
    sessions, name="sessions", short_help="Mediations: what was asked, answered and decided."
)
app.add_typer(
    disputes, name="disputes", short_help="Disputes: which there are, and the story of one."
)
app.add_typer(audit, name="audit", short_help="Read the trail, and prove that it holds.")
app.add_typer(outbox, name="outbox", short_help="Messages to people, and what became of each.")
