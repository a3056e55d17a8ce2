"""``serbero sessions list``: one line a session, three on a narrow terminal, or sentences."""

from collections.abc import Sequence

from serbero.cli.page import Page, columns, counted, moment, short, span, word
from serbero.cli.sessions.words import label_words
from serbero.store.session_lookup import Glance

_ROOM = 120
"""Columns that one line a session takes."""
_TITLES = 3


def document(sessions: Sequence[Glance]) -> list[dict[str, object]]:
    """The list as JSON."""
    return [
        {
            "session_id": each.session_id,
            "dispute_id": each.dispute_id,
            "state": each.state,
            "classification": each.classification,
            "confidence": each.confidence,
            "rounds": each.pairs_put,
            "started_at": each.started_at,
            "last_transition_at": each.last_transition_at,
            "prompt_bundle_id": each.pins.bundle_id,
            "policy_hash": each.pins.policy_hash,
        }
        for each in sessions
    ]


def show(sessions: Sequence[Glance], now: int, page: Page) -> None:
    """Print the list; ``now`` is Unix seconds."""
    if page.room >= _ROOM:
        titles = ("SESSION", "DISPUTE", "STATE", "VERDICT", "ROUNDS", "STARTED (UTC)", "CHANGED")
        rows = [titles, *(_row(each, now) for each in sessions)]
        for number, line in enumerate(columns(rows)):
            page.line(line, "" if number else "dim")
        return
    block = [
        ("SESSION", "STATE", "ROUNDS"),
        ("dispute", "verdict", "started (UTC)"),
        ("", "", "changed"),
    ]
    for each in sessions:
        block += _block(each, now)
    lines = list(columns(block))
    if len(max(lines, key=len)) > page.room:
        for each in sessions:
            _stack(each, now, page)
        return
    for number, line in enumerate(lines):
        page.line(line, "dim" if number < _TITLES else "")


def _row(session: Glance, now: int) -> tuple[str, ...]:
    return (
        short(session.session_id),
        short(session.dispute_id),
        word(session.state),
        _verdict(session),
        str(session.pairs_put),
        _started(session),
        _changed(session, now),
    )


def _block(session: Glance, now: int) -> list[tuple[str, str, str]]:
    label = "-" if session.classification is None else word(session.classification)
    sure = "" if session.confidence is None else f"{session.confidence:.2f}"
    rounds = counted(session.pairs_put, "round")
    return [
        (short(session.session_id), word(session.state), rounds),
        (short(session.dispute_id), label, _started(session)),
        ("", sure, _changed(session, now)),
    ]


def _stack(session: Glance, now: int, page: Page) -> None:
    page.paragraph(f"{short(session.session_id)}  {word(session.state)}")
    rounds = counted(session.pairs_put, "round")
    said = f"dispute {short(session.dispute_id)}, verdict {_verdict(session)}, {rounds}"
    times = f"started {_started(session)} UTC, changed {_changed(session, now)}"
    page.paragraph(f"{said}, {times}", indent=4, style="dim")


def _verdict(session: Glance) -> str:
    if session.classification is None:
        return "-"
    return label_words(session.classification, session.confidence)


def _started(session: Glance) -> str:
    return moment(session.started_at)[:16]


def _changed(session: Glance, now: int) -> str:
    return f"{span(now - session.last_transition_at)} ago"
