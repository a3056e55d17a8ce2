"""Disputes that are held and sessions that are open, in as few words as tests want."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid5

import sqlalchemy as sa
from tests.store.rig import SENDER, T0, Database, audience, key, revision

from serbero.model.mediation import VerdictDecision
from serbero.model.party import Party
from serbero.model.reasoning import Classification
from serbero.store import (
    evaluations,
    parties,
    rationales,
    session_messages,
    session_moves,
    start_events,
)
from serbero.store.mediation_events import Label, Pins
from serbero.store.parties import NewParties
from serbero.store.rationales import Rationale
from serbero.store.session_messages import Arrived, Intake, Put, Question
from serbero.store.session_moves import NewSession

PINS: Final = Pins("phase3-default", "ab" * 32)
BUYER, SELLER = Party
ADDRESS: Final = {BUYER: "b0" * 32, SELLER: "c0" * 32}
LABEL: Final = Label(Classification.COORDINATION_FAILURE_RESOLVABLE, 0.8)
SETTLE: Final = 5


def session_id(number: int = 1) -> str:
    return str(uuid5(UUID(int=9), f"session {number}"))


def hold(database: Database, number: int = 1, now: int = T0) -> str:
    """A dispute, its verdict, and its take: everything before a session."""
    opened = revision(number, at=now)
    dispute = opened.dispute_id
    database.record(opened, audience=audience(1), now=now)
    database.run(take, dispute, now)
    return dispute


def take(tx: sa.Connection, dispute: str, now: int) -> None:
    rationale_id = rationales.save(tx, rationale(dispute, None, f"why {dispute}"), now)
    ask = VerdictDecision.ASK_CLARIFICATION
    start_events.reasoning_verdict(
        tx, dispute, ask, LABEL, now, pins=PINS, rationale_id=rationale_id
    )
    start_events.take_dispute_issued(tx, dispute, now, pins=PINS)
    parties.save(
        tx,
        NewParties(
            dispute, "order", key(3), key(4), "buyer", {}, None, own_key=SENDER, answered_at=now
        ),
        now,
    )


def new_session(dispute: str, number: int = 1) -> NewSession:
    return NewSession(
        session_id(number), dispute, PINS, ADDRESS[BUYER], ADDRESS[SELLER], assigned_solver=SENDER
    )


def rationale(dispute: str, session: str | None, text: str = "because", **other: Any) -> Rationale:
    values: dict[str, Any] = {"provider": "openai", "model": "m", "pins": PINS} | other
    return Rationale(dispute_id=dispute, session_id=session, text=text, **values)


def open_in(tx: sa.Connection, dispute: str, number: int, now: int) -> str:
    """Session, opening classification and first pair, as one transaction."""
    new = new_session(dispute, number)
    opened = session_moves.open_session(tx, new, now)
    assert opened == "awaiting_response", opened
    found = rationales.save(tx, rationale(dispute, None, f"why {dispute}"), now)
    evaluations.record_opening(tx, new.session_id, PINS, LABEL, found, now)
    put = session_messages.put_pair(tx, new.session_id, pair(new.session_id, 1, now), now)
    assert isinstance(put, Put)
    return new.session_id


def opened(database: Database, number: int = 1, now: int = T0) -> str:
    """An open session with its first questions."""
    dispute = hold(database, number, now)
    return database.run(open_in, dispute, number, now)


def inner(*parts: object) -> str:
    text = " ".join(map(str, parts))
    return uuid5(UUID(int=3), text).hex + uuid5(UUID(int=4), text).hex


def pair(session: str, number: int, now: int = T0) -> dict[Party, Question]:
    return {
        party: Question(
            ADDRESS[party], inner(session, "question", number, party), now, f"{party} {number}?"
        )
        for party in Party
    }


@dataclass
class Talk:
    """One session's parties."""

    database: Database
    session: str
    said: int = 0

    def hears(
        self, party: Party, now: int = T0 + 10, *, at: int | None = None, words: str | None = None
    ) -> Intake:
        self.said += 1
        return self.database.run(
            session_messages.take_in, self.message(party, now, at=at, words=words), now, SETTLE
        )

    def message(
        self, party: Party, now: int = T0 + 10, *, at: int | None = None, words: str | None = None
    ) -> Arrived:
        return Arrived(
            self.session,
            party,
            ADDRESS[party],
            inner(self.session, party, self.said),
            now if at is None else at,
            inner("outer", self.session, party, self.said),
            words or f"{party} says {self.said}",
        )


def kinds(database: Database, session: str) -> list[str]:
    query = "SELECT kind FROM mediation_events WHERE session_id = ? ORDER BY id"
    return [str(kind) for (kind,) in database.rows(query, session)]


def state(database: Database, session: str) -> str:
    return str(database.one("SELECT state FROM mediation_sessions WHERE session_id = ?", session))
