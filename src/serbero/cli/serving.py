"""What ``serbero run`` does: configuration, logging, the daemon, its end as an exit code."""

import asyncio
import gc
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog
import typer

from serbero import __version__
from serbero.config.loader import load
from serbero.config.problems import ConfigError
from serbero.config.settings import Config
from serbero.daemon import process
from serbero.observe.logging import configure_logging
from serbero.store.errors import StoreError

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2

_log = structlog.get_logger("serbero.cli.run")


def serve(path: Path, environ: Mapping[str, str]) -> None:
    """Run the daemon with the configuration at ``path`` until a signal ends it.

    Raises:
        typer.Exit: with 1 when something failed at run time, 2 when it may not start.
    """
    loaded = load_or_exit(path, environ)
    try:
        asyncio.run(process.run(loaded, environ))
    except StoreError as error:
        _log.error("serbero terminated with error", reason=str(error))
        raise typer.Exit(EXIT_FAILED) from None
    except Exception:  # noqa: BLE001
        # The outermost boundary: the cause goes to the log, the exit code to the supervisor.
        _log.exception("serbero terminated with error")
        raise typer.Exit(EXIT_FAILED) from None
    finally:
        # The interpreter's own end would take the models' libraries apart object by object,
        # for half a second and more.
        gc.freeze()


def load_or_exit(path: Path, environ: Mapping[str, str]) -> Config:
    """Load the configuration, set up logging and tell what was found.

    Raises:
        typer.Exit: with code 2 after printing every problem.
    """
    try:
        loaded = load(path, environ)
    except ConfigError as error:
        sys.stderr.write(f"failed to load config from {path}:\n{error}\n")
        raise typer.Exit(EXIT_USAGE) from None
    config = loaded.config
    configure_logging(config.log_level, config.observe.log_format)
    _log.info("starting serbero", version=__version__, config_path=str(path))
    for problem in loaded.warnings:
        _log.warning(
            "config_warning",
            section=problem.section,
            key=problem.key,
            reason=problem.message,
            remedy=problem.remedy,
        )
    summary = config.describe()
    _log.info("loaded config", **{name: value for name, value in summary if name != "solver"})
    for name, value in summary:
        if name == "solver":
            _log.info("configured solver", solver=value)
    return config
