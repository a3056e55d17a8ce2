"""How the figures of ``serbero stats`` look; loaded when it is run."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, TextIO

from serbero.cli.options import moment_given
from serbero.cli.page import Page, columns, moment, print_document, word
from serbero.cli.source import Asked
from serbero.cli.stats_figures import RANKS, Figures, SolverFigures, Times, Week, figures
from serbero.clock import SystemClock
from serbero.store.statistics import (
    HANDED_OVER,
    OTHERWISE,
    SUMMARISED,
    TAKEN_OVER,
    UNDER_WAY,
    Period,
    collect,
)

_NARROW: Final = 72
_LONGEST_BAR: Final = 30
_LEAST_BAR: Final = 6
_FULL: Final = 8
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
_ENDED: Final = {
    UNDER_WAY: "under way",
    SUMMARISED: "summarised",
    HANDED_OVER: "handed over",
    TAKEN_OVER: "ended by others",
    OTHERWISE: "ended otherwise",
}
Bars = Callable[[int, int, int], str]
"""``bars(value, most, taken)``: a bar as long as the value is of the most, where so many columns
of the line are taken."""


def report(asked: Asked, since: str | None, until: str | None, by: str | None) -> None:
    """Count and print.

    Args:
        asked: the database and the form of the answer.
        since: beginning of the period, as typed.
        until: its end, likewise.
        by: ``solver``, ``week`` or None.
    """
    now = SystemClock().now()
    begins = moment_given(since, "--since", now)
    period = Period(0 if begins is None else begins, moment_given(until, "--until", now))
    found = figures(asked.read(partial(collect, period=period)))
    if asked.as_json:
        print_document(document(found, period), sys.stdout)
        return
    show(found, period, by, Page(sys.stdout), spells_blocks(sys.stdout))


def spells_blocks(stream: TextIO) -> bool:
    """Whether a stream can show block characters."""
    try:
        _EIGHTHS.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


# --- the document --------------------------------------------------------------------------


def document(found: Figures, period: Period) -> dict[str, object]:
    """The figures as JSON; times in seconds."""
    return {
        "since": period.since,
        "until": period.until,
        "disputes": {
            "total": found.disputes,
            "by_state": _named(found.by_state),
            "by_outcome": _named(found.by_outcome),
        },
        "times": {
            "notify": _times(found.to_notify),
            "take": _times(found.to_take),
            "resolve": _times(found.to_resolve),
        },
        "weeks": [_week(each) for each in found.weeks],
        "solvers": [_solver(each) for each in found.solvers],
        "mediations": {
            "total": sum(found.sessions.values()),
            "by_end": _named(found.sessions),
            "verdicts": _named(found.verdicts),
        },
        "handoffs": {
            "prepared": sum(found.prepared.values()),
            "by_trigger": _named(found.prepared),
            "dispatched": found.dispatched,
            "failed": found.dispatch_failed,
            "to_human": _times(found.to_human),
        },
        "messages": {
            "sent": found.sent,
            "failed": found.failed,
            "dead": found.dead,
            "waiting": found.waiting,
        },
    }


def _named(counts: Mapping[str, int]) -> dict[str, int]:
    named: dict[str, int] = {}
    for name, number in counts.items():
        named[word(name)] = named.get(word(name), 0) + number
    return named


def _times(of: Times) -> dict[str, int | None]:
    return {"count": of.count, **{f"p{rank}": of.ranks[rank] for rank in RANKS}}


def _week(of: Week) -> dict[str, object]:
    return {
        "begins_at": of.begins_at,
        "begins_on": of.name,
        "disputes": of.disputes,
        "told": of.told,
        "taken": of.taken,
        "resolved": of.resolved,
        "notify": _times(of.to_notify),
        "take": _times(of.to_take),
    }


def _solver(of: SolverFigures) -> dict[str, object]:
    return {
        "solver": of.key if len(of.key) == _HEX_DIGITS and of.key.isalnum() else word(of.key),
        "own": of.own,
        "told": of.told,
        "failed": of.failed,
        "takes": of.takes,
        "acknowledged": of.acknowledged,
        "take": _times(of.to_take),
    }


_HEX_DIGITS: Final = 64


# --- the page ------------------------------------------------------------------------------


def show(found: Figures, period: Period, by: str | None, page: Page, blocks: bool) -> None:
    """Print the figures, or one breakdown of them.

    Args:
        found: what was counted.
        period: of which time.
        by: ``solver``, ``week`` or None for the overview.
        page: where to.
        blocks: whether bars may be made of block characters.
    """
    since = "the beginning" if period.since <= 0 else f"{moment(period.since)} UTC"
    until = "now" if period.until is None else f"{moment(period.until)} UTC"
    page.paragraph(f"From {since} until {until}", style="dim")
    bars = partial(_bar, room=page.room, blocks=blocks)
    if by == "week":
        _show_weeks(found.weeks, page, bars)
    elif by == "solver":
        _show_solvers(found.solvers, page)
    else:
        _show_overview(found, page, bars)


def _show_overview(found: Figures, page: Page, bars: Bars) -> None:
    page.heading(f"Disputes  {found.disputes}")
    _counts(found.by_state, page, bars)
    page.heading("Outcomes")
    _counts(found.by_outcome, page, bars)
    if found.weeks:
        page.heading("By week, from Monday")
        _counts({each.name: each.disputes for each in found.weeks[-_SHOWN_WEEKS:]}, page, bars)
    page.heading("From detection until")
    rows = [("told", found.to_notify), ("taken", found.to_take), ("resolved", found.to_resolve)]
    _spans(rows, page)
    page.heading(f"Mediations  {sum(found.sessions.values())}")
    _counts({_ENDED.get(name, name): n for name, n in found.sessions.items()}, page, bars)
    if found.verdicts:
        page.heading(f"Verdicts  {sum(found.verdicts.values())}")
        _counts(found.verdicts, page, bars)
    page.heading(f"Hand-offs  {sum(found.prepared.values())}")
    _counts({"dispatched": found.dispatched, "failed": found.dispatch_failed}, page, bars)
    _spans([("human has it", found.to_human)], page)
    page.heading("Messages to solvers")
    rows_of_messages = {"sent": found.sent, "failed": found.failed, "given up": found.dead}
    _counts(rows_of_messages, page, bars)
    page.line()
    page.paragraph(
        f"Waiting now: {found.waiting}. States and outcomes are today's. What each figure means:"
        " serbero stats --help",
        style="dim",
    )


_SHOWN_WEEKS: Final = 12


def _counts(counts: Mapping[str, int], page: Page, bars: Bars) -> None:
    most = max(counts.values(), default=0)
    if not most:
        page.line("  none", "dim")
        return
    names = {name: f"  {word(name)}" for name in counts}
    digits = len(str(most))
    taken = max(map(len, names.values())) + digits + 4
    rows = [
        (names[name], f"{number:>{digits}}", bars(number, most, taken))
        for name, number in counts.items()
    ]
    for line in columns(rows):
        page.line(line)


def _spans(rows: Sequence[tuple[str, Times]], page: Page) -> None:
    titles = ("", "count", *(f"p{rank}" for rank in RANKS))
    table = [titles] + [
        (f"  {name}", str(of.count), *(_span(of.ranks[rank]) for rank in RANKS))
        for name, of in rows
    ]
    lines = list(columns(table))
    if max(map(len, lines)) > page.room:
        for name, of in rows:
            ranks = (f"p{rank} {_span(of.ranks[rank])}" for rank in RANKS)
            page.paragraph(f"{name} ({of.count}): {', '.join(ranks)}", 2)
        return
    for number, line in enumerate(lines):
        page.line(line, "" if number else "dim")


def _show_weeks(weeks: Sequence[Week], page: Page, bars: Bars) -> None:
    most = max((each.disputes for each in weeks), default=0)
    wide = page.room >= _NARROW
    titles = ("WEEK FROM", "NEW", "TOLD", "TAKEN", "CLOSED", "UNTIL TOLD", "UNTIL TAKEN", "")
    table: list[tuple[str, ...]] = [titles]
    for each in weeks:
        waits = (_span(each.to_notify.ranks[50]), _span(each.to_take.ranks[50]))
        counted = (each.disputes, each.told, each.taken, each.resolved)
        bar = bars(each.disputes, most, _COLUMNS_OF_A_WEEK)
        table.append((each.name, *map(str, counted), *waits, bar))
    if not wide:
        table = [row[:5] for row in table]
    page.line()
    for number, line in enumerate(columns(table)):
        page.line(line, "" if number else "dim")
    if not weeks:
        page.line("no disputes", "dim")
    page.paragraph("Times are medians.", style="dim")


_COLUMNS_OF_A_WEEK: Final = 74
"""What the figures of a week take, at most."""


_ROOM_FOR_TAKES: Final = 56


def _show_solvers(solvers: Sequence[SolverFigures], page: Page) -> None:
    table: list[tuple[str, ...]] = [("SOLVER", "TOLD", "FAILED", "ACKS", "TAKES", "MEDIAN TO TAKE")]
    for each in solvers:
        counted = (each.told, each.failed, each.acknowledged, each.takes)
        name = "Serbero" if each.own else word(each.key[:8])
        table.append((name, *map(str, counted), _span(each.to_take.ranks[50])))
    if page.room < _ROOM_FOR_TAKES:
        table = [row[:4] for row in table]
    page.line()
    for number, line in enumerate(columns(table)):
        page.line(line, "" if number else "dim")
    if not solvers:
        page.line("nobody was told of anything", "dim")
    page.paragraph("Takes count only where the node said who took a dispute.", style="dim")


def _span(seconds: int | None) -> str:
    """A duration in its two largest units; nothing for none."""
    if seconds is None:
        return "-"
    if seconds == 0:
        return "under 1 s"
    for size, unit, part, smaller in _UNITS:
        if seconds >= size:
            rest = seconds % size // part
            return f"{seconds // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{seconds} s"


_UNITS: Final = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))


def _bar(value: int, most: int, taken: int, *, room: int, blocks: bool) -> str:
    """A bar as long as ``value`` is of ``most``; anything above nothing shows, if there is room."""
    longest = min(_LONGEST_BAR, room - taken)
    if value <= 0 or longest < _LEAST_BAR:
        return ""
    if not blocks:
        return "#" * max(1, round(longest * value / most))
    eighths = max(1, round(longest * _FULL * value / most))
    return _EIGHTHS[_FULL] * (eighths // _FULL) + _EIGHTHS[eighths % _FULL].strip()
