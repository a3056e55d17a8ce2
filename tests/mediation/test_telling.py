"""What solvers are told of a mediation: to whom, once, with which words, and what is kept."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from nostr_sdk import Keys
from structlog.testing import capture_logs
from tests.store.mediation_rig import (
    ADDRESS,
    BUYER,
    LABEL,
    PINS,
    SELLER,
    Talk,
    inner,
    new_session,
    opened,
    rationale,
    session_id,
)
from tests.store.mediation_rig import hold as held
from tests.store.rig import T0, Database, audience, dispute_id, key, revision

from serbero.intake.announcing import Audience, Kind, Message, announce
from serbero.mediation import briefing, telling
from serbero.mediation.policy import Deliver, decide_summary, quote
from serbero.mediation.telling import Told
from serbero.messages import handover
from serbero.messages.party import Language, question
from serbero.model.lifecycle import DisputeStatus
from serbero.model.mediation import AuditKind, SessionState, Trigger, VerdictDecision
from serbero.model.notification import NotificationType, Purpose, Urgency
from serbero.model.party import Party
from serbero.model.people import Permission, Solver, Via
from serbero.model.reasoning import Classification, Summary
from serbero.model.texts import Fixed
from serbero.nostr.keys import npub
from serbero.nostr.rumor import direct_message
from serbero.nostr.wrap import gift_wrap
from serbero.store import (
    briefs,
    disputes,
    escalations,
    mediation_events,
    session_messages,
    session_moves,
    start_events,
    summaries,
    transcripts,
)
from serbero.store.escalations import Handoff
from serbero.store.mediation_events import Label, Report
from serbero.store.session_messages import Question
from serbero.store.session_moves import EndCause
from serbero.store.summaries import StoredSummary

D1: Final = dispute_id(1)
S1: Final = session_id(1)
NOW: Final = T0 + 600
# The x coordinate of 1·G: a real key, which other notations need.
REAL: Final = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"

WRITER: Final = Solver(typed=npub(REAL), hex=REAL, permission=Permission.WRITE)
READER: Final = Solver(typed=key(2).upper(), hex=key(2))
BOTH_WAYS: Final = Solver(typed=key(5), hex=key(5), permission=Permission.WRITE, via=Via.BOTH)
BROKEN: Final = Solver(
    typed="npub1nonsense", hex=None, problem="expected a key", permission=Permission.WRITE
)
PEOPLE: Final = audience((WRITER, READER, BROKEN))
NOBODY: Final = audience(())
UNREACHABLE: Final = audience((BROKEN,))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    file = Database(tmp_path / "serbero.db")
    yield file
    file.close()


def sent(database: Database, purpose: Purpose) -> dict[str, str]:
    """What each recipient of a message is told."""
    rows = database.rows(
        "SELECT recipient, rumor_json FROM outbox WHERE purpose = ? ORDER BY id", purpose.value
    )
    return {recipient: json.loads(rumor)["content"] for recipient, rumor in rows}


def details(database: Database, purpose: Purpose) -> set[tuple[Any, ...]]:
    return set(
        database.rows(
            "SELECT recipient_typed, channel, notif_type, urgency, session_id, deadline_at"
            " FROM outbox WHERE purpose = ?",
            purpose.value,
        )
    )


def failed(database: Database) -> list[tuple[Any, ...]]:
    return database.rows(
        "SELECT solver_pubkey, notif_type, error_message, sent_at FROM notifications"
        " WHERE status = 'failed' ORDER BY id"
    )


def assign(database: Database, solver: str | None) -> None:
    database.run(disputes.set_assigned_solver, D1, solver)


def warned(logs: list[Any]) -> list[str]:
    return [each["event"] for each in logs if each["log_level"] == "warning"]


# --- escalations --------------------------------------------------------------------------------


def escalate(tx: sa.Connection, to: Audience, session: str | None = S1, at: int = NOW) -> int:
    return telling.tell_escalated(tx, to, D1, Trigger.ROUND_LIMIT, at * 1000, session_id=session)


def test_a_session_goes_to_everybody_when_nobody_has_the_dispute(database: Database) -> None:
    opened(database)
    assert database.run(escalate, PEOPLE) == 2
    text = handover.session_escalated(S1, D1, Trigger.ROUND_LIMIT).text
    assert sent(database, Purpose.MEDIATION_ESCALATION) == {REAL: text, key(2): text}
    recommended = "mediation_escalation_recommended"
    until = NOW + 86_400
    assert details(database, Purpose.MEDIATION_ESCALATION) == {
        (npub(REAL), "nip17", recommended, Urgency.ALERT, S1, until),
        (key(2).upper(), "nip17", recommended, Urgency.ALERT, S1, until),
    }
    assert failed(database) == [
        ("npub1nonsense", recommended, "invalid pubkey: expected a key", NOW)
    ]


@pytest.mark.parametrize(
    ("assigned", "recipients", "warnings"),
    [
        (None, {REAL, key(2)}, []),
        (PEOPLE.sender, {REAL, key(2)}, []),
        (REAL, {REAL}, []),
        (npub(REAL), {REAL}, []),
        (REAL.upper(), {REAL}, []),
        (key(2), {key(2)}, []),
        (key(9), {REAL, key(2)}, ["assigned_solver_unknown"]),
    ],
)
def test_whoever_has_the_dispute_is_told_alone(
    database: Database, assigned: str | None, recipients: set[str], warnings: list[str]
) -> None:
    opened(database)
    assign(database, assigned)
    with capture_logs() as logs:
        assert database.run(escalate, PEOPLE) == len(recipients)
    assert set(sent(database, Purpose.MEDIATION_ESCALATION)) == recipients
    assert warned(logs) == warnings
    alone = len(recipients) == 1
    assert len(failed(database)) == (0 if alone else 1)


def test_before_any_take_everybody_is_told_whoever_has_it(database: Database) -> None:
    held(database)
    assign(database, REAL)
    assert database.run(escalate, PEOPLE, None) == 2
    text = handover.escalated_before_take(D1, Trigger.ROUND_LIMIT).text
    assert sent(database, Purpose.MEDIATION_ESCALATION) == {REAL: text, key(2): text}
    assert {row[4] for row in details(database, Purpose.MEDIATION_ESCALATION)} == {None}


@pytest.mark.parametrize("session", [S1, None])
def test_an_escalation_is_told_once(database: Database, session: str | None) -> None:
    opened(database)
    assert database.run(escalate, PEOPLE, session) == 2
    before = database.dump()
    assert database.run(escalate, PEOPLE, session, NOW + 60) == 0
    wider = audience((*PEOPLE.solvers, BOTH_WAYS))
    assert database.run(escalate, wider, session, NOW + 60) == 0
    assert database.dump() == before


def test_another_session_of_the_dispute_is_another_escalation(database: Database) -> None:
    opened(database)
    assert database.run(escalate, PEOPLE) == 2
    assert database.run(escalate, PEOPLE, session_id(2), NOW + 60) == 2


def test_two_channels_carry_one_message(database: Database) -> None:
    opened(database)
    assert database.run(escalate, audience((BOTH_WAYS,))) == 2
    rows = database.rows("SELECT DISTINCT rumor_id FROM outbox WHERE recipient = ?", key(5))
    assert len(rows) == 1


@pytest.mark.parametrize("session", [S1, None])
def test_nobody_to_tell_is_said_to_the_operator(database: Database, session: str | None) -> None:
    opened(database)
    with capture_logs() as logs:
        assert database.run(escalate, NOBODY, session) == 0
    assert warned(logs) == ["no_solver_to_tell"]
    assert failed(database) == []


def test_a_dispute_that_is_not_there_is_told_to_nobody(database: Database) -> None:
    with capture_logs() as logs:
        assert database.run(escalate, PEOPLE) == 0
    assert warned(logs)[0] == "dispute_unknown"
    assert sent(database, Purpose.MEDIATION_ESCALATION) == {}


def test_a_message_of_another_dispute_opens_another_thread(database: Database) -> None:
    database.record(revision(1), audience=audience((WRITER,)))
    held(database, 2)
    database.run(escalate, audience((WRITER,)), None)
    [[first]] = database.rows(
        "SELECT rumor_id FROM outbox WHERE purpose = 'initial' AND dispute_id = ?", D1
    )
    [[rumor]] = database.rows(
        "SELECT rumor_json FROM outbox WHERE purpose = ?", Purpose.MEDIATION_ESCALATION.value
    )
    tags = json.loads(rumor)["tags"]
    assert ["e", first, "", "root"] in tags
    assert ["subject", f"Dispute {D1[:8]}"] in tags


# --- summaries ----------------------------------------------------------------------------------

BODY: Final = "The buyer says that the payment was sent. The seller has not seen it yet."
STEP: Final = "Compare the receipt with the bank statement."


def released(body: str = BODY, step: str = STEP) -> Deliver:
    decided = decide_summary(Summary(body=body, next_step=step, rationale=""))
    assert isinstance(decided, Deliver)
    return decided


def summarized(database: Database) -> StoredSummary:
    session = opened(database)
    Talk(database, session).hears(BUYER)
    for step in (SessionState.CLASSIFIED, SessionState.SUMMARY_PENDING):
        database.run(session_moves.advance, session, step, NOW)
    stored = database.run(summaries.save, session, LABEL, BODY, STEP, rationale(D1, session), NOW)
    assert stored is not None
    return stored


def tell_summary(database: Database, to: Audience, stored: StoredSummary) -> Told:
    words = released()
    return database.run(telling.tell_summary, to, stored, words.body, words.next_step, NOW * 1000)


def test_a_summary(database: Database) -> None:
    stored = summarized(database)
    assert tell_summary(database, PEOPLE, stored) == Told(configured=3, enqueued=2)
    text = (
        f"Mediation summary for dispute {D1}\n"
        f"session: {S1}\n"
        "classification: coordination_failure_resolvable (confidence 0.80)\n\n"
        "The buyer says that the payment was sent. The seller has not seen it yet.\n\n"
        "Suggested next step: Compare the receipt with the bank statement.\n\n"
        "Serbero assists; the decision is yours."
    )
    assert sent(database, Purpose.MEDIATION_SUMMARY) == {REAL: text, key(2): text}
    assert {row[2:5] for row in details(database, Purpose.MEDIATION_SUMMARY)} == {
        ("mediation_summary", Urgency.NOTICE, S1)
    }
    assert [row[:2] for row in failed(database)] == [("npub1nonsense", "mediation_summary")]


def test_a_summary_goes_to_whoever_has_the_dispute(database: Database) -> None:
    stored = summarized(database)
    assign(database, REAL)
    assert tell_summary(database, PEOPLE, stored) == Told(configured=1, enqueued=1)
    assert set(sent(database, Purpose.MEDIATION_SUMMARY)) == {REAL}


def test_telling_a_summary_again_changes_nothing_and_fails_nothing(database: Database) -> None:
    stored = summarized(database)
    tell_summary(database, PEOPLE, stored)
    before = database.dump()
    assert tell_summary(database, PEOPLE, stored) == Told(configured=3, enqueued=2)
    assert database.dump() == before


def test_a_summary_nobody_can_be_told(database: Database) -> None:
    stored = summarized(database)
    assert tell_summary(database, NOBODY, stored) == Told(configured=0, enqueued=0)
    assert failed(database) == []
    assert tell_summary(database, UNREACHABLE, stored) == Told(configured=1, enqueued=0)
    assert [row[:2] for row in failed(database)] == [("npub1nonsense", "mediation_summary")]


# --- the final report ---------------------------------------------------------------------------


def tell_report(
    database: Database,
    to: Audience = PEOPLE,
    status: DisputeStatus = DisputeStatus.SETTLED,
    at: int = NOW,
) -> bool:
    return database.run(telling.tell_report, to, D1, status, at * 1000)


def reports(database: Database) -> list[tuple[Any, ...]]:
    return database.rows(
        "SELECT session_id, payload_json, occurred_at FROM mediation_events WHERE kind = ?",
        AuditKind.RESOLVED_EXTERNALLY_REPORTED.value,
    )


def end(database: Database, cause: EndCause = EndCause.RESOLVED) -> None:
    database.run(session_moves.end_sessions, D1, cause, NOW, event_id="ee" * 32, status="settled")


def test_a_report_of_a_session(database: Database) -> None:
    opened(database)
    end(database)
    assert tell_report(database)
    narrative = (
        "Dispute closed with final status `settled`. "
        f"Session {S1} was in state `closed`. "
        "Serbero's last recorded classification was `coordination_failure_resolvable` "
        "(confidence 0.80). "
        "Serbero messaged both parties before the dispute was resolved externally."
    )
    text = (
        "mediation_resolution_report/v1\n"
        f"Dispute: {D1}\n"
        f"Session: {S1}\n"
        "Classification: coordination_failure_resolvable (confidence 0.80)\n"
        "Outbound party messages: 2\n"
        "Final dispute status: settled\n\n" + narrative
    )
    assert sent(database, Purpose.RESOLUTION_REPORT) == {REAL: text, key(2): text}
    assert {row[2:5] for row in details(database, Purpose.RESOLUTION_REPORT)} == {
        ("mediation_resolution_report", Urgency.NOTICE, S1)
    }
    [[session, payload, at]] = reports(database)
    assert (session, at) == (S1, NOW)
    assert json.loads(payload) == {
        "classification": "coordination_failure_resolvable",
        "confidence": 0.8,
        "dispute_id": D1,
        "final_dispute_status": "settled",
        "narrative": narrative,
        "outbound_party_messages_count": 2,
        "session_id": S1,
    }


def test_a_report_without_a_session(database: Database) -> None:
    database.record(revision(1), audience=audience(0))
    label = Label(Classification.SUSPECTED_FRAUD, 0.666)
    database.run(
        start_events.reasoning_verdict,
        D1,
        VerdictDecision.ESCALATE,
        label,
        T0,
        pins=PINS,
        rationale_id=None,
        trigger=Trigger.FRAUD_INDICATOR,
    )
    assert tell_report(database, status=DisputeStatus.COOPERATIVELY_CANCELED)
    text = sent(database, Purpose.RESOLUTION_REPORT)[REAL]
    assert text == (
        "mediation_resolution_report/v1\n"
        f"Dispute: {D1}\n"
        "Session: <none \u2014 dispute-scoped handoff>\n"
        "Classification: suspected_fraud (confidence 0.67)\n"
        "Outbound party messages: 0\n"
        "Final dispute status: cooperatively-canceled\n\n"
        "Dispute closed with final status `cooperatively-canceled`. "
        "No mediation session was opened \u2014 the reasoning verdict recommended escalation "
        "before any take was issued. "
        "Serbero's last recorded classification was `suspected_fraud` (confidence 0.67). "
        "No outbound party-facing messages were dispatched."
    )
    [[session, payload, _]] = reports(database)
    assert session is None
    assert json.loads(payload)["session_id"] is None


def test_nothing_of_substance_is_not_reported(database: Database) -> None:
    database.record(revision(1), audience=audience(0))
    before = database.dump()
    assert not tell_report(database)
    assert database.dump() == before


@pytest.mark.parametrize("with_session", [True, False])
def test_a_dispute_is_reported_once(database: Database, with_session: bool) -> None:
    if with_session:
        opened(database)
        end(database)
    else:
        held(database)
    assert tell_report(database)
    before = database.dump()
    for status in (DisputeStatus.SETTLED, DisputeStatus.RELEASED):
        assert not tell_report(database, status=status, at=NOW + 60)
    assert database.dump() == before


@pytest.mark.parametrize("session", [None, S1])
def test_a_report_that_is_on_record_already_is_not_told_again(
    database: Database, session: str | None
) -> None:
    """Such as the reference leaves: the outbox knows nothing of it."""
    opened(database)
    told = Report(D1, session, "settled", "told", 2, LABEL)
    database.run(mediation_events.resolved_externally_reported, told, NOW)
    assert not tell_report(database)
    assert sent(database, Purpose.RESOLUTION_REPORT) == {}


def test_a_report_before_a_later_session_counts(database: Database) -> None:
    opened(database)
    end(database)
    assert tell_report(database)
    database.run(session_moves.open_session, new_session(D1, 2), NOW + 60)
    assert not tell_report(database, at=NOW + 120)


def test_a_report_goes_to_whoever_has_the_dispute(database: Database) -> None:
    opened(database)
    assign(database, REAL)
    assert tell_report(database)
    assert set(sent(database, Purpose.RESOLUTION_REPORT)) == {REAL}


def test_a_report_nobody_can_be_told_is_kept_all_the_same(database: Database) -> None:
    opened(database)
    with capture_logs() as logs:
        assert tell_report(database, NOBODY)
    assert warned(logs) == ["no_solver_to_tell"]
    assert len(reports(database)) == 1


def test_a_report_is_undone_with_its_resolution(database: Database) -> None:
    opened(database)
    before = database.dump()

    def crash(tx: sa.Connection) -> None:
        assert telling.tell_report(tx, PEOPLE, D1, DisputeStatus.SETTLED, NOW * 1000)
        raise RuntimeError("crash")

    with pytest.raises(RuntimeError):
        database.run(crash)
    assert database.dump() == before


# --- the brief ----------------------------------------------------------------------------------

HEAD: Final = (
    f"Mediation brief for dispute {D1}\n"
    f"session: {S1}\n\n"
    "A person has taken this dispute. Serbero asked the parties before that, in a chat that only "
    'Serbero can read, so it is quoted here. Lines that begin with ">" are quoted: what they say '
    "is not checked. Keys, payment addresses and links are taken out.\n\n"
)
END: Final = (
    "\n\nSerbero writes nothing more to the parties.\nSerbero assists; the decision is yours."
)
WRITERS: Final = audience((WRITER, READER, BROKEN, BOTH_WAYS))


def write_brief(tx: sa.Connection, to: Audience, session: str, at: int) -> int:
    """What a takeover and the part of the daemon that writes its brief do, in one go."""
    briefing.owe(tx, session, at * 1000)
    told = 0
    for owed in briefs.owed(tx, 10):
        said = transcripts.excerpt(tx, owed.session_id, upto=owed.upto, each=handover.MOST_OF_EACH)
        steps = briefing.composing(owed, said)
        text: Any = None
        while text is None:
            try:
                next(steps)
            except StopIteration as done:
                text = done.value
        told += briefing.enqueue(tx, to, owed, text, at * 1000)
    return told


def brief(database: Database, to: Audience = WRITERS, session: str = S1, at: int = NOW) -> int:
    return database.run(write_brief, to, session, at)


def briefed(database: Database) -> str:
    """What a writer is told; every writer is told the same."""
    assert brief(database) == 3
    [text] = set(sent(database, Purpose.MEDIATION_BRIEF).values())
    return text


def put(database: Database, number: int, words: str, at: int) -> None:
    """A pair as it is really stored: in its frame."""
    asked = {
        party: Question(
            ADDRESS[party],
            inner(S1, "asked", number, party),
            at,
            question(party, Fixed(words), Language.SPANISH, number).text,
        )
        for party in Party
    }
    assert database.run(session_messages.put_pair, S1, asked, at) is not None


def arrive(database: Database, *asked: str, at: int = T0) -> None:
    """Relays took what was asked."""
    for each in asked:
        assert database.run(session_messages.mark_sent, S1, each, "oo" * 32, at)


def reached(database: Database) -> None:
    arrive(database, *(inner(S1, "question", 1, party) for party in Party))


def test_a_brief(database: Database) -> None:
    opened(database)
    reached(database)
    talk = Talk(database, S1)
    talk.hears(BUYER, T0 + 60, words="I paid on Monday.\nReference 12.")
    talk.hears(SELLER, T0 + 120, words="attachment: image/png, proof.png, 2048 bytes")
    put(database, 1, "When?", T0 + 300)
    arrive(database, inner(S1, "asked", 1, BUYER), at=T0 + 301)
    end(database, EndCause.TAKEN_BY_HUMAN)
    talk.hears(SELLER, T0 + 400, words="Late words")
    assert briefed(database) == (
        HEAD + "2026-01-01 00:00 UTC, Serbero to the buyer:\n"
        "> buyer 1?\n\n"
        "2026-01-01 00:00 UTC, Serbero to the seller:\n"
        "> seller 1?\n\n"
        "2026-01-01 00:01 UTC, the buyer:\n"
        "> I paid on Monday.\n"
        "> Reference 12.\n\n"
        "2026-01-01 00:02 UTC, the seller:\n"
        "> attachment: image/png, proof.png, 2048 bytes\n\n"
        "2026-01-01 00:05 UTC, Serbero to the buyer:\n"
        "> Round 1. Buyer: When?\n\n"
        "2026-01-01 00:05 UTC, Serbero to the seller (it may not have arrived):\n"
        "> Round 1. Seller: When?\n\n"
        "2026-01-01 00:06 UTC, the seller (Serbero did not take this into account):\n"
        "> Late words" + END
    )
    assert set(sent(database, Purpose.MEDIATION_BRIEF)) == {REAL, key(5)}
    assert {row[2:5] for row in details(database, Purpose.MEDIATION_BRIEF)} == {
        ("mediation_escalation_recommended", Urgency.NOTICE, S1)
    }
    assert [row[0] for row in failed(database)] == ["npub1nonsense"]


def test_a_brief_of_a_session_that_was_escalated(database: Database) -> None:
    opened(database)
    reached(database)
    database.run(escalations.escalate_session, S1, Handoff(Trigger.LOW_CONFIDENCE), NOW)
    end(database, EndCause.TAKEN_BY_HUMAN)
    text = briefed(database)
    assert text.startswith(HEAD)
    assert "> seller 1?" in text


def test_a_brief_is_told_once_a_session(database: Database) -> None:
    opened(database)
    assert brief(database) == 3
    before = database.dump()
    Talk(database, S1).hears(BUYER)
    between = database.dump()
    assert brief(database, at=NOW + 60) == 0
    assert brief(database, audience((Solver(key(7), key(7), permission=Permission.WRITE),))) == 0
    assert database.dump() == between != before


def test_readers_are_not_briefed(database: Database) -> None:
    opened(database)
    with capture_logs() as logs:
        assert brief(database, audience((READER,))) == 0
    assert warned(logs) == ["no_solver_to_tell"]
    assert failed(database) == []


def test_no_brief_where_nobody_was_asked(database: Database) -> None:
    held(database)
    database.run(session_moves.open_session, new_session(D1, 1), T0)
    before = database.dump()
    assert brief(database) == 0
    assert brief(database, session=session_id(9)) == 0
    assert database.dump() == before


INVOICE: Final = "lnbc2500u1pvjluezpp5qqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqqqsyqcyq5rqwzqfqypq"


@pytest.mark.parametrize(
    ("words", "quoted"),
    [
        (
            "Hi\n\n2026-01-01 00:09 UTC, the seller:\n> I got the money" + END,
            "> Hi\n>\n> 2026-01-01 00:09 UTC, the seller:\n> > I got the money\n>\n"
            "> Serbero writes nothing more to the parties.\n"
            "> Serbero assists; the decision is yours.",
        ),
        (
            "Hi\u2028Serbero: he admits it\rSerbero: all of it",
            "> Hi\n> Serbero: he admits it\n> Serbero: all of it",
        ),
        (f"pay {INVOICE}", "> pay [payment address removed]"),
        ("see https://evil.example/x now", "> see [link removed] now"),
        (f"key {REAL} mine", "> key [key removed] mine"),
        (f"key {npub(REAL)} mine", "> key [key removed] mine"),
        ("{words} %s {0} \u202eback", "> {words} %s {0} back"),
        ("Release the funds!", "> Release the funds!"),
        (
            '{"type":"image_encrypted","blossom_url":"https://evil.example/f","filename":"a.png",'
            '"mime_type":"image/png","original_size":12,"key":"' + key(3) + '"}',
            "> attachment: image/png, a.png, 12 bytes",
        ),
        ("\u200b", ">"),
    ],
)
def test_hostile_words_are_quoted_and_harmless(database: Database, words: str, quoted: str) -> None:
    opened(database)
    reached(database)
    Talk(database, S1).hears(BUYER, T0 + 60, words=words)
    with capture_logs() as logs:
        text = briefed(database)
    assert text == (
        HEAD + "2026-01-01 00:00 UTC, Serbero to the buyer:\n"
        "> buyer 1?\n\n"
        "2026-01-01 00:00 UTC, Serbero to the seller:\n"
        "> seller 1?\n\n"
        "2026-01-01 00:01 UTC, the buyer:\n" + quoted + END
    )
    assert logs == []


def test_no_key_of_a_party_is_ever_told(database: Database) -> None:
    """Neither those we know nor those somebody writes down, in whatever notation."""
    stored = summarized(database)
    talk = Talk(database, S1)
    written = [REAL, npub(REAL), *ADDRESS.values()]
    for each in written:
        for words in (f"my key is {each}, ok", f"({each.upper()})", f"{each[:32]} {each[32:]}"):
            talk.hears(SELLER, T0 + 60, words=words)
    tell_summary(database, WRITERS, stored)
    database.run(escalate, WRITERS)
    database.run(escalate, WRITERS, None)
    brief(database)
    tell_report(database, WRITERS)
    told = [
        json.loads(rumor)["content"]
        for (rumor,) in database.rows("SELECT rumor_json FROM outbox WHERE purpose <> 'initial'")
    ]
    assert len(told) == 4 + 4 + 4 + 3 + 4
    for text in told:
        letters = "".join(filter(str.isalnum, text.lower()))
        assert not [each for each in (*written, key(3), key(4)) if each in letters]


def test_clocks_of_parties_deceive_nobody(database: Database) -> None:
    opened(database)
    reached(database)
    talk = Talk(database, S1)
    talk.hears(BUYER, T0 + 60, at=4_102_444_800, words="from 2100")
    talk.hears(SELLER, T0 + 7_200, at=T0 + 30, words="kept back")
    text = briefed(database)
    assert text.endswith(
        "2026-01-01 00:00 UTC, the seller, received 2026-01-01 02:00 UTC:\n"
        "> kept back\n\n"
        "2026-01-01 00:01 UTC, the buyer:\n"
        "> from 2100" + END
    )


@pytest.mark.parametrize(
    "flood", ["I have waited long. " * 70, "\U0001f4a5" * 2_000, 'a"\\\n' * 300, "hm"]
)
def test_one_who_writes_much_crowds_out_nobody(database: Database, flood: str) -> None:
    opened(database)
    reached(database)
    talk = Talk(database, S1)
    for number in range(1, 16):
        talk.hears(SELLER, T0 + number, words=f"seller's statement {number}.")
    for number in range(1, 201):
        talk.hears(BUYER, T0 + 100 + number, words=f"{number}. {flood}")
    text = briefed(database)
    assert all(f"> seller's statement {number}.\n" in text for number in range(1, 16))
    assert "> buyer 1?" in text
    assert "> 200. " in text
    shown = text.count("UTC, the buyer:")
    assert 0 < shown <= handover.MOST_OF_EACH
    assert (
        "\n\nOlder messages left out to keep this short: 0 of Serbero, "
        f"{200 - shown} of the buyer, 0 of the seller." + END
    ) in text
    assert len(text.encode()) < 14_000


def test_the_longest_brief_fits_a_relay(database: Database) -> None:
    opened(database)
    talk = Talk(database, S1)
    for number in range(1, 61):
        for party in Party:
            talk.hears(party, T0 + number, words=f'{number} "\\' + '\u20ac"\\\n' * 100)
    text = briefed(database)
    assert len(text.encode()) > 8_000
    ours, theirs = Keys.generate(), Keys.generate()
    rumor = direct_message(
        sender=ours.public_key().to_hex(),
        recipient=theirs.public_key().to_hex(),
        text=text,
        created_at=NOW,
        subject="Dispute 12345678",
        root="ab" * 32,
    )
    wrapped = gift_wrap(ours, theirs.public_key().to_hex(), rumor.json, expires_at=2**31)
    assert len(wrapped.json) < 32_000


# --- the guard ----------------------------------------------------------------------------------


def test_words_nobody_vetted_are_not_enqueued(database: Database) -> None:
    """Each line needs its ignore, or the type checker reports the ignore as unused."""
    stored = summarized(database)
    before = database.dump()
    kind = Kind(Purpose.MEDIATION_BRIEF, NotificationType.MEDIATION_SUMMARY, Urgency.NOTICE)
    with pytest.raises(TypeError, match="only fixed and vetted words"):
        database.run(announce, PEOPLE, Message(kind, D1, "a", "release the funds"), NOW)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="only fixed and vetted words"):
        database.run(announce, PEOPLE, Message(kind, D1, "a", quote("Hi")), NOW)  # type: ignore[arg-type]
    step = released().next_step
    with pytest.raises(TypeError, match="only fixed and vetted words"):
        database.run(telling.tell_summary, PEOPLE, stored, stored.body, step, NOW)  # type: ignore[arg-type]
    assert database.dump() == before
