"""``serbero demo``: relay, node, solvers and the real daemon, telling their story."""

import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from serbero import __version__
from serbero.cli.render import print_json
from serbero.clock import SystemClock
from serbero.store.sqlite import is_held

if TYPE_CHECKING:
    from serbero.cli.demo_screen import Screen
    from serbero.simulator.demo_plan import Plan
    from serbero.simulator.demo_story import Outcome
    from serbero.simulator.node_messages import Protocol

MOST_DISPUTES: Final = 1000
MOST_SOLVERS: Final = 50

_FAILED: Final = 1
_USAGE: Final = 2


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
_WAYS: Final = "|".join((*SCENARIOS, ALL))


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
            metavar=_WAYS,
            help="Show mediation instead: one dispute, or one of each.",
            show_default=False,
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
    out = sys.stderr if as_json else sys.stdout
    if scenario is not None:
        _check_usage(context, scenario)
    with contextlib.ExitStack() as stack:
        if keep is not None:
            folder = prepared(keep)
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="serbero-demo-")))
        if scenario is not None:
            ok = _scenarios(folder, scenario, 1 if protocol == 1 else 2, keep is not None, as_json)
            raise typer.Exit(0 if ok else _FAILED)
        # Imported here: the daemon's process has no use for the simulator.
        from serbero.cli.demo_screen import Screen  # noqa: PLC0415
        from serbero.simulator.demo_plan import Plan  # noqa: PLC0415

        screen = Screen(out)
        screen.opening(disputes, solvers)
        plan = Plan(disputes, solvers, 1 if protocol == 1 else 2)
        outcome = asyncio.run(_play(folder, plan, screen))
        screen.closing(outcome, kept=keep is not None)
        if as_json:
            print_json(as_document(outcome, kept=keep is not None), sys.stdout)
    raise typer.Exit(0 if outcome.ok else _FAILED)


def _check_usage(context: typer.Context, scenario: str) -> None:
    """Refuse a scenario that does not exist, and options that scenarios do not have.

    Raises:
        typer.Exit: with code 2 and a reason.
    """
    reason = ""
    if scenario not in (*SCENARIOS, ALL):
        reason = f"--scenario: expected one of {_WAYS.replace('|', ', ')}, found {scenario!r}"
    for name in ("disputes", "solvers"):
        source = context.get_parameter_source(name)
        if source is not None and source.name != "DEFAULT":
            reason = f"--{name} does not go with --scenario, which has its own"
    if reason:
        sys.stderr.write(f"serbero demo: {reason}\n")
        raise typer.Exit(_USAGE)


def _scenarios(
    folder: Path, scenario: str, protocol: "Protocol", kept: bool, as_json: bool
) -> bool:
    """Play scenarios; whether all reached their right end."""
    from serbero.cli import demo_scenarios  # noqa: PLC0415 - as above

    clock = SystemClock()
    began = clock.monotonic()
    names = demo_scenarios.chosen(scenario)
    screen = demo_scenarios.ScenarioScreen(sys.stderr if as_json else sys.stdout)
    screen.announce(names)
    evening = asyncio.run(demo_scenarios.play(folder, names, protocol, screen, clock))
    took = clock.monotonic() - began
    screen.verdict(evening, took, folder if kept else None)
    document = demo_scenarios.as_document(evening, protocol, took)
    if as_json:
        print_json(document, sys.stdout)
    return document["ok"] is True


async def _play(folder: Path, plan: "Plan", screen: "Screen") -> "Outcome":
    """Play the demonstration; a signal ends it early and everything it started."""
    from serbero.cli.demo_serbero import SerberoHere  # noqa: PLC0415
    from serbero.simulator.demo import Performance  # noqa: PLC0415

    performance = Performance(folder, plan, screen, SystemClock(), SerberoHere)
    playing = asyncio.ensure_future(performance.run())
    with signals_cancel(playing):
        try:
            return await playing
        except asyncio.CancelledError:
            return performance.outcome()


@contextlib.contextmanager
def signals_cancel(playing: "asyncio.Future[Any]") -> Iterator[None]:
    """Cancel ``playing`` at the first signal; later ones find it stopping, which is bounded."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    asked = False

    def stop() -> None:
        nonlocal asked
        if not asked:
            asked = True
            playing.cancel()

    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def prepared(folder: Path) -> Path:
    """Return ``folder``, made or emptied of an earlier demo's files.

    Raises:
        typer.Exit: with code 2 and a reason: it holds something else, or cannot be used.
    """
    from serbero.simulator.demo_stage import DATABASE_NAME, LEFTOVERS, is_ours  # noqa: PLC0415

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


def as_document(outcome: "Outcome", *, kept: bool) -> dict[str, object]:
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
