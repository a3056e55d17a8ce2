"""``serbero demo --scenario``: mediation on show, one dispute a scenario."""

import asyncio
import contextlib
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from rich.text import Text

from serbero import __version__
from serbero.cli.demo import ALL
from serbero.cli.demo_screen import LETTER_INDENT, Screen
from serbero.cli.demo_signals import signals_cancel
from serbero.clock import Clock
from serbero.simulator.demo_stage import DATABASE_NAME
from serbero.simulator.node_messages import Protocol
from serbero.simulator.scenario import INTERRUPTED, Evening, Result
from serbero.simulator.scenario_script import Scenario


def chosen(name: str) -> list[Scenario]:
    """Return what a name stands for.

    Raises:
        ValueError: there is no such scenario.
    """
    return list(Scenario) if name == ALL else [Scenario(name)]


class ScenarioScreen(Screen):
    """A narrator of scenarios that writes to ``stream``."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)

    def prose(self, text: str) -> None:
        """Say something to the reader."""
        self._paragraph(text, "italic")

    def letter(self, text: str) -> None:
        """Show a message as its receiver reads it, its longer lines broken."""
        width = max(20, self._width - LETTER_INDENT - 2)
        for line in text.splitlines():
            super().letter("\n".join(textwrap.wrap(line, width)) or " ")

    def announce(self, names: Sequence[Scenario]) -> None:
        """Say what is about to happen."""
        self._print(Text("Serbero demo: mediation", style="bold"))
        third = (
            "; for escalation a third, Chiara, who may decide too and is in quiet hours"
            if Scenario.ESCALATION in names
            else ""
        )
        several = "They play at the same time and are told in turn. " if len(names) > 1 else ""
        self._paragraph(
            f"{', '.join(names)}. A simulated Mostro node, a real relay, a buyer and a seller; two "
            f"solvers, of whom Alice may read and Bruno may decide{third}; a model that "
            "is a script behind a real HTTP address; and the real daemon, which decides everything "
            f"that is not said to be theirs. {several}Nothing leaves this machine."
        )

    def verdict(self, evening: Evening, seconds: float, folder: Path | None) -> None:
        """Show what became of each, and where to look.

        Args:
            evening: what was played.
            seconds: how long all of it took.
            folder: where it is kept; None where it is not.
        """
        self._print(Text())
        results = evening.results
        if evening.interrupted():
            self._print(Text("Interrupted; what it had started has ended.", style="bold yellow"))
            return
        for name, result in results.items():
            shown = Text(f"  {name:<14}")
            shown.append(_outcome(result), style="green" if result.ok else "bold red")
            self._print(shown)
        self._print(Text())
        wrong = [name for name, result in results.items() if not result.ok]
        if wrong:
            self._print(Text("The demo failed.", style="bold red"))
            self._tails([results[name] for name in wrong])
        else:
            self._paragraph(
                f"{len(results)} of {len(results)} reached the right end in {seconds:.0f} s. Not "
                "one action but admin-take-dispute was asked of the node, and no word of party or "
                "model stands in a log.",
                "bold green",
            )
        self._where(results, folder)

    def _tails(self, results: Sequence[Result]) -> None:
        for result in results:
            for problem in result.problems:
                self._paragraph(f"- {problem}", "red")
        tail = next((result.tail for result in results if result.tail), [])
        if tail:
            self._print(Text("The daemon's last words:", style="bold"))
            for line in tail:
                self._paragraph(f"  {line}", "dim")

    def _where(self, results: dict[Scenario, Result], folder: Path | None) -> None:
        if folder is None:
            self._paragraph("Run it with --keep DIR to look at configuration, database and log.")
            return
        self._paragraph(f"Kept in {folder}: configuration, database, log. What was said, again:")
        for name, result in results.items():
            if (session := result.case.session_id) is not None:
                database = Evening.folder_of(folder, name, list(results)) / DATABASE_NAME
                self._print(
                    Text(f"  serbero sessions transcript {session[:8]} --db {database}", "cyan")
                )
                if name is Scenario.ESCALATION:
                    shown = f"  serbero sessions show {session[:8]} --db {database}"
                    self._print(Text(shown, "cyan"))


def _outcome(result: Result) -> str:
    """In a few words how a scenario ended."""
    if not result.ok:
        return "wrong"
    case = result.case
    state = "no session, nothing taken" if case.state is None else f"session {case.state.value}"
    if case.trigger is None:
        return state if case.reason is None else f"{state}: {case.reason}"
    return f"{state}: {case.trigger}" + (f" ({case.reason})" if case.reason else "")


async def play(
    folder: Path,
    names: Sequence[Scenario],
    protocol: Protocol,
    screen: ScenarioScreen,
    clock: Clock,
) -> Evening:
    """Play scenarios to their end.

    Args:
        folder: an empty one.
        names: which.
        protocol: what the node speaks.
        screen: tells of it.
        clock: where time comes from.
    """
    evening = Evening(folder, names, protocol, screen, clock)
    playing = asyncio.ensure_future(evening.run())
    with signals_cancel(playing), contextlib.suppress(asyncio.CancelledError):
        await playing
    return evening


def as_document(evening: Evening, protocol: Protocol, seconds: float) -> dict[str, object]:
    """Return what ``--json`` prints; times in seconds."""
    results = evening.results
    return {
        "ok": all(result.ok for result in results.values()),
        "version": __version__,
        "protocol": protocol,
        "seconds": round(seconds, 3),
        "scenarios": {name.value: _entry(result) for name, result in results.items()},
    }


def _entry(result: Result) -> dict[str, object]:
    case, seen = result.case, result.seen
    return {
        "ok": result.ok,
        "problems": result.problems if result.over else [*result.problems, INTERRUPTED],
        "dispute_id": result.dispute_id,
        "session_id": case.session_id,
        "state": None if case.state is None else case.state.value,
        "lifecycle": None if case.lifecycle is None else case.lifecycle.value,
        "trigger": case.trigger,
        "reason": case.reason,
        "takes": 0 if seen is None else len(seen.takes),
        "messages_to_parties": 0 if seen is None else sum(map(len, seen.heard.values())),
        "messages_to_solvers": 0 if seen is None else sum(map(len, seen.letters.values())),
        "model_calls": result.model_calls,
        "seconds": result.seconds,
    }
