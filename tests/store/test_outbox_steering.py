"""What retrying and dropping change in the outbox, and what the daemon makes of it afterwards."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.store.mediation_rig import BUYER as BUYER_SIDE
from tests.store.mediation_rig import LABEL, PINS, Talk, hold, opened, rationale, state
from tests.store.rig import (
    OTHER,
    RELAY,
    SENDER,
    SETTLEMENTS,
    T0,
    Database,
    audience,
    dispute_id,
    fake_wraps,
    key,
    revision,
    said,
)

from serbero.cli.outbox import steering
from serbero.cli.outbox.judging import People
from serbero.cli.outbox.steering import Answer, Outcome, Wish
from serbero.delivery import ledger
from serbero.delivery.settlement import Settlement
from serbero.escalation.dispatching import (
    DispatchRules,
    conclude_stranded,
    dispatch,
    handoff_dead,
    handoff_sent,
)
from serbero.intake.announcing import Audience
from serbero.mediation import telling
from serbero.mediation.policy import Deliver, decide_summary
from serbero.mediation.summarising import SummarySettlement
from serbero.model.mediation import SessionState, Trigger
from serbero.model.notification import Purpose, TargetState
from serbero.model.people import Permission, Solver, Via
from serbero.model.reasoning import Summary
from serbero.model.target import TargetUpdate
from serbero.store import outbox_lookup, session_moves, summaries
from serbero.store.escalations import Handoff, escalate_dispute
from serbero.store.outbox_lookup import Wanted

DAY: Final = 86_400
DEAD_AT: Final = T0 + DAY
LATER: Final = T0 + 2 * DAY
D1: Final = dispute_id(1)
SOLVERS: Final = audience(2)
WRITERS: Final = tuple(
    Solver(key(each), key(each), permission=Permission.WRITE) for each in (11, 12)
)
WITH_HANDOFFS: Final = SETTLEMENTS | {
    Purpose.HANDOFF: Settlement(on_sent=handoff_sent, on_dead=handoff_dead)
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "serbero.db")
    yield made
    made.close()


def retry(database: Database, *numbers: int, now: int = LATER, people: People | None = None) -> Any:
    wish = Wish("ana", now, 3600, people)
    return shown(database.run(steering.retry, numbers, wish))


def drop(database: Database, *numbers: int, now: int = LATER) -> Any:
    return shown(database.run(steering.drop, numbers, Wish("ana", now)))


def shown(answers: list[Answer]) -> list[tuple[int, Outcome]]:
    return [(each.id, each.outcome) for each in answers]


def announced(database: Database, now: int = T0) -> None:
    database.record(revision(1, at=now), audience=SOLVERS, now=now)


def given_up(database: Database) -> ledger.Claim:
    """Both first messages got their bytes, were tried in vain by one relay, and are dead."""
    announced(database)
    claimed = database.claim(T0, relays=(RELAY, OTHER))
    database.run(ledger.commit_wraps, fake_wraps(claimed), T0)
    database.answer(claimed, delivered=False, now=T0)
    database.claim(DEAD_AT)
    assert states(database) == ["dead", "dead"]
    return claimed


def states(database: Database, dispute: str = D1) -> list[str]:
    return [row[2] for row in database.outbox(dispute)]


def journal(database: Database) -> list[tuple[str, str | None, dict[str, Any]]]:
    rows = database.rows(
        "SELECT kind, dispute_id, payload_json FROM journal WHERE kind LIKE 'operator_%'"
    )
    return [(kind, about, json.loads(payload)) for kind, about, payload in rows]


# --- retry ----------------------------------------------------------------------------------------


def test_a_dead_message_is_the_same_one_in_the_same_bytes(database: Database) -> None:
    before = given_up(database)
    bytes_before = database.rows("SELECT * FROM outbox_wraps ORDER BY event_id")
    rumors = database.rows("SELECT id, rumor_id, rumor_json, enqueued_ms FROM outbox ORDER BY id")
    second = before.rows[1].id
    assert retry(database, second) == [(second, Outcome.REVIVED)]
    assert states(database) == ["dead", "pending"]
    row = database.rows(
        "SELECT deadline_at, next_attempt_at, settled_at FROM outbox WHERE id = ?", second
    )
    assert row == [(LATER + 3600, LATER, None)]
    claimed = database.claim(LATER, relays=(RELAY, OTHER))
    assert [each.id for each in claimed.rows] == [second]
    assert {each.event_json for each in claimed.targets[second]} == {f'{{"id": "wrap-{second}"}}'}
    database.answer(claimed, delivered=True, now=LATER)
    assert states(database) == ["dead", "sent"]
    assert database.state(D1) == "notified"
    assert database.rows("SELECT * FROM outbox_wraps ORDER BY event_id") == bytes_before
    query = "SELECT id, rumor_id, rumor_json, enqueued_ms FROM outbox ORDER BY id"
    assert database.rows(query) == rumors
    assert database.one("SELECT count(*) FROM notifications WHERE status = 'sent'") == 1
    assert journal(database) == [
        (
            "operator_retry",
            D1,
            {
                "outbox_id": second,
                "purpose": "initial",
                "was": "dead",
                "outcome": "revived",
                "by": "ana",
            },
        )
    ]
    assert retry(database, second, now=LATER + 1) == [(second, Outcome.REFUSED)]
    assert database.claim(LATER + 10).rows == ()


def test_it_dies_once_more_at_its_new_deadline(database: Database) -> None:
    given_up(database)
    retry(database, 1)
    database.answer(database.claim(LATER), delivered=False, now=LATER)
    assert database.claim(LATER + 3599).settled == ()
    assert [each.row.id for each in database.claim(LATER + 3600).settled] == [1]
    assert states(database) == ["dead", "dead"]


def test_a_waiting_message_is_due_on_every_relay_that_has_not_got_it(database: Database) -> None:
    announced(database)
    claimed = database.claim(T0, relays=(RELAY, OTHER))
    batch = ledger.Batch(finished=[each.id for each in claimed.rows])
    for row in claimed.rows:
        for target in claimed.targets[row.id]:
            update = said(row.id, target, delivered=False, again=300)
            if target.relay == OTHER:
                refused = TargetState.REFUSED
                update = TargetUpdate(row.id, OTHER, refused, None, "blocked: no", None)
            batch.attempts.append(ledger.Attempt(row, update, delivered=False))
    database.run(ledger.record, batch, T0 * 1000, SETTLEMENTS)
    assert database.claim(T0 + 10, relays=(RELAY, OTHER)).rows == ()
    assert retry(database, 1, now=T0 + 10) == [(1, Outcome.DUE)]
    again = database.claim(T0 + 10, relays=(RELAY, OTHER))
    assert [each.id for each in again.rows] == [1]
    assert {each.relay for each in again.targets[1]} == {RELAY, OTHER}
    assert database.one("SELECT deadline_at FROM outbox WHERE id = 1") == DEAD_AT


def test_a_waiting_message_past_its_deadline_gets_a_new_one(database: Database) -> None:
    announced(database)
    assert retry(database, 1, now=LATER) == [(1, Outcome.REVIVED)]
    claimed = database.claim(LATER)
    assert [each.id for each in claimed.rows] == [1]
    assert states(database) == ["pending", "dead"]


def test_what_cannot_be_tried_again_is_left_alone(database: Database) -> None:
    given_up(database)
    database.rows("UPDATE outbox SET rumor_json = NULL WHERE id = 1 RETURNING id")
    before = database.dump()
    own, solvers = SENDER, frozenset({key(1), key(2)})
    assert retry(database, 1, 9, 2**40, people=People(own, solvers)) == [
        (1, Outcome.REFUSED),
        (9, Outcome.UNKNOWN),
        (2**40, Outcome.UNKNOWN),
    ]
    assert retry(database, 2, people=People(own, [key(1)])) == [(2, Outcome.REFUSED)]
    assert retry(database, 2, people=People("cc" * 32, solvers)) == [(2, Outcome.REFUSED)]
    assert database.dump() == before
    assert retry(database, 2, people=People(own, solvers)) == [(2, Outcome.REVIVED)]


def test_without_a_configuration_the_newest_message_tells_our_key(database: Database) -> None:
    given_up(database)
    other = Audience("cc" * 32, SOLVERS.solvers, DAY)
    database.record(revision(2, at=LATER), audience=other, now=LATER)
    assert retry(database, 1) == [(1, Outcome.REFUSED)]


@pytest.mark.parametrize("status", ["in-progress", "settled"])
def test_of_a_dispute_somebody_has_nobody_is_told_that_it_is_new(
    database: Database, status: str
) -> None:
    given_up(database)
    database.record(revision(1, status, LATER - 5), audience=SOLVERS, now=LATER - 5)
    assert retry(database, 1, 2) == [(1, Outcome.WITHDRAWN), (2, Outcome.WITHDRAWN)]
    claimed = database.claim(LATER)
    assert {each.purpose for each in claimed.rows} <= {Purpose.ASSIGNMENT}
    assert [each[2]["outcome"] for each in journal(database)] == ["withdrawn", "withdrawn"]


def test_of_one_opened_again_the_new_message_tells(database: Database) -> None:
    given_up(database)
    database.record(revision(1, "in-progress", LATER - 9), audience=SOLVERS, now=LATER - 9)
    database.record(revision(1, "initiated", LATER - 5), audience=SOLVERS, now=LATER - 5)
    assert retry(database, 1) == [(1, Outcome.WITHDRAWN)]
    assert all(each.id > 2 for each in database.claim(LATER).rows)


def test_a_hand_off_of_before_the_dispute_was_opened_again_is_over(database: Database) -> None:
    first, _ = handed_over(database)
    database.claim(T0 + 7 + DAY, settlements=WITH_HANDOFFS)
    for status, at in (("settled", LATER - 9), ("initiated", LATER - 5)):
        database.record(revision(1, status, at), audience=SOLVERS, now=at)
    assert retry(database, first) == [(first, Outcome.WITHDRAWN)]


# --- drop -----------------------------------------------------------------------------------------


def test_what_is_dropped_is_not_sent(database: Database) -> None:
    announced(database)
    assert drop(database, 1, now=T0) == [(1, Outcome.DROPPED)]
    claimed = database.claim(T0)
    assert [each.id for each in claimed.rows] == [2]
    database.answer(claimed, delivered=True)
    assert states(database) == ["withdrawn", "sent"]
    assert drop(database, 1, 2, now=T0 + 1) == [(1, Outcome.REFUSED), (2, Outcome.REFUSED)]
    assert [each[0] for each in journal(database)] == ["operator_drop"]


def test_dropped_between_claim_and_publish_it_does_not_go_out(database: Database) -> None:
    announced(database)
    claimed = database.claim(T0)
    drop(database, 1, now=T0)
    over = database.run(ledger.commit_wraps, fake_wraps(claimed), T0, [1, 2])
    assert over == {1}


def test_dropped_on_its_way_it_is_recorded_as_what_it_is(database: Database) -> None:
    announced(database)
    claimed = database.claim(T0)
    drop(database, 1, now=T0)
    database.answer(claimed, delivered=True)
    assert states(database) == ["sent", "sent"]


def test_the_last_announcement_of_a_new_dispute_stays(database: Database) -> None:
    announced(database)
    assert drop(database, 1, 2, now=T0) == [(1, Outcome.DROPPED), (2, Outcome.REFUSED)]
    database.answer(database.claim(T0), delivered=False)
    database.claim(DEAD_AT)
    assert states(database) == ["withdrawn", "dead"]
    # The daemon goes on with it by itself as long as nobody was told.
    assert drop(database, 2) == [(2, Outcome.REFUSED)]
    database.record(revision(1, "settled", LATER), audience=SOLVERS, now=LATER)
    assert drop(database, 2) == [(2, Outcome.DROPPED)]


def handed_over(database: Database) -> list[int]:
    """A hand-off on its way to two writers; the numbers of its messages."""
    dispute = hold(database)
    database.run(escalate_dispute, dispute, Handoff(Trigger.FRAUD_INDICATOR), PINS, T0 + 5)
    event = database.one("SELECT max(id) FROM mediation_events WHERE kind = 'handoff_prepared'")
    rules = DispatchRules(Audience(SENDER, WRITERS, DAY), fallback_to_all=False)
    database.run(dispatch, rules, event, (T0 + 6) * 1000)
    rows = database.rows("SELECT id FROM outbox WHERE purpose = 'escalation_handoff' ORDER BY id")
    return [number for (number,) in rows]


def test_the_last_message_of_a_hand_off_stays(database: Database) -> None:
    first, second = handed_over(database)
    assert drop(database, first, second, now=T0 + 7) == [
        (first, Outcome.DROPPED),
        (second, Outcome.REFUSED),
    ]
    database.claim(T0 + 7 + DAY, settlements=WITH_HANDOFFS)
    assert database.rows("SELECT status FROM escalation_dispatches") == [("send_failed",)]
    kinds = "SELECT count(*) FROM mediation_events WHERE kind = 'escalation_dispatched'"
    assert database.one(kinds) == 1
    # What died is no promise any more, and coming back to life it changes no record.
    assert retry(database, second) == [(second, Outcome.REVIVED)]
    claimed = database.claim(LATER, settlements=WITH_HANDOFFS)
    database.answer(claimed, delivered=True, now=LATER, settlements=WITH_HANDOFFS)
    assert database.one("SELECT state FROM outbox WHERE id = ?", second) == "sent"
    assert database.rows("SELECT status FROM escalation_dispatches") == [("send_failed",)]
    assert database.one(kinds) == 1


def test_once_nobody_needs_it_a_hand_off_may_go_and_is_on_record(database: Database) -> None:
    first, second = handed_over(database)
    database.record(revision(1, "settled", T0 + 50), audience=SOLVERS, now=T0 + 50)
    assert drop(database, first, second, now=T0 + 60) == [
        (first, Outcome.DROPPED),
        (second, Outcome.DROPPED),
    ]
    assert database.rows("SELECT status FROM escalation_dispatches") == [("send_failed",)]
    assert database.rows("SELECT * FROM dispatches_under_way") == []
    assert database.run(conclude_stranded, T0 + 61) == 0


def test_without_its_summary_a_session_goes_to_a_human(database: Database) -> None:
    session = opened(database)
    Talk(database, session).hears(BUYER_SIDE)
    for step in (SessionState.CLASSIFIED, SessionState.SUMMARY_PENDING):
        database.run(session_moves.advance, session, step, T0 + 20)
    stored = database.run(
        summaries.save, session, LABEL, "Both agree.", "Ask.", rationale(D1, session), T0 + 20
    )
    decided = decide_summary(Summary(body="Both agree.", next_step="Ask.", rationale=""))
    assert stored is not None
    assert isinstance(decided, Deliver)
    people = Audience(SENDER, WRITERS, DAY)
    words = (decided.body, decided.next_step, (T0 + 20) * 1000)
    database.run(telling.tell_summary, people, stored, *words)
    numbers = [
        number
        for (number,) in database.rows("SELECT id FROM outbox WHERE purpose = 'mediation_summary'")
    ]
    look = SummarySettlement(people).look
    drop(database, numbers[0], now=T0 + 21)
    assert not database.run(look, session, T0 + 22)
    answers = database.run(steering.drop, numbers[1:], Wish("ana", T0 + 23))
    assert [each.outcome for each in answers] == [Outcome.DROPPED]
    assert "hands the dispute to a human" in str(answers[0].because)
    assert database.run(look, session, T0 + 24)
    assert state(database, session) == SessionState.ESCALATION_RECOMMENDED


# --- two channels ---------------------------------------------------------------------------------

BOTH: Final = Solver(key(5), key(5), permission=Permission.WRITE, via=Via.BOTH)


def on_two_channels(database: Database, *, sent: bool) -> dict[str, int]:
    """A first message on two channels; one of them was sent or not, the other is dead."""
    database.record(revision(1), audience=audience([BOTH]))
    claimed = database.claim(T0)
    of_channel = {each.channel.value: each.id for each in claimed.rows}
    kept = tuple(each for each in claimed.rows if each.channel.value == "mostro")
    one = ledger.Claim(kept, claimed.targets, ())
    database.answer(one, delivered=sent)
    database.claim(DEAD_AT)
    return of_channel


def test_what_went_out_on_the_other_channel_is_not_lost(database: Database) -> None:
    number = on_two_channels(database, sent=True)
    assert sorted(states(database)) == ["dead", "sent"]
    assert database.run(outbox_lookup.dead_since, None, 0, 100) == []
    [letter] = database.run(outbox_lookup.newest, Wanted(states=["dead"]), 9)
    assert (letter.id, letter.sent_otherwise) == (number["nip17"], True)
    # Named by its number it goes out on this channel as well, and leaves no second row.
    assert retry(database, number["nip17"]) == [(number["nip17"], Outcome.REVIVED)]
    database.answer(database.claim(LATER), delivered=True, now=LATER)
    assert states(database) == ["sent", "sent"]
    assert database.one("SELECT count(*) FROM notifications WHERE status = 'sent'") == 1


def test_lost_on_both_it_lives_again_on_both_and_counts_once(database: Database) -> None:
    number = on_two_channels(database, sent=False)
    found = database.run(outbox_lookup.dead_since, None, 0, 100)
    assert sorted(found) == sorted(number.values())
    assert {each[1] for each in retry(database, *found)} == {Outcome.REVIVED}
    database.answer(database.claim(LATER), delivered=True, now=LATER)
    assert states(database) == ["sent", "sent"]
    assert database.one("SELECT count(*) FROM notifications WHERE status = 'sent'") == 1
