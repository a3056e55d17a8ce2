"""``serbero prompts``: the texts that tell the model what it is."""

import os
import sys
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from serbero.cli.options import ConfigOption, DbOption, sources
from serbero.cli.render import print_json
from serbero.config.loader import load as load_config
from serbero.config.problems import ConfigError
from serbero.reasoning.bundle import (
    BundleProblem,
    PromptBundle,
    file_names,
    load,
    load_folder,
    packaged,
)
from serbero.reasoning.bundle_check import Oddity, oddities

_FAILED: Final = 1
_USAGE: Final = 2

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
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]


@prompts.command("export")
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to; made if missing.")],
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write out the texts that come with Serbero, to be read or changed.

    Exit codes: 0 written, 1 not writable, 2 files of these names are there (nothing is written).
    """
    bundle = packaged()
    targets = {label: folder / name for label, name in file_names().items()}
    there = [str(each) for each in targets.values() if os.path.lexists(each)]
    if there and not force:
        _stop(f"{', '.join(there)}: there already; --force replaces them", _USAGE, as_json)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for label, raw in bundle.parts():
            targets[label].write_bytes(raw)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        _stop(f"{folder}: {reason}", _FAILED, as_json)
    written = [str(each) for each in targets.values()]
    if as_json:
        document = {"ok": True, "policy_hash": bundle.policy_hash, "files": written}
        print_json(document, sys.stdout)
        return
    typer.echo("\n".join(written))
    typer.echo(f"policy_hash {bundle.policy_hash}")


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
    bundle = _bundle(folder, use_packaged, config, db, as_json)
    if as_json:
        document = {"bundle_id": bundle.bundle_id, "policy_hash": bundle.policy_hash}
        print_json(document, sys.stdout)
        return
    typer.echo(bundle.policy_hash)


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
    bundle = _bundle(folder, use_packaged, config, db, as_json)
    found = oddities(bundle)
    if as_json:
        problems = [{"file": each.part, "key": each.key, "message": each.message} for each in found]
        document = {"ok": not found, "policy_hash": bundle.policy_hash, "problems": problems}
        print_json(document, sys.stdout)
    else:
        _report(bundle, found)
    raise typer.Exit(_FAILED if found else 0)


def _report(bundle: PromptBundle, found: list[Oddity]) -> None:
    for label, raw in bundle.parts():
        typer.echo(f"{label:<18} {len(raw):>7} bytes")
    for each in found:
        typer.echo(f"{each.part}: {each.message} ([prompts].{each.key})", err=True)
    typer.echo(f"policy_hash {bundle.policy_hash}")


def _bundle(
    folder: Path | None, use_packaged: bool, config: Path | None, db: Path | None, as_json: bool
) -> PromptBundle:
    """The bundle that was asked for, or the end of the command."""
    if folder is not None and use_packaged:
        _stop("expected a folder or --packaged, found both", _USAGE, as_json)
    try:
        if use_packaged:
            return packaged()
        if folder is not None:
            return load_folder(folder)
        path, environ = sources(config, db)
        return load(load_config(path, environ).config.prompts)
    except BundleProblem as problem:
        _stop(str(problem), _FAILED, as_json)
    except ConfigError as error:
        _stop(str(error), _USAGE, as_json)


def _stop(message: str, code: int, as_json: bool) -> NoReturn:
    if as_json:
        print_json({"ok": False, "error": message}, sys.stdout)
    typer.echo(message, err=True)
    raise typer.Exit(code)
