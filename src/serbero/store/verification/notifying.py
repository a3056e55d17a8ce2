"""`notifications`: what solvers were told, beside the outbox that told them."""

import json
from collections.abc import Iterator
from typing import Final

from serbero.model.notification import NotificationType
from serbero.model.reference_names import NOTIFICATION_FAILED, NOTIFICATION_SENT
from serbero.store.verification.finding import Check, Finding, name_of, said
from serbero.store.verification.scope import Scope

_N: Final = "notifications"
_TYPES: Final = json.dumps([each.value for each in NotificationType])
_STATUSES: Final = json.dumps([NOTIFICATION_SENT, NOTIFICATION_FAILED])
_OF_FUNDS: Final = frozenset({"admin_settle", "admin_cancel", "admin-settle", "admin-cancel"})


def _words(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT n.id, n.dispute_id, n.status, n.notif_type FROM notifications n
    WHERE {about n.dispute_id} AND (
      n.status NOT IN (SELECT value FROM json_each(:statuses))
      OR n.notif_type NOT IN (SELECT value FROM json_each(:types)))
    """
    for row, dispute, status, kind in scope.rows(query, statuses=_STATUSES, types=_TYPES):
        meaning = "another program or a hand wrote it"
        if isinstance(kind, str) and kind.lower() in _OF_FUNDS:
            meaning = "nothing of Serbero's may ever decide about funds: ask who wrote this row"
        expected = "a known type, sent or failed"
        found = f"{said(kind)}, {said(status)}"
        yield Finding(_N, name_of(row), name_of(dispute), expected, found, meaning)


def _errors(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT n.id, n.dispute_id, n.status FROM notifications n WHERE {about n.dispute_id}
      AND ((n.status = 'sent' AND n.error_message IS NOT NULL)
        OR (n.status = 'failed' AND n.error_message IS NULL))
    """
    for row, dispute, status in scope.rows(query):
        sent = status == NOTIFICATION_SENT
        expected = "sent without an error" if sent else "failed with its reason"
        found = "sent with an error" if sent else "failed without a reason"
        yield Finding(_N, name_of(row), name_of(dispute), expected, found, "its status was changed")


def _untold(scope: Scope) -> Iterator[Finding]:
    """A ``sent`` row of ours is written with the first success of its message."""
    if scope.first_start is None:
        return
    # Of disputes that the outbox knows: others are the reference's, whenever it ran.
    query = """
    SELECT n.id, n.dispute_id, n.notif_type, n.sent_at FROM notifications n
    WHERE {about n.dispute_id} AND n.status = 'sent' AND n.sent_at >= :start
      AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.dispute_id = n.dispute_id
        AND o.recipient_typed = n.solver_pubkey AND o.notif_type = n.notif_type
        AND o.state = 'sent' AND o.settled_at = n.sent_at)
      AND EXISTS (SELECT 1 FROM outbox o WHERE o.dispute_id = n.dispute_id)
    """
    visits = _visits(scope)
    for row, dispute, kind, at in scope.rows(query, start=scope.first_start):
        if any(first <= row <= last for first, last in visits):
            continue
        expected = f"a message of type {said(kind)} to this solver, sent at {said(at)}"
        meaning = "this row was written or changed by hand, or the message's row was"
        yield Finding(_N, name_of(row), name_of(dispute), expected, "none", meaning)


def _visits(scope: Scope) -> list[tuple[int, int]]:
    """The first and last row of each time that the reference ran on this database of ours."""
    query = """
    SELECT {json j.payload_json first_notification}, {json j.payload_json last_notification}
    FROM journal j
    WHERE j.kind = 'reference_ran'
    """
    return [
        (first, last)
        for first, last in scope.rows(query)
        if isinstance(first, int) and isinstance(last, int)
    ]


def _unnoted(scope: Scope) -> Iterator[Finding]:
    """The first success of a message leaves a row, on whichever channel it came."""
    query = """
    SELECT o.id, o.dispute_id, o.notif_type, o.settled_at FROM outbox o
    WHERE {about o.dispute_id} AND o.state = 'sent' AND o.notif_type IS NOT NULL
      AND o.dispute_id IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM notifications n WHERE n.dispute_id = o.dispute_id
        AND n.solver_pubkey = o.recipient_typed AND n.notif_type = o.notif_type
        AND n.status = 'sent' AND n.sent_at = o.settled_at)
      AND NOT EXISTS (SELECT 1 FROM outbox twin WHERE twin.dispute_id = o.dispute_id
        AND twin.purpose = o.purpose AND twin.anchor = o.anchor AND twin.recipient = o.recipient
        AND twin.id <> o.id AND twin.state = 'sent' AND twin.settled_at <= o.settled_at)
    """
    for row, dispute, kind, at in scope.rows(query):
        expected = f"a row of type {said(kind)} in notifications, sent at {said(at)}"
        meaning = "that row was deleted or changed, or this one was"
        yield Finding("outbox", name_of(row), name_of(dispute), expected, "none", meaning)


CHECKS: Final = (
    Check("notification types", frozenset({_N}), _words),
    Check("notification errors", frozenset({_N}), _errors),
    Check(
        "notifications without message", frozenset({_N, "outbox", "journal", "revisions"}), _untold
    ),
    Check("messages without notification", frozenset({_N, "outbox"}), _unnoted),
)
