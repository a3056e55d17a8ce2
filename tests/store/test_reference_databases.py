"""A database the reference made opens, upgrades and continues; the reference can open ours."""

from pathlib import Path

import pytest
from tests.store import reference_databases as reference
from tests.store.reference_databases import ANNOUNCED, CRASHED, NEVER, RESOLVED, TAKEN
from tests.store.rig import T0, Database, audience, key, revision

from serbero.intake.decision import Outcome
from serbero.intake.reminders import ReminderPace, find_due, remind_due
from serbero.store.engine import Store
from serbero.store.sqlite import driver

NOW = T0 + 10_000
VERSIONS = [1, 2, 3, 4, 5]
PACE = ReminderPace(interval=300, growth=1.0, check_every=60)
OURS = {
    "alerts",
    "owed_briefs",
    "revisions",
    "outbox",
    "outbox_wraps",
    "outbox_targets",
    "cursors",
    "journal",
    "inboxes",
    "node_info",
    "takes",
    "parties",
    "chat_cursors",
    "chat_seen",
    "session_facts",
    "session_sides",
    "dispute_events",
    "mediation_starts",
    "standing",
    "prompt_bundles",
    "reasoning_calls",
    "pending_handoffs",
    "dispatches_under_way",
    "ladders",
    "ladder_steps",
    "acknowledgements",
    "snoozes",
    "mutes",
    "held_messages",
    "deadline_warnings",
    "commands_seen",
    "watches",
    "serbero_schema",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "serbero.db"


def open_and_close(path: Path) -> None:
    Store.open(path, NOW).close()


@pytest.mark.parametrize("version", VERSIONS)
def test_opens_with_its_data_as_it_was(path: Path, version: int) -> None:
    """Only what was never announced changes: what :func:`catch_up` is for."""
    reference.create(path, version)
    before = reference.tables(path)
    open_and_close(path)
    after = reference.tables(path)
    assert sorted(after["schema_version"]) == [(1,), (2,), (3,), (4,), (5,)]
    catches_up = {CRASHED} if version > 1 else {ANNOUNCED, TAKEN, RESOLVED, CRASHED}
    for name, rows in before.items():
        if name in ("schema_version", "dispute_state_transitions"):
            continue
        width = len(rows[0]) if rows else 0
        changed = name == "disputes"
        kept = [row[:width] for row in after[name] if not changed or row[0] not in catches_up]
        assert kept == [row for row in rows if not changed or row[0] not in catches_up]
    caught = {row[0]: row for row in after["disputes"] if row[0] in catches_up}
    for dispute, row in caught.items():
        # Announced by the reference: its last initial row's time; nobody is told again.
        assert row[7:] == ("notified", None, T0 + 12, NOW), dispute
    added = [
        row[1:]
        for row in after["dispute_state_transitions"]
        if row not in before.get("dispute_state_transitions", [])
    ]
    assert sorted(added) == sorted(
        (dispute, "new", "notified", NOW, "catch_up") for dispute in catches_up
    )
    assert after["outbox"] == []
    if version == 3:
        assert [row[-2:] for row in after["mediation_sessions"]] == [(0, 0)]


@pytest.mark.parametrize("version", VERSIONS)
def test_opened_twice_changes_nothing(path: Path, version: int) -> None:
    reference.create(path, version)
    open_and_close(path)
    once = reference.tables(path)
    Store.open(path, NOW + 500).close()
    assert reference.tables(path) == once


@pytest.mark.parametrize("version", VERSIONS)
def test_continues(path: Path, version: int) -> None:
    reference.create(path, version)
    open_and_close(path)
    database = Database(path, NOW)
    people = audience(2)
    states = {ANNOUNCED: "notified", NEVER: "new", CRASHED: "notified"}
    if version > 1:
        states |= {TAKEN: "taken", RESOLVED: "resolved"}
    replayed = [
        revision(dispute, at=T0 + number)
        for number, dispute in enumerate((ANNOUNCED, NEVER, TAKEN, RESOLVED, CRASHED))
    ]
    outcomes = {each.outcome for each in database.record(*replayed, audience=people, now=NOW)}
    assert outcomes <= {Outcome.DUPLICATE, Outcome.STALE}
    for dispute, state in states.items():
        assert database.state(dispute) == state
        assert database.outbox(dispute) == []
    if version > 1:
        # An opening some relay still holds, dated before the resolution: nothing comes back.
        [late] = database.record(revision(RESOLVED, at=T0 + 400), audience=people, now=NOW)
        [take] = database.record(
            revision(RESOLVED, "in-progress", T0 + 500), audience=people, now=NOW
        )
        assert {late.outcome, take.outcome} == {Outcome.STALE}
        # What the reference saw taken comes without news of it.
        [again] = database.record(revision(TAKEN, "in-progress", T0 + 50), audience=people, now=NOW)
        assert (again.outcome, again.enqueued) == (Outcome.TAKEN_AGAIN, 0)
    [taken] = database.record(revision(ANNOUNCED, "in-progress", T0 + 60), audience=people, now=NOW)
    assert (taken.outcome, taken.enqueued) == (Outcome.TAKEN, 2)
    [closed] = database.record(revision(CRASHED, "settled", T0 + 70), audience=people, now=NOW)
    assert closed.outcome is Outcome.RESOLVED
    database.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_reference_never_announced_is_announced_now(path: Path, version: int) -> None:
    """Crash or failure before the first success is not for ever."""
    reference.create(path, version)
    database = Database(path, NOW)
    due = database.run(find_due, PACE, NOW)
    assert NEVER in due
    database.run(remind_due, [NEVER], audience(2), PACE, NOW * 1000)
    assert database.outbox(NEVER) == [
        ("initial", key(1), "pending"),
        ("initial", key(2), "pending"),
    ]
    database.answer(database.claim(NOW), delivered=True, now=NOW)
    assert database.state(NEVER) == "notified"
    database.close()


def test_half_migrated_version_4_is_completed(path: Path) -> None:
    """One of the two columns is there, the version row is not."""
    reference.create(path, 3)
    connection = reference.connect(path)
    connection.execute(
        "ALTER TABLE mediation_sessions"
        " ADD COLUMN round_count_last_evaluated INTEGER NOT NULL DEFAULT 0"
    )
    connection.close()
    open_and_close(path)
    assert max(reference.tables(path)["schema_version"]) == (5,)
    assert [row[-2:] for row in reference.tables(path)["mediation_sessions"]] == [(0, 0)]


def test_the_references_tables_are_to_the_letter(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs.db", tmp_path / "ours.db"
    reference.create(theirs, 5, rows=False)
    open_and_close(ours)
    names = set(reference.tables(theirs))
    assert len(names) == 10
    assert reference.shape(ours, names) == reference.shape(theirs, names)
    assert reference.tables(ours)["schema_version"] == [(1,), (2,), (3,), (4,), (5,)]
    assert set(reference.tables(ours)) - names == OURS


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_an_upgraded_file_has_the_same_shape(tmp_path: Path, version: int) -> None:
    theirs, ours = tmp_path / "theirs.db", tmp_path / "ours.db"
    reference.create(theirs, 5, rows=False)
    reference.create(ours, version)
    open_and_close(ours)
    names = set(reference.tables(theirs))
    assert reference.shape(ours, names) == reference.shape(theirs, names)


def test_the_reference_goes_on_where_we_stopped_and_we_again(path: Path) -> None:
    """Its own statements run on our file, and what it did meanwhile is taken up."""
    database = Database(path, T0)
    people = audience(2)
    mine, reminded = revision(1), revision(2)
    database.record(mine, reminded, audience=people)
    database.answer(database.claim(), delivered=True)
    due = database.run(find_due, PACE, T0 + 301)
    database.run(remind_due, due, people, PACE, (T0 + 301) * 1000)
    assert ("re-notification", key(1), "pending") in database.outbox(mine.dispute_id)
    database.close()

    connection = reference.connect(path)
    assert connection.execute(reference.SELECT_SINCE).fetchone() == (T0,)
    theirs = revision(3, at=T0 + 400)
    row = (theirs.dispute_id, theirs.event_id, reference.NODE, "seller", "initiated", T0 + 400)
    assert connection.execute(reference.INSERT_DISPUTE, (*row, T0 + 401)).rowcount == 1
    replayed = (mine.dispute_id, mine.event_id, reference.NODE, "buyer", "initiated", T0)
    assert connection.execute(reference.INSERT_DISPUTE, (*replayed, T0 + 401)).rowcount == 0
    sent = (theirs.dispute_id, key(1), T0 + 402, "sent", None, "initial")
    connection.execute(reference.INSERT_NOTIFICATION, sent)
    moves = [
        (theirs.dispute_id, "new", "notified", T0 + 402, "initial_notification"),
        (mine.dispute_id, "notified", "taken", T0 + 500, "ee" * 32),
        (mine.dispute_id, "taken", "resolved", T0 + 600, "dispute_resolved_externally"),
    ]
    for dispute, before, after, at, trigger in moves:
        connection.execute(reference.SET_STATE, (after, at, dispute))
        connection.execute(reference.INSERT_TRANSITION, (dispute, before, after, at, trigger))
    connection.execute(reference.SET_LAST_NOTIFIED, (T0 + 402, theirs.dispute_id))
    found = connection.execute(reference.SELECT_UNATTENDED, (T0 + 403,)).fetchall()
    assert sorted(found) == sorted([(reminded.dispute_id, T0), (theirs.dispute_id, T0 + 400)])
    connection.close()

    again = Database(path, NOW)
    # Its resolution ended our reminder, and no revision older than it brings the dispute back.
    assert ("re-notification", key(1), "withdrawn") in again.outbox(mine.dispute_id)
    assert ("re-notification", key(1), "pending") in again.outbox(reminded.dispute_id)
    [stale] = again.record(revision(1, "in-progress", T0 + 550), audience=people, now=NOW)
    assert stale.outcome is Outcome.STALE
    [taken] = again.record(revision(3, "in-progress", T0 + 450), audience=people, now=NOW)
    assert (taken.outcome, taken.enqueued) == (Outcome.TAKEN, 2)
    again.close()


def test_constraints_of_the_reference_hold(database: Database) -> None:
    database.record(revision(1), audience=audience(0))
    session = (
        "INSERT INTO mediation_sessions (session_id, dispute_id, state, prompt_bundle_id,"
        " policy_hash, started_at, last_transition_at)"
        " SELECT '{}', dispute_id, 'x', 'b', 'h', 1, 1 FROM disputes"
    )
    message = (
        "INSERT INTO mediation_messages (session_id, direction, party, shared_pubkey,"
        " inner_event_id, inner_event_created_at, content, persisted_at)"
        " VALUES ('{}', 'inbound', 'buyer', 'k', 'i', 1, 'c', 1)"
    )
    dispatch = (
        "INSERT INTO escalation_dispatches (dispatch_id, dispute_id, handoff_event_id,"
        " target_solver, dispatched_at, created_at, status)"
        " SELECT '{}', dispute_id, {}, 'x', 1, 1, '{}' FROM disputes"
    )
    event = "INSERT INTO mediation_events (kind, occurred_at) VALUES ('handoff_prepared', 1)"
    allowed = [
        session.format("s"),
        session.format("t"),
        message.format("s"),
        message.format("t"),
        event,
    ]
    allowed += [dispatch.format("a", 1, "dispatched")]
    refused = [
        message.format("s"),
        message.format("unknown"),
        dispatch.format("b", 1, "dispatched"),
        dispatch.format("c", 77, "dispatched"),
        dispatch.format("d", 1, "foo"),
    ]
    for statement in allowed:
        with database.engine.begin() as tx:
            tx.exec_driver_sql(statement)
    raw = reference.connect(database.path)
    for statement in refused:
        with pytest.raises(driver.IntegrityError):
            raw.execute(statement)
    raw.close()


def test_one_deleted_by_hand_and_one_added_are_told_apart(path: Path) -> None:
    """As many disputes as revisions says nothing: each dispute must have its own."""
    database = Database(path)
    gone, new = revision(1), revision(2, at=T0 + 5)
    database.record(gone, audience=audience(1))
    database.rows("DELETE FROM disputes WHERE dispute_id = ? RETURNING 1", gone.dispute_id)
    database.close()
    connection = reference.connect(path)
    row = (new.dispute_id, new.event_id, reference.NODE, "buyer", "initiated", T0 + 5, T0 + 6)
    connection.execute(reference.INSERT_DISPUTE, row)
    connection.commit()
    connection.close()
    database = Database(path)
    [seen] = database.record(revision(2, "in-progress", T0 + 50), audience=audience(1))
    assert seen.outcome is Outcome.TAKEN
    database.close()


def test_an_id_the_reference_stored_in_upper_case_is_the_same_dispute(path: Path) -> None:
    """It keeps the tag as it came; the same dispute stays one row, one thread, one history."""
    database = Database(path)
    opened = revision("0b7a3c7e-6d0a-4a5e-9d5f-0a2c31a9a111")
    stored = opened.dispute_id.upper()
    database.close()
    connection = reference.connect(path)
    row = (stored, opened.event_id, reference.NODE, "buyer", "initiated", T0, T0 + 1)
    connection.execute(reference.INSERT_DISPUTE, row)
    connection.commit()
    connection.close()
    database = Database(path)
    taken = revision(opened.dispute_id, "in-progress", T0 + 50)
    over = revision(opened.dispute_id, "settled", T0 + 60)
    seen = database.record(opened, taken, audience=audience(1))
    assert [each.outcome for each in seen] == [Outcome.DUPLICATE, Outcome.TAKEN]
    assert [purpose for purpose, _, _ in database.outbox(stored)] == ["assignment"]
    database.record(over, audience=audience(1))
    assert database.rows("SELECT dispute_id, lifecycle_state FROM disputes") == [
        (stored, "resolved")
    ]
    database.close()
