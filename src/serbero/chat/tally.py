"""What was refused, counted: a line a message would let whoever floods us write our log."""

from collections import Counter
from typing import Final

import structlog

from serbero.chat.channel import Lane
from serbero.mostro.chat import ChatRejection, Envelope
from serbero.observe.metrics import Metrics

MAX_KINDS: Final = 1_000
"""Different lines between two reports; what is beyond is only counted as a metric."""

_log = structlog.get_logger(__name__)


class Tally:
    """Rejections since the last report."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._counts: Counter[tuple[str, str, Envelope, ChatRejection]] = Counter()

    def rejected(self, lane: Lane, why: ChatRejection) -> None:
        """Count one event that was not accepted."""
        self._metrics.chat_rejected.labels(why.value).inc()
        kind = (lane.channel.dispute_id, lane.channel.party.value, lane.envelope, why)
        if kind in self._counts or len(self._counts) < MAX_KINDS:
            self._counts[kind] += 1

    def report(self) -> None:
        """Log what was refused since the last time, a line a channel and reason."""
        counts, self._counts = self._counts, Counter()
        for (dispute_id, party, envelope, why), count in counts.items():
            _log.warning(
                "chat_message_rejected",
                dispute_id=dispute_id,
                party=party,
                envelope=envelope.value,
                reason=why.value,
                step=why.step,
                count=count,
            )
