"""What delivery tells people: one log line and one count a settled row.

Of a message on two channels, the line that operators' alerts match is that of the row that stands
for it; the other's only says that a second road was open or closed.
"""

from collections.abc import Sequence
from typing import Final

import structlog

from serbero.delivery.ledger import FailedRound, Settled
from serbero.model.notification import CHAT_CHANNELS, OutboxState, Purpose
from serbero.observe.lifecycle import log_move
from serbero.observe.metrics import Metrics
from serbero.store.outbox_work import Row

_log = structlog.get_logger(__name__)

_SENT_EVENT: Final = {
    Purpose.INITIAL: "notification_sent",
    Purpose.RENOTIFICATION: "renotification_sent",
    Purpose.ASSIGNMENT: "assignment_notification_sent",
    Purpose.MEDIATION_SUMMARY: "solver_summary_delivered",
    Purpose.MEDIATION_ESCALATION: "solver_dispute_escalation_notified",
    Purpose.RESOLUTION_REPORT: "solver_final_resolution_report_sent",
}
_FAILED_EVENT: Final = {
    Purpose.INITIAL: "notification_failed",
    Purpose.RENOTIFICATION: "renotification_failed",
    Purpose.ASSIGNMENT: "assignment_notification_failed",
}
"""The reference's event names; operators' alerts match them."""


def tell_settled(settled: Sequence[Settled], metrics: Metrics) -> None:
    """Log and count messages that changed state."""
    for each in settled:
        row = each.row
        metrics.messages.labels(row.purpose.value, each.state.value).inc()
        match each.state:
            case OutboxState.SENT:
                first = row.purpose is Purpose.INITIAL and not each.by_twin
                if first and each.delivery_ms is not None:
                    metrics.detection_to_delivery.observe(each.delivery_ms / 1000)
                sent = _SENT_EVENT.get(row.purpose, "message_sent")
                _log.info(
                    "second_channel_sent" if each.by_twin else sent,
                    **_about(row),
                    delivery_ms=each.delivery_ms,
                )
            case OutboxState.DEAD if each.by_twin:
                _log.warning(
                    "second_channel_dead",
                    **_about(row),
                    reason="no relay took it on this channel before its deadline",
                    consequence="the same message's other channel decides",
                )
            case OutboxState.DEAD:
                _log.error(
                    "message_dead",
                    **_about(row),
                    reason="no relay took it before its deadline",
                    deadline_at=row.deadline_at,
                    remedy="see `serbero doctor` for the recipient's relays",
                )
            case _:
                _log.info("message_withdrawn", **_about(row), reason=each.reason or "untrue")
        if each.moved is not None:
            log_move(each.moved)


def tell_failures(failures: Sequence[FailedRound]) -> None:
    """Log passes that reached no relay, as often as their ``failed`` rows are written."""
    for failed in failures:
        _log.warning(
            _FAILED_EVENT.get(failed.row.purpose, "message_failed"),
            **_about(failed.row),
            reason=failed.reason,
            consequence="tried again until its deadline",
        )


_SHOWN_OF_A_TRADE_KEY: Final = 8
"""Enough to tell two parties apart; who they are is none of the log's business."""


def _about(row: Row) -> dict[str, str | None]:
    to_party = row.channel in CHAT_CHANNELS
    return {
        "dispute_id": row.dispute_id,
        "purpose": row.purpose.value,
        "party" if to_party else "solver": (
            row.recipient[:_SHOWN_OF_A_TRADE_KEY] if to_party else row.recipient
        ),
        "channel": row.channel.value,
    }
