"""``serbero demo``: relay, node, solvers and the real daemon, telling their story."""

import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from serbero import __version__
from serbero.cli.render import print_json
from serbero.clock import SystemClock
from serbero.store.sqlite import is_held

if TYPE_CHECKING:
    from serbero.cli.demo_screen import Screen
    from serbero.simulator.demo_plan import Plan
    from serbero.simulator.demo_story import Outcome

MOST_DISPUTES: Final = 1000
MOST_SOLVERS: Final = 50

_FAILED: Final = 1
_USAGE: Final = 2


def demo(
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

    Needs no configuration and no network.

    Exit codes: 0 every message reached whom it was for exactly once, 1 not so, or interrupted, 2
    wrong usage.
    """
    out = sys.stderr if as_json else sys.stdout
    with contextlib.ExitStack() as stack:
        if keep is not None:
            folder = prepared(keep)
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="serbero-demo-")))
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


async def _play(folder: Path, plan: "Plan", screen: "Screen") -> "Outcome":
    """Play the demonstration; a signal ends it early and everything it started."""
    from serbero.cli.demo_serbero import SerberoHere  # noqa: PLC0415
    from serbero.simulator.demo import Performance  # noqa: PLC0415

    performance = Performance(folder, plan, screen, SystemClock(), SerberoHere)
    playing = asyncio.ensure_future(performance.run())
    with _signals(playing):
        try:
            return await playing
        except asyncio.CancelledError:
            return performance.outcome()


@contextlib.contextmanager
def _signals(playing: "asyncio.Future[Outcome]") -> Iterator[None]:
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
        if names and not (set(names) <= LEFTOVERS and is_ours(folder)):
            shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
            _refuse(
                f"{folder} is not empty (it holds {shown}), and nothing there was made by an "
                "earlier demo; name a new or an empty folder"
            )
        if is_held(database := folder / DATABASE_NAME):
            _refuse(f"a daemon is running on {database}; stop it, or name another")
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
