"""The demonstration on a screen: lines as things happen, a table and a verdict at the end.

Colour and wrapping on a terminal only; a pipe gets the same words, one line each.
"""

import textwrap
from collections.abc import Sequence
from typing import Final, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from serbero.simulator.demo_story import Outcome, SolverFigures, Tone

_TIME_WIDTH: Final = 6
_WHO_WIDTH: Final = 8
_INDENT: Final = _TIME_WIDTH + 2 + _WHO_WIDTH + 2
LETTER_INDENT: Final = 8
"""Leaves a dispute's id whole in 60 columns."""
_TABLE_ROWS: Final = 12
_FAR: Final = 10_000
"""A width nothing reaches: a pipe's reader wraps as it likes."""

_STYLES: Final = {Tone.PLAIN: "", Tone.HEARD: "", Tone.QUIET: "dim"}
_PLAYERS: Final = {
    "node": "bold magenta",
    "serbero": "bold yellow",
    "relay": "bold blue",
    "buyer": "bold green",
    "seller": "bold green",
    "model": "bold red",
    "verdict": "bold",
}
_SOLVER_STYLE: Final = "bold cyan"


class Screen:
    """A narrator that writes to ``stream``."""

    def __init__(self, stream: TextIO) -> None:
        live = stream.isatty()
        self._console = Console(
            file=stream,
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=not live,
            width=None if live else _FAR,
        )
        self._width = min(self._console.width, 100) if live else _FAR
        plain = self._console.options.ascii_only
        self._bar, self._next = ("|", ">") if plain else ("\u2502", "\u2192")

    # The narrator's part.

    def opening(self, disputes: int, solvers: int) -> None:
        """Say what is about to happen."""
        self._print(Text("Serbero demo", style="bold"))
        self._paragraph(
            f"{_count(disputes, 'dispute')} on a simulated Mostro node, "
            f"{_count(solvers, 'solver')}, a real relay, and the real daemon between them. "
            "Then one more, which Serbero takes, to ask both parties. Nothing leaves this machine."
        )

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self._print(Text())
        self._print(Text(title, style="bold"))

    def line(self, at: float, who: str, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Say what ``who`` did or saw, ``at`` seconds after the beginning."""
        pieces = textwrap.wrap(text, max(20, self._width - _INDENT)) or [""]
        shown = Text()  # a style given here would colour all that follows
        shown.append(f"{at:{_TIME_WIDTH}.2f}  ", style="dim")
        shown.append(f"{who:<{_WHO_WIDTH}}  ", style=_PLAYERS.get(who, _SOLVER_STYLE))
        shown.append(pieces[0], style=_STYLES[tone])
        for piece in pieces[1:]:
            shown.append("\n" + " " * _INDENT + piece, style=_STYLES[tone])
        self._print(shown)

    def letter(self, text: str) -> None:
        """Show a message as a solver reads it."""
        for line in text.splitlines():
            shown = Text(" " * LETTER_INDENT)
            shown.append(f"{self._bar} ", style=_SOLVER_STYLE)
            shown.append(line, style="italic")
            self._print(shown)

    # The end.

    def closing(self, outcome: Outcome, kept: bool) -> None:
        """Show figures, verdict and what to do next."""
        self._print(Text())
        if outcome.delivered and not outcome.interrupted:
            self._table(outcome.solvers)
            self._print(Text())
        if outcome.ok:
            self._success(outcome)
        else:
            self._failure(outcome)
        if kept:
            self._paragraph(f"Kept in {outcome.database.parent}: configuration, database, log.")
        elif not outcome.ok and not outcome.interrupted:
            self._paragraph("Run it with --keep DIR to look at configuration, database and log.")
        if outcome.ok:
            self._what_next()

    def _success(self, outcome: Outcome) -> None:
        self._paragraph(
            f"All {outcome.delivered} messages arrived, each exactly once.", "bold green"
        )
        self._paragraph(
            f"From the node to a solver's device: {_ms(outcome.p50_ms)} at the median, "
            f"{_ms(outcome.p99_ms)} at the 99th percentile. The database agrees: "
            f"{_count(outcome.disputes, 'dispute')}, {outcome.taken} taken, "
            f"{outcome.renotified} reminded of, {outcome.resolved} closed."
        )
        chat = outcome.chat
        self._paragraph(
            f"Protocol {outcome.protocol}: one dispute taken in {_ms(outcome.take.ms)}, "
            f"{chat.sent} messages to its parties ({_ms(chat.to_party_ms)} at the median), "
            f"{chat.heard} answers heard ({_ms(chat.to_serbero_ms)}), each once; nothing after "
            "the takeover; no secret of the escrow in database or log."
        )

    def _failure(self, outcome: Outcome) -> None:
        if outcome.interrupted:
            self._print(Text("Interrupted; what it had started has ended.", style="bold yellow"))
            return
        self._print(Text("The demo failed.", style="bold red"))
        for problem in outcome.problems:
            self._paragraph(f"- {problem}", "red")
        if outcome.tail:
            self._print(Text("The daemon's last words:", style="bold"))
            for line in outcome.tail:
                self._paragraph(f"  {line}", "dim")

    def _what_next(self) -> None:
        self._print(Text())
        self._print(Text("Your own node?", style="bold"))
        for command, what in (
            ("serbero init", "write a configuration for it"),
            ("serbero doctor", "check relays, node and solvers"),
            ("serbero run", "start"),
        ):
            shown = Text()
            shown.append(f"  {self._next} ", style="dim")
            shown.append(f"{command:<16}", style="bold cyan")
            shown.append(what)
            self._print(shown)

    def _table(self, solvers: Sequence[SolverFigures]) -> None:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("solver", no_wrap=True, style=_SOLVER_STYLE)
        for title in ("opened", "reminded", "taken", "twice", "p50", "p99"):
            table.add_column(title, no_wrap=True, justify="right")
        for each in solvers[:_TABLE_ROWS]:
            twice = Text(str(each.copies), style="bold red" if each.copies else "")
            counts = [str(number) for number in (each.opened, each.reminded, each.taken)]
            table.add_row(each.name, *counts, twice, _ms(each.p50_ms), _ms(each.p99_ms))
        self._console.print(table, soft_wrap=False)
        if len(solvers) > _TABLE_ROWS:
            self._paragraph(f"and {len(solvers) - _TABLE_ROWS} more", "dim")

    def _paragraph(self, text: str, style: str = "") -> None:
        indent = " " * (len(text) - len(text.lstrip(" -")))
        for piece in textwrap.wrap(text, self._width, subsequent_indent=indent):
            self._print(Text(piece, style=style))

    def _print(self, text: Text) -> None:
        self._console.print(text)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"
