"""From what was seen in a demonstration to its verdict and figures. Pure."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from serbero.model.lifecycle import Lifecycle
from serbero.model.notification import NotificationType
from serbero.simulator.demo_ledger import Ledger, Told, percentile
from serbero.simulator.demo_record import Record
from serbero.simulator.demo_stage import Truth, short
from serbero.simulator.demo_story import ChatFigures, Outcome, SolverFigures, TakeFigures

_COUNTED = {
    NotificationType.INITIAL: {Told.OPENED},
    NotificationType.ASSIGNMENT: {Told.TAKEN, Told.HELD},
}
"""Types whose number is known beforehand; a reminder may or may not fall due in time."""


def contradictions(truth: Truth | None, told: Mapping[str, Lifecycle], ledger: Ledger) -> list[str]:
    """Say where the daemon's database tells another story; None is a database never read."""
    if truth is None:
        return ["expected the daemon to stop and its database to be read, found neither"]
    found = []
    wrong = [each for each in told if truth.states.get(each) is not told[each]]
    if wrong:
        first = wrong[0]
        found.append(
            f"expected dispute {short(first)} to be {told[first]} in the database, found "
            f"{truth.states.get(first, 'nothing')} ({len(wrong)} such)"
        )
    if unknown := truth.states.keys() - told.keys():
        found.append(f"expected {len(told)} disputes in the database, found {len(unknown)} more")
    for name, kinds in _COUNTED.items():
        wanted = sum(note.told in kinds for note in ledger.expected)
        if (sent := truth.sent.get(name, 0)) != wanted:
            found.append(
                f"expected {wanted} sent rows of type {name} in the database, found {sent}"
            )
    if truth.pending:
        found.append(f"expected an empty outbox, found {truth.pending} messages in it")
    return found


def summarize(
    ledger: Ledger,
    record: Record,
    *,
    problems: list[str],
    interrupted: bool,
    tail: list[str],
    disputes: int,
    taken: int,
    resolved: int,
    names: Sequence[str],
    relays: int,
    database: Path,
    seconds: float,
) -> Outcome:
    """Put the figures together."""
    reminded = {note.dispute_id for note in ledger.arrived if note.told is Told.REMINDED}
    latencies = ledger.latencies()
    return Outcome(
        problems=problems,
        interrupted=interrupted,
        tail=tail,
        disputes=disputes,
        renotified=len(reminded),
        taken=taken,
        resolved=resolved,
        expected=len(ledger.expected),
        delivered=len(ledger.expected) - len(ledger.missing),
        duplicates=ledger.duplicates,
        p50_ms=_in_ms(percentile(latencies, 0.50)),
        p99_ms=_in_ms(percentile(latencies, 0.99)),
        relays=relays,
        database=database,
        seconds=round(seconds, 3),
        solvers=[_figures(ledger, name) for name in names],
        protocol=record.protocol,
        take=TakeFigures(record.outcomes[0] if record.outcomes else None, record.take_ms),
        chat=_chat(record),
    )


def _chat(record: Record) -> ChatFigures:
    sides = record.sides.values()
    return ChatFigures(
        sent=sum(len(side.asked) for side in sides),
        read=sum(len(side.read) for side in sides),
        written=sum(len(side.written) for side in sides),
        heard=sum(len(side.heard) for side in sides),
        after_takeover=sum(len(side.at_end - side.on_relay) for side in sides),
        to_party_ms=record.to_party_ms,
        to_serbero_ms=record.to_serbero_ms,
        envelopes={party.value: side.envelope for party, side in record.sides.items()},
    )


def _figures(ledger: Ledger, name: str) -> SolverFigures:
    latencies = ledger.latencies(name)
    return SolverFigures(
        name=name,
        opened=ledger.count(Told.OPENED, name),
        reminded=ledger.count(Told.REMINDED, name),
        taken=ledger.count(Told.TAKEN, name) + ledger.count(Told.HELD, name),
        copies=ledger.copies(name),
        p50_ms=_in_ms(percentile(latencies, 0.50)),
        p99_ms=_in_ms(percentile(latencies, 0.99)),
    )


def _in_ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def milliseconds(seconds: float) -> str:
    """A duration as people read it: ``23 ms``, ``4.2 s``."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def span(times: Sequence[float]) -> str:
    """One duration, or from the least to the most of several."""
    least, most = milliseconds(min(times)), milliseconds(max(times))
    if least == most:
        return least
    if least.split()[1] == most.split()[1]:
        least = least.split()[0]
    return f"{least} to {most}"
