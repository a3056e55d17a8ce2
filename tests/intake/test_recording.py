"""The intake's transaction on a real database: what each revision leaves behind."""

import json
from typing import Any

import pytest
from tests.mostro.dispute_vectors import NODE, NOW, VECTORS, event_of
from tests.store.rig import T0, Database, audience, dispute_id, key, revision

from serbero.intake.decision import Outcome
from serbero.model.people import Solver
from serbero.mostro.dispute_event import Revision, parse_dispute_event
from serbero.store import cursors

DISPUTE = dispute_id(1)
EVERYBODY = audience(2)


def parsed(raw: dict[str, Any]) -> Revision:
    found = parse_dispute_event(event_of(raw), NODE, NOW)
    assert isinstance(found, Revision)
    return found


@pytest.mark.parametrize("batched", [False, True], ids=["one by one", "in one batch"])
@pytest.mark.parametrize("case", VECTORS["sequences"], ids=lambda case: case["name"])
def test_sequence(database: Database, case: dict[str, Any], batched: bool) -> None:
    """Every arrival order of the vectors ends in the stated status, applying the stated ids."""
    arrival = [parsed(raw) for raw in case["arrival"]]
    expect = case["expect"]
    if batched:
        recorded = database.record(*arrival, audience=EVERYBODY, now=NOW)
    else:
        recorded = [
            each for one in arrival for each in database.record(one, audience=EVERYBODY, now=NOW)
        ]
    final = expect.get("final_status") or expect["safe_status"]
    applied = list(dict.fromkeys(each.revision.event_id for each in recorded if each.applied))
    if "applied_ids" in expect:
        assert applied == expect["applied_ids"]
        ignored = [each.revision.event_id for each in recorded if not each.applied]
        assert set(ignored) - set(applied) == set(expect.get("ignored_ids", ()))
    [held] = {each.dispute_id for each in arrival}
    status, state = database.rows(
        "SELECT dispute_status, lifecycle_state FROM disputes WHERE dispute_id = ?", held
    )[0]
    assert status == final
    assert state == {"initiated": "new", "in-progress": "taken"}.get(final, "resolved")
    assert (
        database.one("SELECT event_id FROM revisions WHERE dispute_id = ?", held) == (applied[-1])
    )


def test_a_new_dispute_and_its_messages_are_one_transaction(database: Database) -> None:
    opened = revision(DISPUTE, at=T0)
    [recorded] = database.record(opened, audience=EVERYBODY, now=T0 + 5)
    assert (recorded.outcome, recorded.enqueued) == (Outcome.DETECTED, 2)
    row = (DISPUTE, opened.event_id, opened.node, "buyer", "initiated", T0, T0 + 5)
    assert database.rows("SELECT * FROM disputes") == [(*row, "new", None, None, None)]
    rows = database.rows(
        "SELECT dedupe_key, recipient_typed, deadline_at, state, next_attempt_at FROM outbox"
    )
    assert rows == [
        (
            f"initial:{DISPUTE}:{opened.event_id}:{key(number)}:nip17",
            key(number).upper(),
            T0 + 5 + 86_400,
            "pending",
            T0 + 5,
        )
        for number in (1, 2)
    ]
    rumors = [json.loads(each) for (each,) in database.rows("SELECT rumor_json FROM outbox")]
    assert {each["created_at"] for each in rumors} == {T0 + 5}
    assert all(f"event_timestamp: {T0}\n" in each["content"] for each in rumors)
    # No row is written for the creation of a dispute, and none before a message went out.
    assert database.rows("SELECT * FROM dispute_state_transitions") == []
    assert database.rows("SELECT * FROM notifications") == []


def test_an_error_in_the_middle_of_a_batch_leaves_nothing(database: Database) -> None:
    """Dispute, state, messages and cursor commit together or not at all."""
    before = database.dump()
    broken = audience([Solver(typed="x", hex=None), Solver(typed="\ud800", hex=key(1))])
    with pytest.raises(UnicodeEncodeError):
        database.record(revision(1), revision(2), audience=broken)
    assert database.dump() == before


def test_replay_changes_nothing(database: Database) -> None:
    opened, taken = revision(DISPUTE), revision(DISPUTE, "in-progress", T0 + 9)
    database.record(opened, audience=EVERYBODY)
    database.record(taken, audience=EVERYBODY)
    before = database.dump()
    outcomes = [
        each.outcome
        for one in (opened, taken, taken, opened)
        for each in database.record(one, audience=EVERYBODY, now=T0 + 500)
    ]
    assert outcomes == [Outcome.STALE, Outcome.DUPLICATE, Outcome.DUPLICATE, Outcome.STALE]
    assert database.dump() == before


def test_a_solver_key_that_cannot_be_one_leaves_a_failed_row(database: Database) -> None:
    """The others are told all the same."""
    people = [
        Solver(typed="garbage", hex=None, problem="not a key"),
        Solver(typed="ours", hex=key(9), problem="Serbero's own key"),
        Solver(typed=key(1), hex=key(1)),
    ]
    [recorded] = database.record(revision(DISPUTE), audience=audience(people))
    assert recorded.enqueued == 1
    rows = database.rows(
        "SELECT solver_pubkey, status, error_message, notif_type FROM notifications"
    )
    assert rows == [
        ("garbage", "failed", "invalid pubkey: not a key", "initial"),
        ("ours", "failed", "invalid pubkey: Serbero's own key", "initial"),
    ]


def test_nobody_configured(database: Database) -> None:
    """Recorded as new, no rows."""
    [recorded] = database.record(revision(DISPUTE), audience=audience(0))
    assert (recorded.enqueued, recorded.solver_count) == (0, 0)
    assert database.state(DISPUTE) == "new"


def test_taken_withdraws_and_tells(database: Database) -> None:
    """From `new` as well, with the solver where the node names one."""
    database.record(revision(DISPUTE), audience=EVERYBODY)
    taken = revision(DISPUTE, "in-progress", T0 + 1, solver=key(2))
    [recorded] = database.record(taken, audience=EVERYBODY, now=T0 + 2)
    assert recorded.outcome is Outcome.TAKEN
    assert database.state(DISPUTE) == "taken"
    assert database.one("SELECT assigned_solver FROM disputes") == key(2)
    assert database.rows("SELECT from_state, to_state, trigger FROM dispute_state_transitions") == [
        ("new", "taken", taken.event_id)
    ]
    states = [(purpose, state) for purpose, _, state in database.outbox(DISPUTE)]
    assert states == [("initial", "withdrawn")] * 2 + [("assignment", "pending")] * 2
    text = json.loads(database.rows("SELECT rumor_json FROM outbox ORDER BY id DESC")[0][0])
    assert f"assigned_solver: {key(2)}\n" in text["content"]
    root = database.one(
        "SELECT rumor_id FROM outbox WHERE purpose = 'initial' AND recipient = ?", key(2)
    )
    assert ["e", root, "", "root"] in text["tags"]


def test_resolved_withdraws_reminders_and_keeps_that_it_was_taken(database: Database) -> None:
    database.record(revision(DISPUTE), audience=EVERYBODY)
    database.record(revision(DISPUTE, "in-progress", T0 + 1), audience=EVERYBODY)
    database.record(revision(DISPUTE, "released", T0 + 2), audience=EVERYBODY)
    states = [(purpose, state) for purpose, _, state in database.outbox(DISPUTE)]
    assert states == [("initial", "withdrawn")] * 2 + [("assignment", "pending")] * 2
    triggers = database.rows("SELECT to_state, trigger FROM dispute_state_transitions ORDER BY id")
    assert triggers[-1] == ("resolved", "dispute_resolved_externally")
    assert database.one("SELECT dispute_status FROM disputes") == "released"


@pytest.mark.parametrize("status", ["in-progress", "settled", "cooperatively-canceled"])
def test_first_seen_late_is_recorded_in_silence(database: Database, status: str) -> None:
    """Recorded, nobody is told."""
    seen = revision(DISPUTE, status)
    [recorded] = database.record(seen, audience=EVERYBODY)
    assert recorded.enqueued == 0
    assert database.state(DISPUTE) == ("taken" if status == "in-progress" else "resolved")
    assert database.one("SELECT event_id FROM disputes") == seen.event_id
    # The opening that another relay still holds is older: nobody is told of it either.
    [late] = database.record(revision(DISPUTE, at=T0 - 50), audience=EVERYBODY)
    assert late.outcome is Outcome.STALE
    assert database.outbox(DISPUTE) == []


def test_reopened(database: Database) -> None:
    """A strictly newer opening: new again, everything of the last round withdrawn, all told."""
    database.record(revision(DISPUTE), audience=EVERYBODY)
    database.answer(database.claim(), delivered=True)
    database.record(
        revision(DISPUTE, "in-progress", T0 + 1, solver=key(1)), audience=EVERYBODY, now=T0 + 1
    )
    database.record(revision(DISPUTE, "settled", T0 + 2), audience=EVERYBODY, now=T0 + 2)
    again = revision(DISPUTE, "initiated", T0 + 3)
    [recorded] = database.record(again, audience=EVERYBODY, now=T0 + 3)
    assert (recorded.outcome, recorded.enqueued) == (Outcome.REOPENED, 2)
    assert database.rows(
        "SELECT lifecycle_state, assigned_solver, last_notified_at, dispute_status FROM disputes"
    ) == [("new", None, None, "initiated")]
    states = [(purpose, state) for purpose, _, state in database.outbox(DISPUTE)]
    assert states == (
        [("initial", "sent")] * 2 + [("assignment", "withdrawn")] * 2 + [("initial", "pending")] * 2
    )
    [(kind, payload)] = database.rows("SELECT kind, payload_json FROM journal")
    assert (kind, json.loads(payload)) == (
        "dispute_reopened",
        {"event_id": again.event_id, "from_state": "resolved"},
    )
    assert database.rows(
        "SELECT trigger FROM dispute_state_transitions ORDER BY id DESC LIMIT 1"
    ) == [("reopened:" + again.event_id,)]


def test_taken_twice_is_told_once(database: Database) -> None:
    """The later take is applied and nobody hears of it again."""
    for at, status in enumerate(["initiated", "in-progress", "in-progress"]):
        database.record(revision(DISPUTE, status, T0 + at), audience=EVERYBODY)
    assert [purpose for purpose, _, _ in database.outbox(DISPUTE)].count("assignment") == 2
    assert database.one("SELECT created_at FROM revisions") == T0 + 2


def test_the_cursor_never_passes_our_own_clock(database: Database) -> None:
    """One event dated in 2100 must not hide all that follow."""
    database.record(revision(1, at=4_102_444_800), audience=EVERYBODY, now=T0 + 7)
    assert database.run(cursors.get, cursors.DISPUTES) == T0 + 7
    database.record(revision(2, at=T0 - 500), audience=EVERYBODY, now=T0 + 9)
    assert database.run(cursors.get, cursors.DISPUTES) == T0 + 7
    [ignored] = database.record(
        revision(3, at=T0 + 8), audience=EVERYBODY, now=T0 + 9, horizon=T0 + 100
    )
    assert ignored.outcome is Outcome.BEFORE_HORIZON
    assert database.run(cursors.get, cursors.DISPUTES) == T0 + 7


def test_where_a_stream_starts(database: Database) -> None:
    """An empty database looks back as far as it is told; later, a minute before the cursor."""
    assert database.run(cursors.open_stream, T0 - 100, 60, T0) == (T0 - 100, T0 - 100)
    assert database.run(cursors.open_stream, T0 + 999, 60, T0 + 999) == (T0 - 100, T0 - 100)
    database.run(cursors.raise_to, cursors.DISPUTES, T0 + 5000)
    assert database.run(cursors.open_stream, T0 + 9999, 60, T0 + 9999) == (T0 - 100, T0 + 4940)


def test_one_batch_may_hold_a_whole_life(database: Database) -> None:
    statuses = ["initiated", "in-progress", "initiated", "settled", "initiated"]
    life = [revision(DISPUTE, status, T0 + at) for at, status in enumerate(statuses)]
    database.record(*life, audience=EVERYBODY)
    path = database.rows("SELECT from_state, to_state FROM dispute_state_transitions ORDER BY id")
    assert path == [("new", "taken"), ("taken", "new"), ("new", "resolved"), ("resolved", "new")]
    pending = [each for each in database.outbox(DISPUTE) if each[2] == "pending"]
    assert pending == [("initial", key(1), "pending"), ("initial", key(2), "pending")]
