"""The one line a lifecycle move leaves in the log."""

import structlog

from serbero.model.dispute import Moved

_log = structlog.get_logger(__name__)


def log_move(moved: Moved) -> None:
    """Log ``state_transition``, the reference's name for it."""
    _log.info(
        "state_transition",
        dispute_id=moved.dispute_id,
        from_state=moved.current.value,
        to_state=moved.wanted.value,
        trigger=moved.trigger,
    )
