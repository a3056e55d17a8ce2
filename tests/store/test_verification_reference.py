"""What the reference leaves open is named as its own known gap; what it never writes is damage."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from tests.store import reference_databases as reference
from tests.store.mediation_rig import PINS, opened
from tests.store.rig import T0, Database, audience, dispute_id, key, revision

from serbero.reasoning import bundle
from serbero.store.engine import run_once
from serbero.store.verification import Level, Verified, verify
from serbero.store.verification.pins import policy_hash

NOW: Final = T0 + 10_000
NOBODY_TOLD, HALF_TOLD = reference.NEVER, reference.CRASHED
MEDIATED, STUCK, UNSENT = (dispute_id(each) for each in range(201, 204))
HASH: Final = "ab" * 32


def look(path: Path, **how: Any) -> Verified:
    return run_once(path, lambda tx: verify(tx, NOW, deep=True, **how))


def gaps(found: Verified) -> set[tuple[str, str | None]]:
    assert {each.level for each in found.findings} <= {Level.NOTE}, found.findings
    return {(each.check, each.row) for each in found.findings}


@pytest.fixture(params=[1, 2, 3, 4, 5])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / "serbero.db"
    reference.create(path, request.param)
    raw = reference.connect(path)
    if request.param >= 3:  # rows that it cannot have written
        raw.execute("PRAGMA foreign_keys = OFF").close()
        for table in ("mediation_events", "mediation_sessions", "sqlite_sequence"):
            raw.execute(f"DELETE FROM {table}")  # noqa: S608
        if request.param >= 5:
            raw.execute("DELETE FROM escalation_dispatches")
        raw.execute(
            "INSERT INTO sqlite_sequence SELECT 'notifications', max(id) FROM notifications"
        )
        raw.execute(
            "INSERT INTO sqlite_sequence SELECT 'dispute_state_transitions', max(id)"
            " FROM dispute_state_transitions"
        )
    raw.close()
    return path


def test_its_history_holds_at_every_version(path: Path) -> None:
    """A crash between recording and announcing is the only gap there is (W-2)."""
    tracked = "dispute_state_transitions" in reference.tables(path)
    found = look(path)
    wanted = {("announced disputes", each) for each in (NOBODY_TOLD, HALF_TOLD)}
    assert gaps(found) == (wanted if tracked else set())
    assert (found.damage, found.first_start) == (0, None)


def test_our_start_takes_its_gaps_up(path: Path) -> None:
    Database(path, NOW).close()
    found = look(path)
    assert gaps(found) == set()
    assert found.first_start == NOW


def test_damage_in_its_rows_is_damage(path: Path) -> None:
    raw = reference.connect(path)
    raw.execute("PRAGMA foreign_keys = OFF").close()
    raw.execute("UPDATE notifications SET notif_type = 'admin_cancel' WHERE id = 1")
    raw.execute("DELETE FROM notifications WHERE id = 2")
    raw.close()
    damaged = [(each.check, each.row) for each in look(path).findings if each.level is Level.DAMAGE]
    assert damaged == [("notification types", "1"), ("row numbers", "2")]


# --- a mediation of its own, as far as it goes ---------------------------------------------------


@pytest.fixture
def mediated(tmp_path: Path) -> Path:
    """Mediations of version 5: a summary, one escalated from the summary, one handed over."""
    path = tmp_path / "serbero.db"
    reference.create(path, 5, rows=False)
    raw = reference.connect(path)
    for number, dispute in enumerate((MEDIATED, STUCK, UNSENT)):
        row = (dispute, key(number), reference.NODE, "buyer", "initiated", T0 + number, T0)
        raw.execute(reference.INSERT_DISPUTE, row)
        raw.execute(reference.INSERT_NOTIFICATION, (dispute, key(7), T0, "sent", None, "initial"))
        for before, after, at in (("new", "notified", T0), ("notified", "taken", T0 + 5)):
            raw.execute(reference.SET_STATE, (after, at, dispute))
            raw.execute(reference.INSERT_TRANSITION, (dispute, before, after, at, "t"))
    _session(raw, MEDIATED, "closed")
    _session(raw, STUCK, "escalation_recommended")
    # Its summary path writes no hand-off, and no dispute (W-9).
    _event(
        raw,
        STUCK,
        "escalation_recommended",
        trigger="notification_failed",
        session_id=f"s {STUCK}",
        reason="all recipient sends failed",
    )
    _handed(raw)
    raw.close()
    return path


def _session(raw: Any, dispute: str, state: str) -> None:
    session = f"s {dispute}"
    raw.execute(
        "INSERT INTO mediation_sessions (session_id, dispute_id, state, prompt_bundle_id,"
        " policy_hash, buyer_shared_pubkey, seller_shared_pubkey, started_at, last_transition_at,"
        " round_count) VALUES (?, ?, ?, 'phase3-default', ?, 'bb', 'ss', ?, ?, 1)",
        (session, dispute, state, HASH, T0 + 20, T0 + 30),
    )
    _event(raw, None, "take_dispute_issued", dispute_id=dispute, outcome="success")
    _event(raw, dispute, "session_opened")
    said = (
        ("outbound", "buyer", "bb"),
        ("outbound", "seller", "ss"),
        ("inbound", "buyer", "bb"),
        ("inbound", "seller", "ss"),
    )
    for number, (direction, party, address) in enumerate(said):
        pins = ("phase3-default", HASH) if direction == "outbound" else (None, None)
        raw.execute(
            "INSERT INTO mediation_messages (session_id, direction, party, shared_pubkey,"
            " inner_event_id, inner_event_created_at, outer_event_id, content, prompt_bundle_id,"
            " policy_hash, persisted_at) VALUES (?, ?, ?, ?, ?, ?, 'outer', 'words', ?, ?, ?)",
            (session, direction, party, address, f"i{number}", T0 + 21, *pins, T0 + 22),
        )
    _event(raw, dispute, "outbound_sent", inner_event_id="i0", shared_pubkey="bb")


def _handed(raw: Any) -> None:
    """Its dispatch is on record without the event."""
    refs = {"evidence_refs": [], "rationale_refs": [], "trigger": "low_confidence"}
    _event(raw, None, "escalation_recommended", dispute_id=UNSENT, **refs)
    _event(
        raw,
        None,
        "handoff_prepared",
        dispute_id=UNSENT,
        **refs,
        assembled_at=T0 + 40,
        prompt_bundle_id="phase3-default",
        policy_hash=HASH,
    )
    [[handoff]] = raw.execute("SELECT max(id) FROM mediation_events").fetchall()
    raw.execute(
        "INSERT INTO escalation_dispatches (dispatch_id, dispute_id, handoff_event_id,"
        " target_solver, dispatched_at, created_at) VALUES ('d', ?, ?, 'npub1x', ?, ?)",
        (UNSENT, handoff, T0 + 50, T0 + 50),
    )


def _event(raw: Any, dispute: str | None, kind: str, **payload: object) -> None:
    raw.execute(
        "INSERT INTO mediation_events (session_id, kind, payload_json, prompt_bundle_id,"
        " policy_hash, occurred_at) VALUES (?, ?, ?, 'phase3-default', ?, ?)",
        (None if dispute is None else f"s {dispute}", kind, json.dumps(payload), HASH, T0 + 30),
    )


SECOND_OF = {MEDIATED: "2", STUCK: "6"}
KNOWN: Final = {
    # It moves a session to its end without an event, and writes none of what arrives (W-62).
    ("session moves", f"s {MEDIATED}"),
    ("arrivals without events", f"s {MEDIATED}"),
    ("arrivals without events", f"s {STUCK}"),
    # The second question was not published; the row says nothing of it (W-28).
    *(("questions sent", row) for row in SECOND_OF.values()),
    # A hand-off that nobody prepared, and a payload without what ours add (W-9, W-62).
    ("escalations without hand-off", "7"),
    ("payload keys", "7"),
    ("event of a dispatch", "d"),
}


def test_its_known_gaps_are_named_as_such(mediated: Path) -> None:
    found = look(mediated)
    assert gaps(found) == KNOWN
    assert (found.damage, found.notes) == (0, len(KNOWN))


def test_they_stay_known_gaps_once_we_went_on(mediated: Path) -> None:
    database = Database(mediated, NOW)
    session = opened(database, 1, NOW + 5)
    database.close()
    known = {
        (each.check, each.row)
        for each in look(mediated).findings
        if each.level is Level.NOTE and str(each.row) != session
    }
    assert known >= KNOWN
    kept = {each for each in known - KNOWN if each[0] != "missing prompts"}
    assert kept == set()


def test_the_same_gap_in_rows_of_ours_is_damage(tmp_path: Path) -> None:
    """What the reference leaves out, we write in one transaction."""
    path = tmp_path / "serbero.db"
    database = Database(path, T0)
    session = opened(database, 1, T0)
    database.record(revision(2), audience=audience(1))
    with database.engine.begin() as tx:
        tx.exec_driver_sql(
            "INSERT INTO mediation_events (session_id, kind, payload_json, prompt_bundle_id,"
            " policy_hash, occurred_at) VALUES (?, 'escalation_recommended',"
            ' \'{"trigger":"notification_failed"}\', ?, ?, ?)',
            (session, PINS.bundle_id, PINS.policy_hash, T0 + 9),
        )
    database.close()
    found = {each.check: each.level for each in look(path).findings}
    assert found["escalations without hand-off"] is Level.DAMAGE
    assert found["payload keys"] is Level.DAMAGE
    assert found["session moves"] is Level.DAMAGE


def test_a_purge_is_accepted_and_emptying_by_hand_is_not(tmp_path: Path) -> None:
    path = tmp_path / "serbero.db"
    database = Database(path, T0)
    session = opened(database, 1, T0)
    with database.engine.begin() as tx:
        tx.exec_driver_sql("UPDATE mediation_messages SET content = ''")
        tx.exec_driver_sql("UPDATE reasoning_rationales SET rationale_text = ''")
        tx.exec_driver_sql("UPDATE outbox SET rumor_json = NULL")
    emptied = {"emptied messages", "texts of rationales", "emptied messages in the outbox"}
    assert emptied <= {each.check for each in look(path).findings}
    [[dispute]] = database.rows("SELECT dispute_id FROM mediation_sessions")
    with database.engine.begin() as tx:
        tx.exec_driver_sql(
            "INSERT INTO journal (at, dispute_id, kind, payload_json)"
            " VALUES (?, ?, 'contents_purged', '{}')",
            (T0, dispute),
        )
        tx.exec_driver_sql("UPDATE outbox SET state = 'sent', settled_at = ?", (T0,))
    database.close()
    assert session
    assert not emptied & {each.check for each in look(path).findings}


def test_prompts_hash_as_they_are_pinned() -> None:
    """Written anew for verifying; both mean the same bytes."""
    packaged = bundle.packaged()
    assert policy_hash(dict(packaged.parts())) == packaged.policy_hash
