"""What ``serbero demo`` does; loaded when it is run."""

import asyncio
import contextlib
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NoReturn

import typer

from serbero import __version__
from serbero.cli import demo_scenarios
from serbero.cli.demo import ALL, SCENARIOS, WAYS
from serbero.cli.demo_screen import Screen
from serbero.cli.demo_serbero import SerberoHere
from serbero.cli.demo_signals import signals_cancel
from serbero.cli.render import print_json
from serbero.clock import SystemClock
from serbero.simulator.demo import Performance
from serbero.simulator.demo_plan import Plan
from serbero.simulator.demo_stage import DATABASE_NAME, LEFTOVERS, is_ours
from serbero.simulator.demo_story import Outcome
from serbero.simulator.node_messages import Protocol
from serbero.store.sqlite import is_held

_FAILED: Final = 1
_USAGE: Final = 2


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be played.

    Attributes:
        scenario: the one, or all of them; None for the demonstration of telling.
        keep: where configuration, database and log stay.
        as_json: one document on standard output, words on the other.
    """

    disputes: int
    solvers: int
    protocol: Protocol
    scenario: str | None
    keep: Path | None
    as_json: bool


def play(context: typer.Context, asked: Asked) -> NoReturn:
    """Play it.

    Raises:
        typer.Exit: always, with 0 only if everything came to its right end.
    """
    out = sys.stderr if asked.as_json else sys.stdout
    if asked.scenario is not None:
        _check_usage(context, asked.scenario)
    with contextlib.ExitStack() as stack:
        if asked.keep is not None:
            folder = prepared(asked.keep)
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="serbero-demo-")))
        if asked.scenario is not None:
            ok = _scenarios(folder, asked.scenario, asked)
            raise typer.Exit(0 if ok else _FAILED)
        screen = Screen(out)
        screen.opening(asked.disputes, asked.solvers)
        plan = Plan(asked.disputes, asked.solvers, asked.protocol)
        outcome = asyncio.run(_play(folder, plan, screen))
        screen.closing(outcome, kept=asked.keep is not None)
        if asked.as_json:
            print_json(as_document(outcome, kept=asked.keep is not None), sys.stdout)
    raise typer.Exit(0 if outcome.ok else _FAILED)


def _check_usage(context: typer.Context, scenario: str) -> None:
    """Refuse a scenario that does not exist, and options that scenarios do not have.

    Raises:
        typer.Exit: with code 2 and a reason.
    """
    reason = ""
    if scenario not in (*SCENARIOS, ALL):
        reason = f"--scenario: expected one of {WAYS.replace('|', ', ')}, found {scenario!r}"
    for name in ("disputes", "solvers"):
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            reason = f"--{name} does not go with --scenario, which has its own"
    if reason:
        sys.stderr.write(f"serbero demo: {reason}\n")
        raise typer.Exit(_USAGE)


def _scenarios(folder: Path, scenario: str, asked: Asked) -> bool:
    """Play scenarios; whether all reached their right end."""
    clock = SystemClock()
    began = clock.monotonic()
    names = demo_scenarios.chosen(scenario)
    screen = demo_scenarios.ScenarioScreen(sys.stderr if asked.as_json else sys.stdout)
    screen.announce(names)
    evening = asyncio.run(demo_scenarios.play(folder, names, asked.protocol, screen, clock))
    took = clock.monotonic() - began
    screen.verdict(evening, took, folder if asked.keep is not None else None)
    document = demo_scenarios.as_document(evening, asked.protocol, took)
    if asked.as_json:
        print_json(document, sys.stdout)
    return document["ok"] is True


async def _play(folder: Path, plan: Plan, screen: Screen) -> Outcome:
    """Play the demonstration; a signal ends it early and everything it started."""
    performance = Performance(folder, plan, screen, SystemClock(), SerberoHere)
    playing = asyncio.ensure_future(performance.run())
    with signals_cancel(playing):
        try:
            return await playing
        except asyncio.CancelledError:
            return performance.outcome()


def prepared(folder: Path) -> Path:
    """Return ``folder``, made or emptied of an earlier demo's files.

    Raises:
        typer.Exit: with code 2 and a reason: it holds something else, or cannot be used.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        names = sorted(each.name for each in folder.iterdir())
        inner = [name for name in names if name in SCENARIOS and (folder / name).is_dir()]
        names = [name for name in names if name not in inner]
        if names and not (set(names) <= LEFTOVERS and is_ours(folder)):
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            _refuse(
                f"{folder} is not empty (it holds {shown}), and nothing there was made by an "
                "earlier demo; name a new or an empty folder"
            )
        if is_held(database := folder / DATABASE_NAME):
            _refuse(f"a daemon is running on {database}; stop it, or name another")
        for name in inner:
            prepared(folder / name).rmdir()
        for name in names:
            (folder / name).unlink()
    except OSError as error:
        _refuse(f"{folder} cannot be used: {error.strerror or error}")
    return folder.absolute()


def _refuse(reason: str) -> NoReturn:
    sys.stderr.write(f"serbero demo: --keep: {reason}\n")
    raise typer.Exit(_USAGE)


def as_document(outcome: Outcome, *, kept: bool) -> dict[str, object]:
    """Return the outcome as ``--json`` prints it; times in milliseconds where the key says so."""
    return {
        "ok": outcome.ok,
        "version": __version__,
        "disputes": outcome.disputes,
        "solvers": len(outcome.solvers),
        "relays": outcome.relays,
        "expected": outcome.expected,
        "delivered": outcome.delivered,
        "duplicates": outcome.duplicates,
        "renotified": outcome.renotified,
        "taken": outcome.taken,
        "resolved": outcome.resolved,
        "p50_ms": outcome.p50_ms,
        "p99_ms": outcome.p99_ms,
        "seconds": outcome.seconds,
        "database": str(outcome.database),
        "kept": kept,
        "problems": outcome.problems,
        "protocol": outcome.protocol,
        "take": asdict(outcome.take),
        "chat": asdict(outcome.chat),
    }
