"""``serbero prompts``: the texts that tell the model what it is."""

from pathlib import Path
from typing import Annotated

import typer

from serbero.cli.options import ConfigOption, DbOption, JsonOption

prompts = typer.Typer(
    help="The five texts that tell the model what it is and what it may say.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

FolderArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DIR]",
        help="A folder with the five files; else those the configuration names.",
        show_default=False,
    ),
]
PackagedOption = Annotated[
    bool, typer.Option("--packaged", help="Those that come with Serbero instead.")
]


@prompts.command("export")
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if missing.")],
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write out the texts that come with Serbero, to be read or changed.

    Exit codes: 0 written, 1 not writable, 2 files of these names are there (nothing is written).
    """
    from serbero.cli import prompts_texts as texts  # noqa: PLC0415 - `run` needs none of it

    texts.export(folder, force=force, as_json=as_json)


@prompts.command("hash")
def show_hash(
    folder: FolderArgument = None,
    use_packaged: PackagedOption = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the hash under which sessions pin the texts.

    Exit codes: 0 printed, 1 the texts cannot be used, 2 wrong usage or configuration.
    """
    from serbero.cli import prompts_texts as texts  # noqa: PLC0415 - see above

    texts.show_hash(texts.Which(folder, use_packaged, config, db), as_json=as_json)


@prompts.command("check")
def check(
    folder: FolderArgument = None,
    use_packaged: PackagedOption = False,
    config: ConfigOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Look whether the texts can be used and mention what they must.

    Exit codes: 0 all well, 1 something is missing or unusable, 2 wrong usage or configuration.
    """
    from serbero.cli import prompts_texts as texts  # noqa: PLC0415 - see above

    texts.check(texts.Which(folder, use_packaged, config, db), as_json=as_json)
