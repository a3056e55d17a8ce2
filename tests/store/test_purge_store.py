"""What a purge empties, what it leaves, and what is done with the words afterwards: nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.mediation.replay_rig import BUYER, Case
from tests.store import reference_databases as reference
from tests.store.purge_rig import (
    DAY,
    ENDED,
    KEEPS,
    close,
    found,
    mediated,
    send,
    unmediated,
    words_of,
)
from tests.store.rig import NODE, RELAY, T0, Database, audience, fake_wraps, revision
from tests.store.test_query_plans import plans_of, walks

from serbero.delivery import ledger
from serbero.model.alerts import AlertEvent
from serbero.store import (
    believed_time,
    free_space,
    node_info,
    purge,
    purge_search,
    rationales,
    retention,
    watches,
)
from serbero.store.purge import Emptied
from serbero.store.watches import Duty, Post

LATER = ENDED + 90 * DAY
EMPTIED = {
    "mediation_messages": {"content"},
    "reasoning_rationales": {"rationale_text"},
    "mediation_summaries": {"summary_text", "suggested_next_step"},
    "mediation_events": {"payload_json"},
    "parties": {"facts_json"},
    "outbox": {"rumor_json"},
    "outbox_wraps": {"event_json"},
}
"""The only columns that a purge writes to."""


def due(database: Database, before: int = ENDED) -> set[str]:
    return set(database.run(purge_search.look, before).ids)


def empty(database: Database, case: Case, before: int = ENDED, now: int = LATER) -> Emptied:
    return database.run(purge.empty, case.dispute, before, now)


def tables(database: Database) -> dict[str, list[dict[str, Any]]]:
    names = [name for (name,) in database.rows("SELECT name FROM sqlite_master WHERE type='table'")]
    found = {}
    for name in names:
        with database.engine.begin() as tx:
            rows = tx.exec_driver_sql(f"SELECT * FROM {name}").mappings()  # noqa: S608
            found[name] = [dict(row) for row in rows]
    return found


def rationale_texts(database: Database) -> list[str]:
    return [text for (text,) in database.rows("SELECT rationale_text FROM reasoning_rationales")]


# --- one dispute ----------------------------------------------------------------------------------


def test_every_word_goes_and_nothing_else_changes(database: Database) -> None:
    case, other = mediated(database, 1), mediated(database, 2)
    close(database, case)
    before = tables(database)
    done = empty(database, case)
    assert done == Emptied(
        messages=4, rationales=5, summaries=1, reasons=1, order_facts=1, outbox=1, wraps=1
    )
    after = tables(database)
    [entry] = after.pop("journal")[len(before.pop("journal")) :]
    assert (entry["kind"], entry["dispute_id"], entry["at"]) == (
        purge.CONTENTS_PURGED,
        case.dispute,
        LATER,
    )
    assert json.loads(entry["payload_json"]) == done.counts() | {"ended_at": ENDED}
    assert after.pop("sqlite_sequence") != before.pop("sqlite_sequence")
    for name, rows in before.items():
        kept = EMPTIED.get(name, set())
        for row, now in zip(rows, after[name], strict=True):
            changed = {column for column, value in row.items() if now[column] != value}
            assert changed <= kept, name
    text = json.dumps(after, default=str)
    assert [each for each in words_of(1) if each in text] == []
    assert [each for each in words_of(2) if each not in text] == []
    assert KEEPS in text
    assert other.dispute not in due(database)


def test_what_is_left_is_no_less_than_the_columns_ask_for(database: Database) -> None:
    case = mediated(database, 1)
    close(database, case)
    empty(database, case)
    assert set(database.rows("SELECT content FROM mediation_messages")) == {("",)}
    summary = "SELECT summary_text, suggested_next_step, classification FROM mediation_summaries"
    assert database.rows(summary) == [("", "", "coordination_failure_resolvable")]
    assert database.rows("SELECT rumor_json, state FROM outbox") == [(None, "sent")]
    assert database.rows("SELECT event_json FROM outbox_wraps") == [(None,)]
    facts = json.loads(database.one("SELECT facts_json FROM parties"))
    assert facts == {"fiat_code": "EUR", "payment_method": None}


def test_a_second_time_changes_nothing(database: Database) -> None:
    case = mediated(database, 1)
    close(database, case)
    assert due(database) == {case.dispute}
    empty(database, case)
    before = database.dump()
    assert due(database) == set()
    assert not empty(database, case, now=LATER + DAY)
    assert database.dump() == before


@pytest.mark.parametrize("why", ["open", "too young", "opened again"])
def test_what_has_not_ended_long_ago_stays(database: Database, why: str) -> None:
    case = mediated(database, 1)
    if why != "open":
        close(database, case, at=ENDED + (1 if why == "too young" else 0))
    if why == "opened again":
        again = revision(1, "initiated", ENDED + 50)
        database.record(again, audience=audience(1), now=ENDED + 50)
    before = database.dump()
    assert due(database) == set()
    assert not empty(database, case)
    assert database.dump() == before


def test_of_two_purges_at_once_one_counts_a_dispute(database: Database) -> None:
    first, second = mediated(database, 1), mediated(database, 2)
    close(database, first, second)
    ids = [first.dispute, second.dispute]
    assert database.run(purge.empty_all, ids[:1], LATER, LATER)[0] == 1
    count, done = database.run(purge.empty_all, ids, LATER, LATER)
    assert (count, done.summaries) == (1, 1)


def test_words_that_come_later_go_the_next_time(database: Database) -> None:
    case = mediated(database, 1)
    close(database, case)
    empty(database, case)
    assert case.hears(BUYER, "WORDLATE") == "stale"
    assert due(database) == {case.dispute}
    assert empty(database, case, now=LATER + 5) == Emptied(messages=1)
    assert due(database) == set()


def test_what_is_on_its_way_is_left_until_it_is_over(database: Database) -> None:
    case = Case(database, 1)
    database.record(revision(1, "in-progress", T0 + 50), audience=audience(1), now=T0 + 50)
    close(database, case)
    database.run(
        lambda tx: tx.exec_driver_sql(
            "UPDATE outbox SET next_attempt_at = 9, state = 'pending' WHERE purpose = 'assignment'"
        ).close()
    )
    assert empty(database, case) == Emptied(outbox=1)
    assert due(database) == set()
    [(rumor,)] = database.rows("SELECT rumor_json FROM outbox WHERE purpose = 'assignment'")
    assert "taken" in rumor
    estimate = database.run(purge_search.estimate, ENDED)
    assert (estimate.disputes, estimate.outbox, estimate.under_way) == (0, 0, 1)
    database.run(lambda tx: tx.exec_driver_sql("UPDATE outbox SET next_attempt_at = NULL").close())
    assert empty(database, case) == Emptied(outbox=1)


def test_a_late_answer_of_a_relay_finds_its_row_emptied(database: Database) -> None:
    """The dispute was closed and purged while a relay had yet to answer."""
    case = Case(database, 1)
    claimed = database.claim(T0)
    database.run(ledger.commit_wraps, fake_wraps(claimed), T0)
    close(database, case)
    assert empty(database, case) == Emptied(outbox=1, wraps=1)
    late = fake_wraps(claimed, "-late")
    over = database.run(ledger.commit_wraps, late, LATER, [claimed.rows[0].id])
    assert over == {claimed.rows[0].id}
    database.answer(claimed, delivered=False, now=LATER)
    database.answer(claimed, delivered=True, now=LATER)
    assert database.rows("SELECT state, rumor_json FROM outbox") == [("sent", None)]
    assert set(database.rows("SELECT event_json FROM outbox_wraps")) == {(None,)}
    assert database.claim(LATER).rows == ()


# --- rationales that several disputes share -------------------------------------------------------


def test_shared_words_go_with_the_last_dispute(database: Database) -> None:
    first, second = unmediated(database, 1, "the same"), unmediated(database, 2, "the same")
    assert rationale_texts(database) == ["the same"]
    close(database, first)
    assert empty(database, first).rationales == 0
    assert rationale_texts(database) == ["the same"]
    close(database, second, at=ENDED + DAY)
    assert empty(database, first).rationales == 0, "the other one's time has not come"
    assert empty(database, second, before=ENDED + DAY).rationales == 1
    assert rationale_texts(database) == [""]


def test_shared_words_that_the_reference_stored(database: Database) -> None:
    """It keeps no calls: only the audit trail says whose they are."""
    first, second = unmediated(database, 1, "the same"), unmediated(database, 2, "the same")
    database.run(lambda tx: tx.exec_driver_sql("DELETE FROM reasoning_calls").close())
    close(database, first)
    assert empty(database, first).rationales == 0
    close(database, second)
    assert empty(database, first).rationales == 1


def test_words_that_were_emptied_are_kept_again_for_another_dispute(database: Database) -> None:
    case = unmediated(database, 1, "the same")
    close(database, case)
    assert empty(database, case).rationales == 1
    again = unmediated(database, 2, "the same")
    assert sorted(rationale_texts(database)) == ["", "the same"]
    query = (
        "SELECT rationale_id FROM reasoning_calls WHERE dispute_id = ? AND rationale_id IS NOT NULL"
    )
    assert database.run(rationales.text, database.one(query, again.dispute)) == "the same"


# --- what other programs wrote --------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        "not json",
        "[]",
        '{"reason": 7}',
        '{"reason": "a fixed word"}',
        '{"reason": "ours: whole", "rationale_refs": []}',
        '{"reason": null}',
    ],
)
def test_payloads_without_words_of_others_stay(database: Database, payload: str) -> None:
    case = mediated(database, 1)
    database.run(
        lambda tx: tx.exec_driver_sql(
            "UPDATE mediation_events SET payload_json = ?"
            " WHERE kind = 'escalation_recommended' AND payload_json LIKE '%WORD1I%'",
            (payload,),
        ).close()
    )
    database.run(lambda tx: tx.exec_driver_sql("UPDATE parties SET facts_json = 'broken'").close())
    close(database, case)
    done = empty(database, case)
    assert (done.reasons, done.order_facts) == (0, 0)
    stored = {text for (text,) in database.rows("SELECT payload_json FROM mediation_events")}
    assert payload in stored
    assert due(database) == set()


def test_when_it_ended_is_found_where_nobody_wrote_it(database: Database) -> None:
    case = mediated(database, 1)
    close(database, case)
    database.run(
        lambda tx: tx.exec_driver_sql("UPDATE disputes SET last_state_change = NULL").close()
    )
    assert due(database, ENDED - 1) == set()
    assert due(database, ENDED) == {case.dispute}


@pytest.mark.parametrize("version", [1, 5])
def test_the_reference_goes_on_with_a_purged_database(tmp_path: Path, version: int) -> None:
    path, fresh = tmp_path / "serbero.db", tmp_path / "fresh.db"
    reference.create(path, version)
    reference.create(fresh, 5, rows=False)
    database = Database(path)
    close(database, mediated(database, 1))
    for dispute in due(database, LATER):
        database.run(purge.empty, dispute, LATER, LATER)
    assert due(database, LATER) == set()
    database.run(retention.empty_settled, LATER, 100)
    database.close()
    names = set(reference.tables(fresh))
    assert reference.shape(path, names) == reference.shape(fresh, names)
    connection = reference.connect(path)
    assert connection.execute(reference.SELECT_UNATTENDED, (LATER,)).fetchall() is not None
    row = (LATER, reference.ANNOUNCED)
    connection.execute(reference.SET_LAST_NOTIFIED, row).close()
    query = "SELECT count(*) FROM mediation_messages WHERE content IS NULL OR content != ''"
    assert connection.execute(query).fetchall() == [(0,)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


# --- looking --------------------------------------------------------------------------------------


def test_a_look_goes_on_where_the_last_one_ended(database: Database) -> None:
    cases = [unmediated(database, number, f"why {number}") for number in range(7)]
    close(database, *cases)
    place: int | None = purge_search.START
    seen: list[str] = []
    looks = 0
    while place is not None:
        look = database.run(purge_search.look, ENDED, place, 3)
        assert len(look.ids) <= 3
        seen += look.ids
        place, looks = look.place, looks + 1
    assert (sorted(seen), looks) == (sorted(each.dispute for each in cases), 3)
    assert database.run(purge_search.estimate, ENDED).disputes == 7


def test_a_look_reads_what_it_passes_over_and_nothing_else(database: Database) -> None:
    case = mediated(database, 1)
    close(database, case)
    unmediated(database, 2, "open")
    look = plans_of(database, lambda tx: purge_search.look(tx, ENDED))
    assert [each for each in look if walks(each[1])] == []
    emptying = plans_of(database, lambda tx: purge.empty(tx, case.dispute, ENDED, LATER))
    assert [
        each for each in emptying if each[1].startswith("SCAN ") and "json" not in each[1]
    ] == []


# --- settled messages and old records -------------------------------------------------------------

MONTH = retention.KEPT_SECONDS


def settled(database: Database, count: int) -> None:
    """Messages that were sent at :data:`T0`, about disputes that are open."""
    batch = [revision(number, at=T0) for number in range(count)]
    database.record(*batch, audience=audience(1))
    send(database, T0)
    database.claim(T0 + DAY, limit=0)  # their deadline: nobody looks for inboxes any more


def test_settled_messages_lose_their_words_after_a_month(database: Database) -> None:
    settled(database, 5)
    before = tables(database)
    assert not database.run(retention.empty_settled, T0 + MONTH - 1, 3)
    assert tables(database) == before
    first = database.run(retention.empty_settled, T0 + MONTH, 3)
    second = database.run(retention.empty_settled, T0 + MONTH, 3)
    assert [first, second] == [Emptied(outbox=3, wraps=3), Emptied(outbox=2, wraps=2)]
    assert not database.run(retention.empty_settled, T0 + MONTH, 3)
    after = tables(database)
    assert {row["rumor_json"] for row in after["outbox"]} == {None}
    assert {row["event_json"] for row in after["outbox_wraps"]} == {None}
    assert after["outbox_targets"] == before["outbox_targets"]
    entries = [json.loads(row["payload_json"]) for row in after["journal"]]
    assert [(each["outbox"], each["first_outbox_id"]) for each in entries] == [(3, 1), (2, 4)]
    assert {each["settled_before"] for each in entries} == {T0}


def test_a_clock_that_is_a_year_ahead_is_not_believed(database: Database) -> None:
    """The node bears out that it is not so late; once it does, everything goes its way."""
    settled(database, 2)
    database.run(alert, 1, T0)
    heard, year = T0 + 3 * DAY, T0 + 365 * DAY
    database.run(node_info.save_info, NODE, "{}", heard, heard)
    assert database.run(believed_time.believed, heard + 5) == heard + 5
    assert not database.run(retention.empty_settled, year, 10)
    assert database.run(retention.remove_old, year, 10).alerts == 0
    database.run(node_info.save_info, NODE, "{}", T0 + MONTH, T0 + MONTH)
    assert database.run(retention.empty_settled, year, 10).outbox == 2
    assert database.run(retention.remove_old, year, 10).alerts == 1


def test_a_message_that_relays_are_still_asked_about_keeps_its_words(database: Database) -> None:
    settled(database, 1)
    database.run(
        lambda tx: tx.exec_driver_sql("UPDATE outbox SET next_attempt_at = 9999999999").close()
    )
    assert not database.run(retention.empty_settled, T0 + MONTH, 10)


def test_what_nobody_was_ever_told_keeps_its_words(database: Database) -> None:
    """A first message that was given up is sent again, when its dispute is announced at last."""
    database.record(revision(1), audience=audience(1))
    assert database.claim(T0 + DAY).settled
    assert database.rows("SELECT state FROM outbox") == [("dead",)]
    assert not database.run(retention.empty_settled, T0 + 2 * MONTH, 10)
    database.record(revision(1, "settled", T0 + 3 * DAY), audience=audience(1), now=T0 + 3 * DAY)
    assert database.run(retention.empty_settled, T0 + 2 * MONTH, 10) == Emptied(outbox=1)


def test_settled_messages_are_found_by_their_index(database: Database) -> None:
    settled(database, 50)
    plans = plans_of(database, lambda tx: retention.empty_settled(tx, T0 + MONTH, 10))
    assert any("USING INDEX ix_outbox_kept" in detail for _, detail in plans), plans
    assert [each for each in plans if walks(each[1])] == []


def test_history_that_is_emptied_costs_nothing(database: Database) -> None:
    settled(database, 10)
    few = steps(database, T0 + MONTH)
    settled(database, 400)
    while database.run(retention.empty_settled, T0 + MONTH, 100):
        pass
    database.record(*(revision(n, at=T0) for n in range(500, 510)), audience=audience(1))
    send(database, T0)
    database.claim(T0 + DAY, limit=0)
    assert steps(database, T0 + MONTH) <= few + 2


def steps(database: Database, now: int) -> int:
    """Hundreds of instructions that emptying a batch takes; it is undone."""
    counted = [0]

    def count() -> int:
        counted[0] += 1
        return 0

    with database.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        transaction = connection.begin()
        raw.set_progress_handler(count, 100)
        assert retention.empty_settled(connection, now, 10).outbox == 10
        raw.set_progress_handler(None, 0)
        transaction.rollback()
    return counted[0]


def alert(tx: sa.Connection, number: int, settled_at: int | None) -> None:
    tx.exec_driver_sql(
        "INSERT INTO alerts (channel, dedupe_key, event, at, facts_json, state, settled_at)"
        " VALUES ('phone', ?, ?, 1, '{}', 'sent', ?)",
        (f"key {number}", AlertEvent.ESCALATED.value, settled_at),
    )


def test_alerts_that_are_over_are_removed_after_a_month(database: Database) -> None:
    for number, at in enumerate((T0, T0, T0, T0 + 1, None)):
        database.run(alert, number, at)
    assert database.run(retention.remove_old, T0 + MONTH, 2).alerts == 2
    assert database.run(retention.remove_old, T0 + MONTH, 2).alerts == 1
    assert database.run(retention.remove_old, T0 + MONTH, 2).alerts == 0
    assert database.rows("SELECT settled_at FROM alerts ORDER BY id") == [(T0 + 1,), (None,)]


def stand(database: Database, *times: int) -> None:
    for now in times:
        database.run(watches.stand, [Post(Duty.REMINDERS)], now)


def test_watches_are_kept_while_a_dispute_is_open_that_they_tell_of(database: Database) -> None:
    database.record(revision(1), audience=audience(1))
    stand(database, T0 + 1, T0 + 1000, T0 + 2000)
    assert database.run(retention.remove_old, T0 + 10 * MONTH, 10).watches == 0
    database.record(revision(1, "settled", T0 + 3000), audience=audience(1), now=T0 + 3000)
    again = T0 + 5 * MONTH
    database.record(revision(2, at=again), audience=audience(1), now=again)
    stand(database, again)
    known = database.run(watches.watched, again)
    assert database.run(retention.remove_old, again, 10).watches == 3
    assert database.run(watches.watched, again)[Duty.REMINDERS].unwatched == (
        known[Duty.REMINDERS].unwatched
    )
    assert database.run(retention.remove_old, T0 + 99 * MONTH, 10).watches == 0
    assert database.run(watches.last_seen) == again


# --- the file -------------------------------------------------------------------------------------


def test_nothing_is_left_in_the_file(database: Database) -> None:
    cases = [mediated(database, number) for number in (1, 2, 3)]
    close(database, *cases)
    wraps = [f"SEALED{number}." for number in (1, 2)]
    for case in cases[:2]:
        empty(database, case)
    gone, kept = words_of(1) + words_of(2) + wraps, [*words_of(3), "SEALED3."]
    assert found(database.path, gone), "the log still has them"
    assert free_space.rewrite(database.path) is True
    assert found(database.path, gone) == []
    assert found(database.path, kept) == kept
    assert database.rows("PRAGMA integrity_check") == [("ok",)]


def test_a_large_file_is_not_written_again(database: Database) -> None:
    case = mediated(database, 1)
    close(database, case)
    empty(database, case)
    assert free_space.rewrite(database.path, largest=1000) is False
    assert found(database.path, ["WORD1A"]) == [], "its log is empty all the same"


def test_somebody_who_reads_is_not_disturbed(database: Database) -> None:
    case = mediated(database, 1)
    close(database, case)
    reader = reference.connect(database.path)
    reader.execute("BEGIN").close()
    query = "SELECT count(*) FROM mediation_messages WHERE content != ''"
    assert reader.execute(query).fetchall() == [(4,)]
    empty(database, case)
    assert free_space.rewrite(database.path, patience_ms=10) is False
    assert reader.execute(query).fetchall() == [(4,)]
    reader.close()
    assert free_space.rewrite(database.path, patience_ms=10) is True
    assert RELAY in {relay for (relay,) in database.rows("SELECT relay FROM outbox_targets")}
