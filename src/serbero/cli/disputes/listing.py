"""``serbero disputes list``: one line a dispute, two on a narrow terminal."""

from collections.abc import Iterable, Sequence

from serbero.cli.page import Page, columns, moment, short, span, word
from serbero.cli.solver_keys import solver_name
from serbero.model.lifecycle import Lifecycle
from serbero.store.dispute_lookup import Listed

_TITLES = ("DISPUTE", "STATE", "OPENED (UTC)", "AGE", "BY", "WHO HAS IT", "TOLD")
_STYLES = {
    Lifecycle.NEW: "bold red",
    Lifecycle.NOTIFIED: "yellow",
    Lifecycle.ESCALATED: "bold yellow",
    Lifecycle.RESOLVED: "dim",
}


def document(disputes: Sequence[Listed]) -> list[dict[str, object]]:
    """The list as JSON."""
    return [facts(each) for each in disputes]


def facts(dispute: Listed) -> dict[str, object]:
    """A dispute as JSON: ids and keys in full, times in Unix seconds."""
    return {
        "dispute_id": dispute.dispute_id,
        "state": dispute.state,
        "status": dispute.status,
        "initiator": dispute.initiator,
        "opened_at": dispute.opened_at,
        "detected_at": dispute.detected_at,
        "changed_at": dispute.changed_at,
        "assigned_solver": dispute.assigned,
        "held_by_serbero": dispute.held,
        "acknowledged_by": dispute.acknowledged_by,
        "solvers_told": dispute.told,
    }


def holder(dispute: Listed) -> str:
    """Who has a dispute, in a word or two."""
    if dispute.state == Lifecycle.RESOLVED:
        return "closed"
    if dispute.acknowledged_by is not None:
        return solver_name(dispute.acknowledged_by)
    if dispute.held:
        return "Serbero"
    if dispute.assigned is not None:
        return solver_name(dispute.assigned)
    if dispute.state in (Lifecycle.WAITING, Lifecycle.ESCALATED):
        return "Serbero"
    return "a solver" if dispute.state == Lifecycle.TAKEN else "nobody"


def show(disputes: Sequence[Listed], now: int, page: Page) -> None:
    """Print the list; ``now`` is Unix seconds."""
    heading, *lines = columns([_TITLES, *(_row(each, now) for each in disputes)])
    if len(max(heading, *lines, key=len)) <= page.room:
        page.line(heading, "bold")
        for line, each in zip(lines, disputes, strict=True):
            page.line(line, _style(each))
        return
    for each, line in zip(disputes, columns([_first(each, now) for each in disputes]), strict=True):
        page.line(line, _style(each))
        for more in _more(each):
            page.paragraph(more, indent=10, style="dim")


def _style(dispute: Listed) -> str:
    return next((style for state, style in _STYLES.items() if state == dispute.state), "")


def _row(dispute: Listed, now: int) -> tuple[str, ...]:
    return (
        short(dispute.dispute_id),
        word(dispute.state),
        _opened(dispute),
        _age(dispute, now),
        word(dispute.initiator),
        holder(dispute),
        str(dispute.told),
    )


def _first(dispute: Listed, now: int) -> tuple[str, ...]:
    return (short(dispute.dispute_id), word(dispute.state), _age(dispute, now))


def _more(dispute: Listed) -> Iterable[str]:
    yield f"{_opened(dispute)} UTC, by the {word(dispute.initiator)}"
    yield f"{holder(dispute)}; {dispute.told} told"


def _opened(dispute: Listed) -> str:
    return "?" if dispute.opened_at is None else moment(dispute.opened_at)[:16]


def _age(dispute: Listed, now: int) -> str:
    return "?" if dispute.opened_at is None else f"{span(now - dispute.opened_at)} ago"
