"""The numbers Serbero keeps about itself, in Prometheus' text format.

Label values come from enums and from relay addresses of the configuration or of solvers' own
lists, never from what a peer writes freely: the number of series stays bounded.
"""

import platform
from collections.abc import Iterable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from serbero import __version__

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

DELIVERY_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
"""Seconds. Fine where a good day lies (one relay round trip), coarse up to an outage's hour."""

CANARY_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
"""Seconds; a canary that takes longer than the last counts as missed."""

REASONING_BUCKETS: Final = (0.25, 0.5, 1, 2, 4, 8, 16, 30, 60, 120, 300)
"""Seconds: a model answers in some, and is given up after a minute or a few."""


class Metrics:
    """Every series of one process, in a registry of its own.

    Feeding it is a plain call: ``metrics.dispute_events.labels(outcome).inc()``. Series are
    named ``serbero_...``; process memory and CPU come with prometheus-client's ``process_...``.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        build = Info("serbero_build", "Version of Serbero and Python.", registry=self.registry)
        build.info({"version": __version__, "python": platform.python_version()})
        self._intake()
        self._delivery()
        self._relays()
        self._node()
        self._chats()
        self._mediation()
        self._escalation()
        self._alerts()
        self._state()

    def render(self) -> bytes:
        """All series as Prometheus scrapes them (:data:`CONTENT_TYPE`)."""
        return generate_latest(self.registry)

    def set_outbox(self, pending: int, oldest_seconds: float) -> None:
        """Set the outbox' depth and the age in seconds of its oldest row (0 when empty)."""
        self.outbox_pending.set(pending)
        self.outbox_oldest_pending_seconds.set(oldest_seconds)

    def forget_relay(self, relay: str) -> None:
        """Remove every series about a relay that is used no longer."""
        for series in (
            self.relay_connected,
            self.relay_hearing,
            self.relay_connect_attempts,
            self.relay_closed,
            self.relay_policy_alerts,
            self.relay_canary,
        ):
            series.remove_by_labels({"relay": relay})

    def set_parts(self, parts: Iterable[tuple[str, bool]]) -> None:
        """Set what each part of the daemon says of itself."""
        for part, ok in parts:
            self.part_ok.labels(part).set(ok)

    def set_node_transport(self, transport: str | None, protocol_version: str | None) -> None:
        """Set what the node is spoken to with; None: with nothing we know.

        The version is the node's own word: only the ones that mean something become a label.
        """
        named = "absent" if protocol_version is None else protocol_version
        label = named if named in ("absent", "1", "2") else "other"
        self.node_transport.clear()
        self.node_transport.labels(transport or "none", label).set(1)

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"serbero_{name}", help_text, labels, registry=self.registry)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"serbero_{name}", help_text, labels, registry=self.registry)

    def _intake(self) -> None:
        self.dispute_events = self._counter(
            "dispute_events_total", "Dispute revisions, by what was done with them.", "outcome"
        )
        self.events_rejected = self._counter(
            "events_rejected_total", "Events that were not believed, by reason.", "reason"
        )
        self.intake_queue_depth = self._gauge(
            "intake_queue_depth", "Events received and not yet decided."
        )
        self.reconciles = self._counter(
            "reconciles_total", "Comparisons with what the relays hold, by result.", "result"
        )

    def _delivery(self) -> None:
        self.delivery_attempts = self._counter(
            "delivery_attempts_total", "Answers of relays to one publish.", "outcome"
        )
        self.messages = self._counter(
            "messages_total", "Messages settled: sent, dead or withdrawn.", "purpose", "result"
        )
        self.outbox_pending = self._gauge("outbox_pending", "Messages no relay has taken yet.")
        self.outbox_oldest_pending_seconds = self._gauge(
            "outbox_oldest_pending_seconds", "Age of the oldest message no relay has taken."
        )
        self.unreached_inboxes = self._gauge(
            "unreached_inboxes", "Messages sent that no inbox relay of the recipient took."
        )
        self.detection_to_delivery = Histogram(
            "serbero_detection_to_delivery_seconds",
            "From recording a dispute to the first relay that took a solver's message.",
            buckets=DELIVERY_BUCKETS,
            registry=self.registry,
        )

    def _relays(self) -> None:
        self.relay_connected = self._gauge("relay_connected", "1 while connected.", "relay")
        self.relay_hearing = self._gauge(
            "relay_hearing", "1 while dispute events get through.", "relay"
        )
        self.relay_connect_attempts = self._counter(
            "relay_connect_attempts_total", "Connection attempts, by result.", "relay", "result"
        )
        self.relay_closed = self._counter(
            "relay_closed_total", "Subscriptions a relay closed, by prefix.", "relay", "prefix"
        )
        self.relay_policy_alerts = self._counter(
            "relay_policy_alerts_total",
            "Times a relay began to refuse a subscription or events by policy.",
            "relay",
        )
        self.relay_canary = Histogram(
            "serbero_relay_canary_seconds",
            "From publishing a canary to hearing it back.",
            ["relay"],
            buckets=CANARY_BUCKETS,
            registry=self.registry,
        )

    def _node(self) -> None:
        self.takes = self._counter(
            "takes_total", "Exchanges with the node about taking a dispute, by outcome.", "outcome"
        )
        self.node_messages = self._counter(
            "node_messages_total",
            "Messages addressed to us in the node's envelope, by what became of them.",
            "outcome",
        )
        self.node_transport = self._gauge(
            "node_transport",
            "1 for how the node is spoken to and the version it states.",
            "transport",
            "protocol_version",
        )
        self.node_info_seen = self._gauge(
            "node_info_seen_timestamp_seconds",
            "When a relay last showed the node's newest info event, Unix seconds.",
        )

    def _chats(self) -> None:
        self.chat_accepted = self._counter(
            "chat_accepted_total", "Messages of parties that were accepted.", "envelope"
        )
        self.chat_echoes = self._counter(
            "chat_echoes_total", "Messages of ours that came back from a relay.", "envelope"
        )
        self.chat_rejected = self._counter(
            "chat_rejected_total", "Chat events that were not accepted, by reason.", "reason"
        )
        self.chat_channels = self._gauge("chat_channels", "Chat channels that are read.")

    def _mediation(self) -> None:
        self.reasoning_calls = self._counter(
            "reasoning_calls_total", "Questions to the model, by result.", "purpose", "result"
        )
        self.reasoning_seconds = Histogram(
            "serbero_reasoning_seconds",
            "From asking the model to its answer, attempts and other models included.",
            ["purpose"],
            buckets=REASONING_BUCKETS,
            registry=self.registry,
        )
        self.reasoning_tokens = self._counter(
            "reasoning_tokens_total", "Tokens, as the models count them.", "direction"
        )
        self.mediation_starts = self._counter(
            "mediation_starts_total", "Attempts to mediate a dispute, by how they ended.", "result"
        )
        self.mediation_decisions = self._counter(
            "mediation_decisions_total", "What was decided in open mediations.", "decision"
        )
        self.mediation_sessions = self._gauge(
            "mediation_sessions", "Mediations that are under way, by state.", "state"
        )

    def _escalation(self) -> None:
        self.handoffs = self._counter(
            "handoffs_total", "Hand-offs looked at, by what became of them.", "outcome"
        )
        self.reminders = self._counter(
            "escalation_reminders_total", "Reminders of what was handed over and nobody has."
        )
        self.escalation_discrepancies = self._gauge(
            "escalation_discrepancies",
            "What open disputes' people were told otherwise than they should be, by kind.",
            "kind",
        )
        self.solver_messages = self._counter(
            "solver_messages_total", "Messages addressed to us by strangers or solvers.", "outcome"
        )

    def _alerts(self) -> None:
        self.alerts = self._counter(
            "alerts_total",
            "Alerts to the operator's own channels: taken, failed attempts, given up.",
            "event",
            "result",
        )

    def _state(self) -> None:
        self.database_errors = self._counter(
            "database_errors_total", "Statements the database refused, by kind.", "kind"
        )
        self.disputes = self._gauge(
            "disputes", "Disputes that are not resolved, by state.", "state"
        )
        self.part_ok = self._gauge("part_ok", "1 while this part of the daemon works.", "part")
