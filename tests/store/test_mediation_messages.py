"""Words of a session: pairs before they are sent, arrivals once, rounds, markers, transcripts."""

from dataclasses import replace

import pytest
from tests.store.mediation_rig import (
    ADDRESS,
    BUYER,
    LABEL,
    PINS,
    SELLER,
    Talk,
    inner,
    kinds,
    opened,
    pair,
    rationale,
    state,
)
from tests.store.rig import T0, Database, dispute_id

from serbero.model.mediation import SessionState, Trigger
from serbero.model.party import Party
from serbero.store import (
    escalations,
    evaluations,
    session_messages,
    session_moves,
    sessions,
    transcripts,
)
from serbero.store.escalations import Handoff
from serbero.store.session_messages import Intake, Put
from serbero.store.sessions import Session


@pytest.fixture
def talk(database: Database) -> Talk:
    return Talk(database, opened(database))


def now_of(talk: Talk) -> Session:
    found = talk.database.run(sessions.load, talk.session)
    assert found is not None
    return found


def formula(talk: Talk) -> int:
    """The reference's own words."""
    return int(
        talk.database.one(
            "SELECT min((SELECT count(*) FROM mediation_messages WHERE session_id = ?1 AND"
            " direction = 'inbound' AND stale = 0 AND party = 'buyer'), (SELECT count(*) FROM"
            " mediation_messages WHERE session_id = ?1 AND direction = 'inbound' AND stale = 0"
            " AND party = 'seller'))",
            talk.session,
        )
    )


def test_a_pair_is_stored_with_pins_before_it_is_sent(talk: Talk) -> None:
    rows = talk.database.rows(
        "SELECT direction, party, shared_pubkey, inner_event_id, outer_event_id, content,"
        " prompt_bundle_id, policy_hash, stale FROM mediation_messages ORDER BY id"
    )
    assert rows == [
        (
            "outbound",
            party,
            ADDRESS[party],
            pair(talk.session, 1)[party].inner_id,
            None,
            f"{party} 1?",
            PINS.bundle_id,
            PINS.policy_hash,
            0,
        )
        for party in Party
    ]
    assert "outbound_sent" not in kinds(talk.database, talk.session)


def test_sent_is_told_once_whatever_envelope_came_first(talk: Talk) -> None:
    question = pair(talk.session, 1)[BUYER]
    first = (talk.session, question.inner_id, "f1" * 32, T0 + 3)
    assert now_of(talk).buyer.reached_at is None
    assert talk.database.run(session_messages.mark_sent, *first)
    second = (talk.session, question.inner_id, "f2" * 32, T0 + 4)
    assert not talk.database.run(session_messages.mark_sent, *second)
    assert not talk.database.run(session_messages.mark_sent, talk.session, "unknown", "f3", T0)
    assert kinds(talk.database, talk.session)[-1] == "outbound_sent"
    assert kinds(talk.database, talk.session).count("outbound_sent") == 1
    assert (
        talk.database.one("SELECT payload_json FROM mediation_events WHERE kind = 'outbound_sent'")
        == f'{{"inner_event_id":"{question.inner_id}","shared_pubkey":"{ADDRESS[BUYER]}"}}'
    )
    now = now_of(talk)
    assert (now.buyer.reached_at, now.seller.reached_at) == (T0 + 3, None)


def test_a_partys_message_is_not_marked_sent(talk: Talk) -> None:
    talk.hears(BUYER)
    said = talk.message(BUYER).inner_id
    assert not talk.database.run(session_messages.mark_sent, talk.session, said, "f1" * 32, T0)


def test_what_cannot_be_a_pair(talk: Talk) -> None:
    good = pair(talk.session, 2)
    same = {party: replace(good[party], inner_id="aa" * 32) for party in Party}
    blank = good | {SELLER: replace(good[SELLER], text=" \n")}
    before = talk.database.dump()
    for bad in (same, blank):
        with pytest.raises(ValueError, match="question"):
            talk.database.run(session_messages.put_pair, talk.session, bad, T0)
    assert talk.database.dump() == before


@pytest.mark.parametrize("there", SessionState)
def test_only_a_session_that_speaks_puts_questions(talk: Talk, there: SessionState) -> None:
    talk.database.rows("UPDATE mediation_sessions SET state = ? RETURNING 1", there)
    before = talk.database.dump()
    put = talk.database.run(session_messages.put_pair, talk.session, pair(talk.session, 2), T0)
    if there in ("opening", "awaiting_response"):
        assert put is not None
    else:
        assert put is None
        assert talk.database.dump() == before


def test_no_session_no_question(database: Database) -> None:
    assert database.run(session_messages.put_pair, "nobody", pair("nobody", 1), T0) is None


def rows_of(talk: Talk) -> dict[str, list[tuple[object, ...]]]:
    """Everything but the numbers SQLite gave out and how far the file was read."""
    found = talk.database.dump()
    return {
        name: rows for name, rows in found.items() if name not in ("sqlite_sequence", "cursors")
    }


def test_a_message_is_stored_once(talk: Talk) -> None:
    assert talk.hears(BUYER) is Intake.FRESH
    before = rows_of(talk)
    said = talk.message(BUYER)
    for again in (said, replace(said, text="other words", outer_id="aa" * 32)):
        assert talk.database.run(session_messages.take_in, again, T0 + 60, 5) is Intake.DUPLICATE
    talk.database.reopen(T0 + 61)
    assert talk.database.run(session_messages.take_in, said, T0 + 61, 5) is Intake.DUPLICATE
    assert rows_of(talk) == before


def test_a_message_to_no_session(database: Database) -> None:
    assert Talk(database, "nobody").hears(BUYER) is Intake.NO_SESSION
    assert database.one("SELECT count(*) FROM mediation_messages") == 0


def test_rounds_are_the_references(talk: Talk) -> None:
    said = [BUYER, BUYER, BUYER, SELLER, SELLER, BUYER, SELLER, SELLER]
    for number, party in enumerate(said):
        talk.hears(party, T0 + 10 + number)
        assert now_of(talk).round_count == formula(talk)
    assert now_of(talk).round_count == 4
    assert now_of(talk).fresh == len(said)


def test_what_is_dated_before_the_take_is_stale(talk: Talk) -> None:
    """A minute of difference between clocks is allowed."""
    assert talk.hears(BUYER, at=T0 - 60) is Intake.FRESH
    assert talk.hears(BUYER, at=T0 - 61) is Intake.STALE
    assert talk.hears(SELLER, at=T0 + 9) is Intake.FRESH
    now = now_of(talk)
    assert (now.buyer.fresh, now.seller.fresh, now.round_count) == (1, 1, 1)
    assert now.buyer.last_seen == T0 - 60
    assert [line.at for line in talk.database.run(transcripts.fresh, talk.session)] == [
        T0 - 60,
        T0,
        T0,
        T0 + 9,
    ]
    assert len(talk.database.run(transcripts.whole, talk.session)) == 5


def test_an_older_message_that_comes_late_still_counts(talk: Talk) -> None:
    """Relays give them in any order; last seen never goes back."""
    talk.hears(BUYER, T0 + 20, at=T0 + 20)
    assert talk.hears(BUYER, T0 + 21, at=T0 + 12) is Intake.FRESH
    assert now_of(talk).buyer.last_seen == T0 + 20
    assert now_of(talk).buyer.fresh == 2


def test_a_clock_that_is_ahead_is_not_believed(talk: Talk) -> None:
    talk.hears(BUYER, T0 + 20, at=T0 + 4_000_000)
    assert now_of(talk).buyer.last_seen == T0 + 20


def test_what_comes_after_the_end_is_stale(talk: Talk) -> None:
    talk.hears(BUYER)
    handoff = Handoff(Trigger.FRAUD_INDICATOR)
    talk.database.run(escalations.escalate_session, talk.session, handoff, T0 + 11)
    before = now_of(talk)
    assert talk.hears(SELLER, T0 + 12) is Intake.STALE
    assert now_of(talk) == before
    assert talk.database.run(sessions.due_for_evaluation, T0 + 99, 9) == []


def test_words_while_a_summary_is_made_count_and_wake_nobody(talk: Talk) -> None:
    talk.database.run(session_moves.advance, talk.session, SessionState.CLASSIFIED, T0 + 1)
    assert talk.hears(BUYER) is Intake.FRESH
    assert now_of(talk).evaluate_at is None


def test_questions_are_open_until_each_answered(talk: Talk) -> None:
    assert now_of(talk).open_question
    talk.hears(BUYER)
    now = now_of(talk)
    assert (now.buyer.open_question, now.seller.open_question) == (False, True)
    talk.hears(SELLER)
    assert not now_of(talk).open_question
    talk.database.run(session_messages.put_pair, talk.session, pair(talk.session, 2), T0 + 20)
    now = now_of(talk)
    assert (now.buyer.open_question, now.seller.open_question) == (True, True)
    assert (now.buyer.asked_at, now.pairs_put) == (T0 + 20, 2)
    talk.hears(SELLER, T0 + 20, at=T0 - 900)
    assert now_of(talk).seller.open_question, "a stale message answers nothing"
    talk.hears(SELLER, T0 + 20)
    assert not now_of(talk).seller.open_question, "in the second it was put"


def test_a_party_finishes_typing(talk: Talk) -> None:
    """Each message puts the evaluation off, though not for ever."""
    for number in range(3):
        talk.hears(BUYER, T0 + 10 + 2 * number)
    assert now_of(talk).evaluate_at == T0 + 14 + 5
    assert talk.database.run(sessions.due_for_evaluation, T0 + 18, 9) == []
    [due] = talk.database.run(sessions.due_for_evaluation, T0 + 19, 9)
    assert due.session_id == talk.session
    for number in range(40):
        talk.hears(BUYER, T0 + 16 + 2 * number)
    assert now_of(talk).evaluate_at == T0 + 10 + session_messages.LONGEST_SETTLING * 5


def evaluated(talk: Talk, count: int, now: int) -> None:
    said = rationale(dispute_id(1), talk.session, f"evaluation at {now}")
    assert talk.database.run(evaluations.record, talk.session, LABEL, said, now)
    talk.database.run(evaluations.settle, talk.session, count)


def test_nothing_new_nothing_due(talk: Talk) -> None:
    talk.hears(BUYER)
    evaluated(talk, 1, T0 + 20)
    assert talk.database.run(sessions.due_for_evaluation, T0 + 9_999, 9) == []
    assert now_of(talk).evaluations == 1
    talk.hears(BUYER)
    assert [each.evaluated for each in talk.database.run(sessions.due_for_evaluation, T0 + 99, 9)]


def test_what_arrives_during_an_evaluation_stays_due(talk: Talk) -> None:
    talk.hears(BUYER)
    talk.hears(SELLER, T0 + 12)
    evaluated(talk, 1, T0 + 13)
    [due] = talk.database.run(sessions.due_for_evaluation, T0 + 17, 9)
    assert (due.evaluated, due.fresh) == (1, 2)


def test_the_marker_advances_with_the_follow_up_or_not_at_all(talk: Talk) -> None:
    talk.hears(BUYER)
    talk.hears(SELLER)
    talk.database.run(evaluations.fail, talk.session, T0 + 30)

    def follow_up(tx: object, *, fails: bool) -> Put | None:
        put = session_messages.put_pair(tx, talk.session, pair(talk.session, 2), T0 + 31)  # type: ignore[arg-type]
        evaluations.settle(tx, talk.session, 2)  # type: ignore[arg-type]
        if fails:
            raise RuntimeError
        return put

    before = talk.database.dump()
    with pytest.raises(RuntimeError):
        talk.database.run(follow_up, fails=True)
    assert talk.database.dump() == before
    put = talk.database.run(follow_up, fails=False)
    assert put is not None
    assert put.number == 2
    now = now_of(talk)
    assert (now.evaluated, now.failures, now.evaluate_at, now.pairs_put) == (2, 0, None, 2)
    assert state(talk.database, talk.session) == "awaiting_response"
    assert now.last_transition_at == T0 + 31


def test_a_failed_evaluation_is_due_again_by_time(talk: Talk) -> None:
    talk.hears(BUYER)
    assert talk.database.run(evaluations.fail, talk.session, T0 + 50) == 1
    assert talk.database.run(sessions.due_for_evaluation, T0 + 49, 9) == []
    talk.hears(BUYER, T0 + 30)
    assert now_of(talk).evaluate_at == T0 + 50, "more words hurry nothing"
    assert len(talk.database.run(sessions.due_for_evaluation, T0 + 50, 9)) == 1
    assert talk.database.run(evaluations.fail, talk.session, T0 + 110) == 2
    assert talk.database.run(evaluations.fail, talk.session, T0 + 110) == 3
    assert talk.database.run(evaluations.fail, "nobody", T0) == 0


def test_a_failure_after_the_end_wakes_nothing(talk: Talk) -> None:
    talk.hears(BUYER)
    talk.database.run(
        escalations.escalate_session, talk.session, Handoff(Trigger.ROUND_LIMIT), T0 + 1
    )
    talk.database.run(evaluations.fail, talk.session, T0 + 2)
    assert talk.database.run(sessions.next_evaluation_at) is None


def test_the_marker_never_goes_back(talk: Talk) -> None:
    talk.hears(BUYER)
    talk.hears(BUYER)
    talk.database.run(evaluations.settle, talk.session, 2)
    talk.database.run(evaluations.settle, talk.session, 1)
    assert now_of(talk).evaluated == 2


def test_languages_are_remembered(talk: Talk) -> None:
    talk.database.run(evaluations.set_languages, talk.session, {BUYER: "es", SELLER: None})
    talk.database.run(evaluations.set_languages, talk.session, {BUYER: None, SELLER: "pt-br"})
    now = now_of(talk)
    assert (now.buyer.language, now.seller.language) == ("es", "pt-br")


def test_the_transcript_follows_the_authors_clocks(talk: Talk) -> None:
    talk.hears(SELLER, T0 + 30, at=T0 + 25, words="second")
    talk.hears(BUYER, T0 + 31, at=T0 + 20, words="first")
    lines = talk.database.run(transcripts.fresh, talk.session)
    assert [(line.party, line.ours, line.text) for line in lines] == [
        (BUYER, True, "buyer 1?"),
        (SELLER, True, "seller 1?"),
        (BUYER, False, "first"),
        (SELLER, False, "second"),
    ]
    assert "first" not in repr(lines)
    assert talk.database.run(transcripts.fresh, "nobody") == []


def test_one_party_cannot_push_out_the_other(talk: Talk) -> None:
    talk.hears(SELLER, T0 + 5, words="the one thing that matters")
    for number in range(60):
        talk.hears(BUYER, T0 + 10 + number)
    lines = talk.database.run(transcripts.fresh, talk.session)
    assert sum(line.party is BUYER and not line.ours for line in lines) == 40
    assert [line.text for line in lines if line.party is SELLER and not line.ours] == [
        "the one thing that matters"
    ]
    assert lines[-1].at == T0 + 69, "the newest are shown"


def test_a_transcript_as_it_was(talk: Talk) -> None:
    """What a replay shows a model: a late message with an early date was not there."""
    talk.hears(BUYER, T0 + 10)
    then = talk.database.run(transcripts.newest_id, talk.session)
    before = talk.database.run(transcripts.fresh, talk.session)
    talk.hears(SELLER, T0 + 20, at=T0 + 1)
    assert talk.database.run(transcripts.fresh, talk.session, upto=then) == before
    assert talk.database.run(transcripts.newest_id, "nobody") is None


def test_the_same_inner_event_in_two_sessions(database: Database) -> None:
    """Unique within a session, as the reference has it."""
    first, second = Talk(database, opened(database, 1)), Talk(database, opened(database, 2))
    said = first.message(BUYER)
    assert database.run(session_messages.take_in, said, T0, 5) is Intake.FRESH
    other = replace(said, session_id=second.session)
    assert database.run(session_messages.take_in, other, T0, 5) is Intake.FRESH


def test_nothing_of_a_message_is_in_its_event(talk: Talk) -> None:
    talk.hears(BUYER, words="my words")
    assert (
        talk.database.one(
            "SELECT payload_json FROM mediation_events WHERE kind = 'inbound_ingested'"
        )
        == f'{{"inner_event_id":"{inner(talk.session, BUYER, 1)}","party":"buyer","stale":false}}'
    )
    assert "my words" not in repr(talk.message(BUYER, words="my words"))
