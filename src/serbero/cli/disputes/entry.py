"""One line of a story, and how lines that repeat themselves become one."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from serbero.cli.page import day, moment, time_of_day

MIDDLE: Final = 50
OFTEN: Final = 3
"""So many lines alike stand by themselves; of more only the first does."""
MOST: Final = 160
"""Lines that are still read; of more the middle is left out."""
_HEAD: Final = 40


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened.

    Attributes:
        at: Unix seconds; None where the row holds no time.
        kind: what sort of thing, a word.
        words: a sentence for a person.
        style: how to print it.
        more: further lines about the same.
        like: entries with the same are the same thing again; None for what stands by itself.
        rank: its place among those of the same second, of which the rows say no more.
    """

    at: int | None
    kind: str
    words: str
    style: str = ""
    more: tuple[str, ...] = ()
    like: str | None = None
    rank: int = MIDDLE


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """Return entries by time and rank, others as they were given; undated ones last."""
    return sorted(entries, key=lambda each: (each.at is None, each.at or 0, each.rank))


def folded(entries: Sequence[Entry]) -> list[Entry]:
    """Return entries with repetitions told once, and the middle of what is still too long left out.

    Repetitions are counted between two entries that stand by themselves.
    """
    result: list[Entry] = []
    run: list[Entry] = []
    for entry in entries:
        if entry.like is None:
            result += _told_once(run)
            result.append(entry)
            run = []
        else:
            run.append(entry)
    return _shortened(result + _told_once(run))


def _told_once(run: Sequence[Entry]) -> list[Entry]:
    often = Counter(each.like for each in run)
    last: dict[str | None, Entry] = {each.like: each for each in run}
    seen: defaultdict[str | None, int] = defaultdict(int)
    kept = []
    for entry in run:
        seen[entry.like] += 1
        if often[entry.like] <= OFTEN:
            kept.append(entry)
        elif seen[entry.like] == 1:
            until = _until(entry, last[entry.like])
            again = f"{often[entry.like] - 1} more times{until}"
            kept.append(replace(entry, more=(*entry.more, again)))
    return kept


def _until(first: Entry, last: Entry) -> str:
    if last.at is None or first.at is None:
        return ""
    same = day(first.at) == day(last.at)
    return f", the last at {time_of_day(last.at) if same else moment(last.at)}"


def _shortened(entries: list[Entry]) -> list[Entry]:
    if len(entries) <= MOST:
        return entries
    left_out = len(entries) - MOST
    note = Entry(
        entries[_HEAD].at,
        "left_out",
        f"... {left_out} more lines; --all shows them",
        style="dim",
    )
    return [*entries[:_HEAD], note, *entries[left_out + _HEAD :]]
