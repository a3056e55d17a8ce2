"""Disputes whose every word can be told from any other, wherever it is kept."""

import json
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from tests.mediation.replay_rig import BUYER, RESOLVABLE, SELLER, Case
from tests.store.rig import T0, Database, audience, fake_wraps, revision

from serbero.delivery import ledger
from serbero.model.mediation import AuditKind
from serbero.store import rationales, summaries
from serbero.store.mediation_events import append
from serbero.store.outbox_work import NewWrap
from serbero.store.session_moves import EndCause, end_sessions

ENDED: Final = T0 + 1000
"""When the disputes here end."""
DAY: Final = 86_400
KEEPS: Final = "reasoning provider unavailable"
"""What stays of the reference's words about a provider that failed."""


def mediated(database: Database, number: int) -> Case:
    """A dispute with words in every place that can have some; see :func:`words_of`."""
    case = Case(database, number)
    case.failed_start()
    case.begin()
    case.reaches(BUYER)
    case.hears(BUYER, f"WORD{number}A from the buyer " + "b" * 9000)
    case.verdict("wait", why=f"WORD{number}B of the model")
    case.hears(SELLER, f"WORD{number}C from the seller")
    case.verdict("summarize", RESOLVABLE, why=f"WORD{number}D of the model")
    database.run(
        summaries.save,
        case.session,
        RESOLVABLE,
        f"WORD{number}E of the summary",
        f"WORD{number}F of the step",
        case.rationale(case.session, f"WORD{number}G of the model"),
        case.now,
    )
    database.run(_plant, case, number)
    send(database, case.now)
    return case


def _plant(tx: sa.Connection, case: Case, number: int) -> None:
    """What the rig of sessions does not write."""
    rationales.save(tx, case.rationale(case.session, f"WORD{number}H of the model"), case.now)
    said = {"trigger": "x", "session_id": case.session, "reason": f"{KEEPS}: WORD{number}I"}
    append(tx, AuditKind.ESCALATION_RECOMMENDED, said, case.now, session_id=case.session)
    facts = json.dumps({"fiat_code": "EUR", "payment_method": f"WORD{number}J bank"})
    tx.exec_driver_sql(
        "UPDATE parties SET facts_json = ? WHERE dispute_id = ?", (facts, case.dispute)
    )
    tx.exec_driver_sql(
        "UPDATE outbox SET rumor_json = json_set(rumor_json, '$.content', ?) WHERE dispute_id = ?",
        (f"WORD{number}K to a solver", case.dispute),
    )


def unmediated(database: Database, number: int, why: str) -> Case:
    """A dispute that a model saw, and nobody was asked about."""
    case = Case(database, number)
    case.refused_start(why)
    return case


def send(database: Database, now: int) -> None:
    """Every message that waits reaches its relay, in bytes of its own."""
    claimed = database.claim(now)
    wraps = [
        NewWrap(
            each.outbox_id,
            each.event_id,
            json.dumps({"id": each.event_id, "sealed": f"SEALED{each.outbox_id}."}),
            each.relays,
        )
        for each in fake_wraps(claimed)
    ]
    database.run(ledger.commit_wraps, wraps, now)
    database.answer(claimed, delivered=True, now=now)


def close(database: Database, *cases: Case, at: int = ENDED) -> None:
    """The node says that they are settled."""
    for case in cases:
        database.record(revision(case.number, "settled", at), audience=audience(1), now=at)
        database.run(
            end_sessions, case.dispute, EndCause.RESOLVED, at, event_id="e" * 64, status="settled"
        )


def words_of(number: int) -> list[str]:
    """The words of a dispute that :func:`mediated` made."""
    return [f"WORD{number}{letter}" for letter in "ABCDEFGHIJK"]


def found(path: Path, words: list[str]) -> list[str]:
    """Those of some words whose bytes are in a database's file or in its log."""
    data = b"".join(each.read_bytes() for each in (path, Path(f"{path}-wal")) if each.exists())
    return [each for each in words if each.encode() in data]
