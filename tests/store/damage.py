"""Ways to damage the trail of a played story, each with the check that must find it, by its row.

A function changes the database behind a plain connection, as somebody with the file in hand would,
and returns the row that is to be named: None where no single row is meant.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

Story = Literal["escalation", "cooperative"]
Harm = Callable[[Any], object]


@dataclass(frozen=True)
class Damage:
    """One way to damage a database.

    Attributes:
        check: the name of the check that finds it.
        story: in which story's database.
    """

    name: str
    check: str
    harm: Harm
    story: Story


DAMAGES: Final[list[Damage]] = []


def found_by(check: str, story: Story = "escalation") -> Callable[[Harm], Harm]:
    def register(harm: Harm) -> Harm:
        DAMAGES.append(Damage(harm.__name__, check, harm, story))
        return harm

    return register


def one(raw: Any, query: str, *values: object) -> Any:
    row = raw.execute(query, values).fetchone()
    assert row is not None, query
    return row[0]


def change(raw: Any, statement: str, *values: object) -> None:
    assert raw.execute(statement, values).rowcount == 1, statement


def event(raw: Any, kind: str) -> int:
    return int(one(raw, "SELECT min(id) FROM mediation_events WHERE kind = ?", kind))


def payload(raw: Any, row: int, key: str, value: object) -> int:
    """Set one key of an event's payload."""
    change(
        raw,
        "UPDATE mediation_events SET payload_json = json_set(payload_json, '$.' || ?, ?)"
        " WHERE id = ?",
        key,
        value,
        row,
    )
    return row


# --- disputes and their lifecycle ---------------------------------------------------------------


@found_by("dispute words")
def an_unknown_state_of_a_dispute(raw: Any) -> object:
    change(raw, "UPDATE disputes SET lifecycle_state = 'settled'")
    return one(raw, "SELECT dispute_id FROM disputes")


@found_by("last move")
def a_dispute_made_open_again(raw: Any) -> object:
    change(raw, "UPDATE disputes SET lifecycle_state = 'taken'")
    return one(raw, "SELECT dispute_id FROM disputes")


@found_by("lifecycle words")
def a_move_to_nowhere(raw: Any) -> object:
    change(raw, "UPDATE dispute_state_transitions SET to_state = 'gone' WHERE id = 2")
    return 2


@found_by("lifecycle moves")
def an_illegal_move(raw: Any) -> object:
    change(raw, "UPDATE dispute_state_transitions SET to_state = 'waiting' WHERE id = 1")
    return 1


@found_by("lifecycle chain")
def a_move_deleted_from_the_middle(raw: Any) -> object:
    change(raw, "DELETE FROM dispute_state_transitions WHERE id = 3")
    return 4


@found_by("lifecycle times")
def a_move_dated_before_the_one_before_it(raw: Any) -> object:
    change(raw, "UPDATE dispute_state_transitions SET transitioned_at = 99 WHERE id = 4")
    return 4


@found_by("time of the last move")
def a_later_change_of_state(raw: Any) -> object:
    change(raw, "UPDATE disputes SET last_state_change = last_state_change + 9999")
    return one(raw, "SELECT dispute_id FROM disputes")


@found_by("disputes without moves")
def a_dispute_without_a_past(raw: Any) -> object:
    raw.execute("DELETE FROM dispute_state_transitions")
    change(raw, "UPDATE disputes SET lifecycle_state = 'escalated'")
    return one(raw, "SELECT dispute_id FROM disputes")


@found_by("announcements")
def an_announcement_nobody_got(raw: Any) -> object:
    raw.execute(
        "UPDATE notifications SET status = 'failed', error_message = 'x'"
        " WHERE notif_type = 'initial'"
    )
    return 1


@found_by("announced disputes")
def an_announced_dispute_made_new(raw: Any) -> object:
    change(raw, "UPDATE disputes SET lifecycle_state = 'new'")
    return one(raw, "SELECT dispute_id FROM disputes")


@found_by("revisions")
def a_revision_of_another_status(raw: Any) -> object:
    change(raw, "UPDATE revisions SET status = 'initiated'")
    return one(raw, "SELECT dispute_id FROM disputes")


@found_by("dispute status")
def a_dispute_that_ended_otherwise(raw: Any) -> object:
    change(raw, "UPDATE disputes SET dispute_status = 'seller-refunded'")
    return one(raw, "SELECT dispute_id FROM disputes")


@found_by("disputes without revision")
def a_deleted_revision(raw: Any) -> object:
    change(raw, "DELETE FROM revisions")
    return one(raw, "SELECT dispute_id FROM disputes")


@found_by("revisions without dispute")
def a_revision_of_no_dispute(raw: Any) -> object:
    raw.execute(
        "INSERT INTO revisions SELECT 'nobody', event_id, created_at, status,"
        " opening_event_id, opening_created_at, opened_at, applied_at, renotify_cycle"
        " FROM revisions"
    )
    return "nobody"


# --- what solvers were told -----------------------------------------------------------------------


@found_by("notification types")
def a_decision_about_funds(raw: Any) -> object:
    change(raw, "UPDATE notifications SET notif_type = 'admin_settle' WHERE id = 5")
    return 5


@found_by("notification types")
def a_notification_of_unknown_status(raw: Any) -> object:
    change(raw, "UPDATE notifications SET status = 'read' WHERE id = 5")
    return 5


@found_by("notification errors")
def a_failure_made_a_success(raw: Any) -> object:
    change(raw, "UPDATE notifications SET error_message = 'timeout' WHERE id = 4")
    return 4


@found_by("notifications without message")
def a_notification_invented(raw: Any) -> object:
    raw.execute(
        "INSERT INTO notifications (dispute_id, solver_pubkey, sent_at, status, notif_type)"
        " SELECT dispute_id, 'npub1nobody', sent_at, 'sent', 'initial' FROM notifications"
        " ORDER BY id DESC LIMIT 1"
    )
    return one(raw, "SELECT max(id) FROM notifications")


@found_by("messages without notification")
def a_notification_to_somebody_else(raw: Any) -> object:
    change(raw, "UPDATE notifications SET solver_pubkey = 'npub1nobody' WHERE id = 1")
    return one(
        raw,
        "SELECT o.id FROM outbox o WHERE o.notif_type = 'initial' AND NOT EXISTS (SELECT 1 FROM"
        " notifications n WHERE n.solver_pubkey = o.recipient_typed AND n.notif_type = 'initial')",
    )


@found_by("row numbers")
def a_deleted_notification(raw: Any) -> object:
    change(raw, "DELETE FROM notifications WHERE id = 7")
    return 7


@found_by("references")
def a_notification_about_no_dispute(raw: Any) -> object:
    change(raw, "UPDATE notifications SET dispute_id = 'none' WHERE id = 6")
    return 6


# --- takes, ladders, acknowledgements -------------------------------------------------------------


@found_by("takes")
def a_refusal_made_of_a_take(raw: Any) -> object:
    change(raw, "UPDATE takes SET state = 'refused'")
    return 1


@found_by("held disputes")
def a_take_that_never_was(raw: Any) -> object:
    change(raw, "UPDATE takes SET state = 'no_answer'")
    return one(raw, "SELECT dispute_id FROM disputes")


@found_by("ladders")
def a_ladder_nobody_began(raw: Any) -> object:
    change(raw, "DELETE FROM journal WHERE kind = 'ladder_began'")
    return 1


@found_by("steps of ladders")
def a_deleted_step(raw: Any) -> object:
    change(raw, "DELETE FROM ladder_steps WHERE number = 1")
    return 1


@found_by("acknowledgements")
def an_acknowledgement_of_somebody_else(raw: Any) -> object:
    change(raw, "UPDATE acknowledgements SET solver = ?", "ee" * 32)
    return 1


# --- sessions -------------------------------------------------------------------------------------


@found_by("session states")
def an_unknown_state_of_a_session(raw: Any) -> object:
    change(raw, "UPDATE mediation_sessions SET state = 'done'")
    return one(raw, "SELECT session_id FROM mediation_sessions")


@found_by("session beginnings")
def a_session_that_never_began(raw: Any) -> object:
    change(raw, "DELETE FROM mediation_events WHERE kind = 'session_opened'")
    return one(raw, "SELECT session_id FROM mediation_sessions")


@found_by("sessions without take")
def a_take_made_a_failure(raw: Any) -> object:
    payload(raw, event(raw, "take_dispute_issued"), "outcome", "failure")
    return one(raw, "SELECT session_id FROM mediation_sessions")


@found_by("session moves")
def a_session_in_another_state(raw: Any) -> object:
    change(raw, "UPDATE mediation_sessions SET state = 'summary_delivered'")
    return one(raw, "SELECT session_id FROM mediation_sessions")


@found_by("session moves", "cooperative")
def a_move_of_a_session_changed(raw: Any) -> object:
    row = event(raw, "state_transition")
    return payload(raw, row, "to", "closed")


@found_by("sessions of one dispute")
def a_second_session(raw: Any) -> object:
    names = [name for _, name, *_ in raw.execute("PRAGMA table_info(mediation_sessions)")]
    copied = ", ".join(names)
    change(raw, "UPDATE mediation_sessions SET state = 'awaiting_response'")
    values = ", ".join({"session_id": "'zz'"}.get(name, name) for name in names)
    raw.execute(
        f"INSERT INTO mediation_sessions ({copied}) SELECT {values} FROM"  # noqa: S608
        " mediation_sessions"
    )
    return "zz"


@found_by("sessions of closed disputes")
def a_session_that_outlives_its_dispute(raw: Any) -> object:
    change(raw, "UPDATE mediation_sessions SET state = 'escalation_recommended'")
    return one(raw, "SELECT session_id FROM mediation_sessions")


@found_by("waiting disputes")
def a_dispute_that_waits_for_nobody(raw: Any) -> object:
    change(raw, "UPDATE disputes SET lifecycle_state = 'waiting'")
    return one(raw, "SELECT dispute_id FROM disputes")


@found_by("rounds")
def rounds_that_were_not_held(raw: Any) -> object:
    change(raw, "UPDATE mediation_sessions SET round_count = 7")
    return one(raw, "SELECT session_id FROM mediation_sessions")


@found_by("facts of a session")
def pairs_that_were_not_put(raw: Any) -> object:
    change(raw, "UPDATE session_facts SET pairs_put = 5")
    return one(raw, "SELECT session_id FROM mediation_sessions")


@found_by("final reports")
def a_report_deleted(raw: Any) -> object:
    change(raw, "DELETE FROM mediation_events WHERE kind = 'resolved_externally_reported'")
    return one(raw, "SELECT session_id FROM mediation_sessions")


# --- what was said --------------------------------------------------------------------------------


def message(raw: Any, direction: str) -> int:
    query = "SELECT min(id) FROM mediation_messages WHERE direction = ?"
    return int(one(raw, query, direction))


@found_by("message words")
def a_message_of_nobody(raw: Any) -> object:
    row = message(raw, "inbound")
    change(raw, "UPDATE mediation_messages SET party = 'solver' WHERE id = ?", row)
    return row


@found_by("message addresses")
def a_message_given_to_the_other_side(raw: Any) -> object:
    row = message(raw, "inbound")
    change(
        raw,
        "UPDATE mediation_messages SET party = CASE party WHEN 'buyer' THEN 'seller' ELSE 'buyer'"
        " END WHERE id = ?",
        row,
    )
    return row


@found_by("messages stored twice")
def a_message_stored_twice(raw: Any) -> object:
    raw.execute("DROP INDEX uq_mediation_messages_inner_event")
    names = [n for _, n, *_ in raw.execute("PRAGMA table_info(mediation_messages)") if n != "id"]
    copied = ", ".join(names)
    row = message(raw, "inbound")
    raw.execute(
        f"INSERT INTO mediation_messages ({copied}) SELECT {copied} FROM"  # noqa: S608
        " mediation_messages WHERE id = ?",
        (row,),
    )
    return one(raw, "SELECT max(id) FROM mediation_messages")


@found_by("unique indexes")
def a_dropped_index(raw: Any) -> object:
    raw.execute("DROP INDEX idx_escalation_dispatches_handoff")
    return None


@found_by("arrivals")
def a_message_made_stale(raw: Any) -> object:
    row = message(raw, "inbound")
    change(raw, "UPDATE mediation_messages SET stale = 1 WHERE id = ?", row)
    return row


@found_by("questions sent")
def a_question_said_to_be_unsent(raw: Any) -> object:
    row = message(raw, "outbound")
    change(raw, "UPDATE mediation_messages SET outer_event_id = NULL WHERE id = ?", row)
    return row


@found_by("events without message")
def a_deleted_message(raw: Any) -> object:
    row = message(raw, "inbound")
    inner = one(raw, "SELECT inner_event_id FROM mediation_messages WHERE id = ?", row)
    change(raw, "DELETE FROM mediation_messages WHERE id = ?", row)
    return one(
        raw,
        "SELECT id FROM mediation_events WHERE kind = 'inbound_ingested'"
        " AND json_extract(payload_json, '$.inner_event_id') = ?",
        inner,
    )


@found_by("questions in the outbox")
def a_question_without_outbox(raw: Any) -> object:
    row = message(raw, "outbound")
    inner = one(raw, "SELECT inner_event_id FROM mediation_messages WHERE id = ?", row)
    raw.execute("DELETE FROM outbox WHERE rumor_id = ?", (inner,))
    return row


@found_by("messages to parties")
def a_question_of_another_id(raw: Any) -> object:
    row = message(raw, "outbound")
    inner = one(raw, "SELECT inner_event_id FROM mediation_messages WHERE id = ?", row)
    change(raw, "UPDATE mediation_messages SET inner_event_id = ? WHERE id = ?", "77" * 32, row)
    return one(raw, "SELECT min(id) FROM outbox WHERE rumor_id = ?", inner)


@found_by("questions after the end")
def a_question_after_the_end(raw: Any) -> object:
    row = message(raw, "outbound")
    change(
        raw, "UPDATE mediation_messages SET persisted_at = persisted_at + 9999 WHERE id = ?", row
    )
    return row


@found_by("emptied messages")
def words_removed_by_hand(raw: Any) -> object:
    row = message(raw, "outbound")
    change(raw, "UPDATE mediation_messages SET content = '' WHERE id = ?", row)
    return row


# --- payloads -------------------------------------------------------------------------------------


@found_by("payloads")
def a_payload_that_is_no_json(raw: Any) -> object:
    row = event(raw, "session_opened")
    change(raw, "UPDATE mediation_events SET payload_json = '{' WHERE id = ?", row)
    return row


@found_by("journal payloads")
def a_note_that_is_no_object(raw: Any) -> object:
    change(raw, "UPDATE journal SET payload_json = '[]' WHERE id = 2")
    return 2


@found_by("payload keys")
def a_payload_without_a_key(raw: Any) -> object:
    row = event(raw, "classification_produced")
    change(
        raw,
        "UPDATE mediation_events SET payload_json = json_remove(payload_json, '$.confidence')"
        " WHERE id = ?",
        row,
    )
    return row


@found_by("payload keys")
def an_event_of_an_unknown_kind(raw: Any) -> object:
    row = event(raw, "start_attempt_started")
    change(raw, "UPDATE mediation_events SET kind = 'funds_released' WHERE id = ?", row)
    return row


@found_by("hand-off packages")
def a_hand_off_of_other_prompts(raw: Any) -> object:
    return payload(raw, event(raw, "handoff_prepared"), "policy_hash", "00" * 32)


@found_by("triggers")
def a_hand_off_for_another_reason(raw: Any) -> object:
    return payload(raw, event(raw, "handoff_prepared"), "trigger", "party_unresponsive")


@found_by("payload and columns")
def an_event_about_another_dispute(raw: Any) -> object:
    return payload(raw, event(raw, "session_closed"), "dispute_id", "another")


@found_by("places of events")
def an_event_filed_elsewhere(raw: Any) -> object:
    row = event(raw, "reasoning_verdict")
    change(raw, "UPDATE dispute_events SET event_id = event_id - 1 WHERE event_id = ?", row)
    return row - 1


@found_by("events without place")
def an_event_taken_from_its_place(raw: Any) -> object:
    row = event(raw, "reasoning_verdict")
    raw.execute("INSERT OR REPLACE INTO cursors VALUES ('reference_mediation_events', 999)")
    change(raw, "DELETE FROM dispute_events WHERE event_id = ?", row)
    return row


@found_by("labels of sessions")
def another_verdict(raw: Any) -> object:
    change(raw, "UPDATE mediation_sessions SET current_classification = 'suspected_fraud'")
    return one(raw, "SELECT session_id FROM mediation_sessions")


@found_by("labels of summaries", "cooperative")
def a_summary_of_another_label(raw: Any) -> object:
    change(raw, "UPDATE mediation_summaries SET confidence = 0.1")
    return 1


@found_by("words in events")
def words_of_a_party_in_a_payload(raw: Any) -> object:
    words = one(
        raw, "SELECT content FROM mediation_messages WHERE direction = 'inbound' ORDER BY id"
    )
    return payload(raw, event(raw, "session_closed"), "said", words)


@found_by("words in the journal", "cooperative")
def words_of_a_model_in_the_journal(raw: Any) -> object:
    words = one(raw, "SELECT summary_text FROM mediation_summaries")
    row = one(raw, "SELECT min(id) FROM journal WHERE dispute_id IS NOT NULL")
    change(raw, "UPDATE journal SET payload_json = json_object('x', ?) WHERE id = ?", words, row)
    return row


# --- rationales and pins --------------------------------------------------------------------------


@found_by("rationales of events")
def a_rationale_exchanged(raw: Any) -> object:
    row = one(raw, "SELECT max(id) FROM mediation_events WHERE kind = 'classification_produced'")
    other = one(raw, "SELECT rationale_id FROM mediation_events WHERE kind = 'reasoning_verdict'")
    change(raw, "UPDATE mediation_events SET rationale_id = ? WHERE id = ?", other, row)
    return row


@found_by("rationales of events")
def a_deleted_rationale(raw: Any) -> object:
    row = one(raw, "SELECT max(id) FROM mediation_events WHERE kind = 'classification_produced'")
    gone = one(raw, "SELECT rationale_id FROM mediation_events WHERE id = ?", row)
    change(raw, "DELETE FROM reasoning_rationales WHERE rationale_id = ?", gone)
    return row


@found_by("rationales of summaries", "cooperative")
def a_summary_without_reasons(raw: Any) -> object:
    change(raw, "UPDATE mediation_summaries SET rationale_id = NULL")
    return 1


@found_by("owners of rationales")
def a_rationale_of_nobody(raw: Any) -> object:
    row = event(raw, "classification_produced")
    owned = one(raw, "SELECT rationale_id FROM mediation_events WHERE id = ?", row)
    change(raw, "UPDATE reasoning_rationales SET session_id = NULL WHERE rationale_id = ?", owned)
    return row


@found_by("rationales nobody names")
def a_rationale_nobody_names(raw: Any) -> object:
    names = [n for _, n, *_ in raw.execute("PRAGMA table_info(reasoning_rationales)")]
    values = ", ".join({"rationale_id": "'ff'"}.get(name, name) for name in names)
    raw.execute(
        f"INSERT INTO reasoning_rationales SELECT {values} FROM"  # noqa: S608
        " reasoning_rationales LIMIT 1"
    )
    return "ff"


@found_by("texts of rationales")
def a_rationale_rewritten(raw: Any) -> object:
    row = one(raw, "SELECT min(rationale_id) FROM reasoning_rationales")
    change(
        raw,
        "UPDATE reasoning_rationales SET rationale_text = 'The seller is right.'"
        " WHERE rationale_id = ?",
        row,
    )
    return row


@found_by("pins of events")
def an_event_of_other_prompts(raw: Any) -> object:
    row = event(raw, "classification_produced")
    change(raw, "UPDATE mediation_events SET policy_hash = ? WHERE id = ?", "00" * 32, row)
    return row


@found_by("pins before a session")
def a_verdict_without_pins(raw: Any) -> object:
    row = event(raw, "reasoning_verdict")
    change(raw, "UPDATE mediation_events SET policy_hash = NULL WHERE id = ?", row)
    return row


@found_by("pins of messages")
def a_question_of_other_prompts(raw: Any) -> object:
    row = message(raw, "outbound")
    change(raw, "UPDATE mediation_messages SET prompt_bundle_id = 'mine' WHERE id = ?", row)
    return row


@found_by("pins of summaries", "cooperative")
def a_summary_of_other_prompts(raw: Any) -> object:
    change(raw, "UPDATE mediation_summaries SET policy_hash = ?", "00" * 32)
    return 1


@found_by("pins of rationales")
def a_rationale_of_other_prompts(raw: Any) -> object:
    row = one(raw, "SELECT max(rationale_id) FROM reasoning_rationales")
    change(raw, "UPDATE reasoning_rationales SET policy_hash = 'x' WHERE rationale_id = ?", row)
    return row


@found_by("bytes of prompts")
def prompts_rewritten(raw: Any) -> object:
    change(raw, "UPDATE prompt_bundles SET system = CAST('You decide.' AS BLOB)")
    return one(raw, "SELECT policy_hash FROM prompt_bundles")


@found_by("missing prompts")
def prompts_deleted(raw: Any) -> object:
    change(raw, "DELETE FROM prompt_bundles")
    return one(raw, "SELECT session_id FROM mediation_sessions")


# --- hand-offs ------------------------------------------------------------------------------------


def dispatch(raw: Any) -> object:
    return one(raw, "SELECT dispatch_id FROM escalation_dispatches")


@found_by("hand-off of a dispatch")
def a_dispatch_of_another_event(raw: Any) -> object:
    change(raw, "UPDATE escalation_dispatches SET handoff_event_id = 1")
    return dispatch(raw)


@found_by("event of a dispatch")
def a_dispatch_said_to_have_failed(raw: Any) -> object:
    change(raw, "UPDATE escalation_dispatches SET status = 'send_failed'")
    return dispatch(raw)


@found_by("event of a dispatch")
def a_dispatch_without_event(raw: Any) -> object:
    change(raw, "DELETE FROM mediation_events WHERE kind = 'escalation_dispatched'")
    return dispatch(raw)


@found_by("dispatch of an event")
def a_deleted_dispatch(raw: Any) -> object:
    change(raw, "DELETE FROM escalation_dispatches")
    return event(raw, "escalation_dispatched")


@found_by("hand-offs dispatched twice")
def a_hand_off_dispatched_twice(raw: Any) -> object:
    raw.execute(
        "INSERT INTO mediation_events (session_id, kind, payload_json, prompt_bundle_id,"
        " policy_hash, occurred_at) SELECT session_id, kind, payload_json, prompt_bundle_id,"
        " policy_hash, occurred_at FROM mediation_events"
        " WHERE kind = 'escalation_dispatched'"
    )
    return one(raw, "SELECT max(id) FROM mediation_events")


@found_by("escalations without hand-off")
def a_deleted_hand_off(raw: Any) -> object:
    change(raw, "DELETE FROM mediation_events WHERE kind = 'handoff_prepared'")
    return event(raw, "escalation_recommended")


@found_by("hand-offs without escalation")
def a_hand_off_nobody_recommended(raw: Any) -> object:
    change(raw, "DELETE FROM mediation_events WHERE kind = 'escalation_recommended'")
    return event(raw, "handoff_prepared")


@found_by("lost hand-offs")
def a_hand_off_nobody_will_send(raw: Any) -> object:
    raw.execute("INSERT OR REPLACE INTO cursors VALUES ('handoffs_taken_up', 999)")
    change(raw, "DELETE FROM escalation_dispatches")
    return event(raw, "handoff_prepared")


@found_by("fates of hand-offs")
def a_fate_of_another_hand_off(raw: Any) -> object:
    return payload(raw, event(raw, "escalation_dispatched"), "handoff_event_id", 3)


@found_by("dispatches that reached nobody")
def a_dispatch_nobody_got(raw: Any) -> object:
    raw.execute("UPDATE outbox SET state = 'withdrawn' WHERE purpose = 'escalation_handoff'")
    return dispatch(raw)


# --- the outbox -----------------------------------------------------------------------------------


@found_by("messages")
def a_message_in_no_state(raw: Any) -> object:
    change(raw, "UPDATE outbox SET state = 'lost' WHERE id = 3")
    return 3


@found_by("messages")
def a_message_counted_as_another(raw: Any) -> object:
    change(raw, "UPDATE outbox SET notif_type = 'assignment' WHERE id = 1")
    return 1


@found_by("settlement of messages")
def a_sent_message_that_is_not_settled(raw: Any) -> object:
    change(raw, "UPDATE outbox SET settled_at = NULL WHERE id = 2")
    return 2


@found_by("settlement of messages")
def a_message_that_died_too_soon(raw: Any) -> object:
    change(raw, "UPDATE outbox SET state = 'dead' WHERE id = 2")
    return 2


@found_by("messages settled early")
def a_message_sent_before_it_was_decided(raw: Any) -> object:
    change(raw, "UPDATE outbox SET settled_at = settled_at - 90000 WHERE id = 2")
    return 2


@found_by("keys of messages")
def a_message_to_somebody_else(raw: Any) -> object:
    change(raw, "UPDATE outbox SET recipient = ? WHERE id = 2", "ee" * 32)
    return 2


@found_by("messages no relay took")
def a_sent_message_no_relay_took(raw: Any) -> object:
    raw.execute("DELETE FROM outbox_targets WHERE outbox_id = 2")
    return 2


@found_by("answers of relays")
def an_answer_of_an_unknown_kind(raw: Any) -> object:
    raw.execute("UPDATE outbox_targets SET state = 'perhaps' WHERE outbox_id = 2")
    return 2


@found_by("wraps of relays")
def a_relay_given_another_message(raw: Any) -> object:
    other = one(raw, "SELECT event_id FROM outbox_wraps WHERE outbox_id = 3")
    raw.execute("UPDATE outbox_targets SET event_id = ? WHERE outbox_id = 2", (other,))
    return 2


@found_by("emptied messages in the outbox")
def a_message_emptied_by_hand(raw: Any) -> object:
    change(raw, "UPDATE outbox SET rumor_json = NULL WHERE id = 2")
    return 2


@found_by("ids of rumors")
def a_message_rewritten(raw: Any) -> object:
    change(
        raw,
        "UPDATE outbox SET rumor_json = json_set(rumor_json, '$.content', 'Settle it.')"
        " WHERE id = 2",
    )
    return 2


@found_by("ids of wraps")
def bytes_rewritten(raw: Any) -> object:
    row = one(raw, "SELECT event_id FROM outbox_wraps WHERE outbox_id = 2")
    change(
        raw,
        "UPDATE outbox_wraps SET event_json = json_set(event_json, '$.created_at', 1)"
        " WHERE event_id = ?",
        row,
    )
    return row


# --- the file and its tables ----------------------------------------------------------------------


@found_by("row numbers")
def the_last_event_deleted(raw: Any) -> object:
    last = one(raw, "SELECT max(id) FROM mediation_events")
    change(raw, "DELETE FROM mediation_events WHERE id = ?", last)
    return last


@found_by("row numbers")
def a_note_of_the_journal_deleted(raw: Any) -> object:
    change(raw, "DELETE FROM journal WHERE id = 3")
    return 3


@found_by("row times")
def an_event_dated_years_ago(raw: Any) -> object:
    change(raw, "UPDATE mediation_events SET occurred_at = 1700000000 WHERE id = 6")
    return 6


@found_by("row times")
def an_event_dated_ahead(raw: Any) -> object:
    change(raw, "UPDATE mediation_events SET occurred_at = occurred_at + 90000 WHERE id = 6")
    return 6


@found_by("schema version")
def a_deleted_version(raw: Any) -> object:
    change(raw, "DELETE FROM schema_version WHERE version = 3")
    return None


@found_by("schema version")
def a_deleted_table_of_the_reference(raw: Any) -> object:
    raw.execute("DROP TABLE mediation_summaries")
    return None


@found_by("own revision")
def a_deleted_table_of_ours(raw: Any) -> object:
    raw.execute("DROP TABLE snoozes")
    return None


# --- briefs -------------------------------------------------------------------------------------


@found_by("briefs owed")
def a_brief_nobody_wrote(raw: Any) -> object:
    change(raw, "UPDATE owed_briefs SET settled_at = NULL, messages = NULL, owed_ms = 99000")
    return one(raw, "SELECT session_id FROM owed_briefs")


@found_by("briefs written")
def a_brief_that_went_to_fewer(raw: Any) -> object:
    change(raw, "UPDATE owed_briefs SET messages = messages + 1")
    return one(raw, "SELECT session_id FROM owed_briefs")


@found_by("takeovers without brief")
def a_takeover_whose_brief_was_never_owed(raw: Any) -> object:
    change(raw, "UPDATE owed_briefs SET session_id = 'another'")
    return event(raw, "session_closed")
