"""What ``serbero prompts`` does; loaded when one of its commands is run."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import typer

from serbero.cli.options import sources
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


@dataclass(frozen=True, slots=True)
class Which:
    """Which texts are meant.

    Attributes:
        folder: with the five files; None: those of the configuration.
        packaged: those that come with Serbero.
    """

    folder: Path | None
    packaged: bool
    config: Path | None
    db: Path | None


def export(folder: Path, *, force: bool, as_json: bool) -> None:
    """``export``."""
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


def show_hash(which: Which, *, as_json: bool) -> None:
    """``hash``."""
    bundle = _bundle(which, as_json)
    if as_json:
        document = {"bundle_id": bundle.bundle_id, "policy_hash": bundle.policy_hash}
        print_json(document, sys.stdout)
        return
    typer.echo(bundle.policy_hash)


def check(which: Which, *, as_json: bool) -> None:
    """``check``."""
    bundle = _bundle(which, as_json)
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


def _bundle(which: Which, as_json: bool) -> PromptBundle:
    """The bundle that was asked for, or the end of the command."""
    if which.folder is not None and which.packaged:
        _stop("expected a folder or --packaged, found both", _USAGE, as_json)
    try:
        if which.packaged:
            return packaged()
        if which.folder is not None:
            return load_folder(which.folder)
        path, environ = sources(which.config, which.db)
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
