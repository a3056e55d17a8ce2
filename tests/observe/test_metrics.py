"""The series Serbero exposes, as a scraper reads them."""

from prometheus_client.parser import text_string_to_metric_families

from serbero import __version__
from serbero.model.lifecycle import Lifecycle
from serbero.observe.metrics import Metrics

RELAY = "wss://relay.example"

EXPECTED = {
    "serbero_build": ("info", {"version", "python"}),
    "serbero_database_errors": ("counter", {"kind"}),
    "serbero_delivery_attempts": ("counter", {"outcome"}),
    "serbero_detection_to_delivery_seconds": ("histogram", set()),
    "serbero_dispute_events": ("counter", {"outcome"}),
    "serbero_disputes": ("gauge", {"state"}),
    "serbero_events_rejected": ("counter", {"reason"}),
    "serbero_intake_queue_depth": ("gauge", set()),
    "serbero_alerts": ("counter", {"event", "result"}),
    "serbero_messages": ("counter", {"purpose", "result"}),
    "serbero_node_info_seen_timestamp_seconds": ("gauge", set()),
    "serbero_node_messages": ("counter", {"outcome"}),
    "serbero_node_transport": ("gauge", {"transport", "protocol_version"}),
    "serbero_outbox_oldest_pending_seconds": ("gauge", set()),
    "serbero_outbox_pending": ("gauge", set()),
    "serbero_part_ok": ("gauge", {"part"}),
    "serbero_reconciles": ("counter", {"result"}),
    "serbero_relay_canary_seconds": ("histogram", {"relay"}),
    "serbero_relay_closed": ("counter", {"relay", "prefix"}),
    "serbero_relay_connect_attempts": ("counter", {"relay", "result"}),
    "serbero_relay_connected": ("gauge", {"relay"}),
    "serbero_relay_hearing": ("gauge", {"relay"}),
    "serbero_relay_policy_alerts": ("counter", {"relay"}),
    "serbero_takes": ("counter", {"outcome"}),
    "serbero_chat_accepted": ("counter", {"envelope"}),
    "serbero_chat_channels": ("gauge", set()),
    "serbero_chat_echoes": ("counter", {"envelope"}),
    "serbero_chat_rejected": ("counter", {"reason"}),
    "serbero_handoffs": ("counter", {"outcome"}),
    "serbero_escalation_discrepancies": ("gauge", {"kind"}),
    "serbero_escalation_reminders": ("counter", set()),
    "serbero_solver_messages": ("counter", {"outcome"}),
    "serbero_mediation_decisions": ("counter", {"decision"}),
    "serbero_mediation_sessions": ("gauge", {"state"}),
    "serbero_mediation_starts": ("counter", {"result"}),
    "serbero_reasoning_calls": ("counter", {"purpose", "result"}),
    "serbero_reasoning_seconds": ("histogram", {"purpose"}),
    "serbero_reasoning_tokens": ("counter", {"direction"}),
    "serbero_unreached_inboxes": ("gauge", set()),
}


def scraped(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


def feed_everything(metrics: Metrics) -> None:
    metrics.dispute_events.labels("detected").inc()
    metrics.events_rejected.labels("signature").inc()
    metrics.intake_queue_depth.set(7)
    metrics.reconciles.labels("complete").inc()
    metrics.delivery_attempts.labels("accepted").inc(2)
    metrics.messages.labels("initial", "sent").inc()
    metrics.alerts.labels("escalated", "sent").inc()
    metrics.set_outbox(4, 12.5)
    metrics.unreached_inboxes.set(1)
    metrics.detection_to_delivery.observe(0.2)
    metrics.relay_connected.labels(RELAY).set(1)
    metrics.relay_hearing.labels(RELAY).set(1)
    metrics.relay_connect_attempts.labels(RELAY, "ok").inc()
    metrics.relay_closed.labels(RELAY, "rate-limited").inc()
    metrics.relay_policy_alerts.labels(RELAY).inc()
    metrics.relay_canary.labels(RELAY).observe(0.03)
    metrics.database_errors.labels("locked").inc()
    metrics.disputes.labels(Lifecycle.NEW).set(3)
    metrics.takes.labels("taken").inc()
    metrics.node_messages.labels("answer").inc()
    metrics.chat_accepted.labels("kind14").inc()
    metrics.chat_echoes.labels("kind14").inc()
    metrics.chat_rejected.labels("author").inc()
    metrics.handoffs.labels("enqueued").inc()
    metrics.reminders.inc()
    metrics.escalation_discrepancies.labels("step_missing").set(1)
    metrics.solver_messages.labels("answered").inc()
    metrics.mediation_decisions.labels("ask").inc()
    metrics.mediation_sessions.labels("awaiting_response").set(2)
    metrics.mediation_starts.labels("opened").inc()
    metrics.reasoning_calls.labels("classify", "answered").inc()
    metrics.reasoning_seconds.labels("classify").observe(1.5)
    metrics.reasoning_tokens.labels("input").inc(900)
    metrics.set_node_transport("gift-wrap", "1")
    metrics.set_node_transport("nip44", "2")
    metrics.node_info_seen.set(1_767_225_600)
    metrics.set_parts([("store", True), ("relays", False)])


def test_every_series_with_its_type_and_labels() -> None:
    metrics = Metrics()
    feed_everything(metrics)
    found = {
        family.name.removesuffix("_info"): (
            "info" if family.name.endswith("_info") else family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in text_string_to_metric_families(metrics.render().decode())
        if family.name.startswith("serbero_") and not family.name.endswith("_created")
    }
    assert found == EXPECTED


def test_values_arrive() -> None:
    metrics = Metrics()
    feed_everything(metrics)
    seen = scraped(metrics)
    assert seen["serbero_delivery_attempts_total", (("outcome", "accepted"),)] == 2
    assert seen["serbero_outbox_pending", ()] == 4
    assert seen["serbero_outbox_oldest_pending_seconds", ()] == 12.5
    assert seen["serbero_disputes", (("state", "new"),)] == 3
    assert seen["serbero_part_ok", (("part", "relays"),)] == 0
    spoken = [labels for name, labels in seen if name == "serbero_node_transport"]
    assert spoken == [(("protocol_version", "2"), ("transport", "nip44"))], "one at a time"
    (build,) = [labels for name, labels in seen if name == "serbero_build_info"]
    assert dict(build)["version"] == __version__


def test_delivery_buckets_are_the_documented_ones() -> None:
    metrics = Metrics()
    metrics.detection_to_delivery.observe(0.2)
    bounds = {
        dict(labels)["le"]: value
        for (name, labels), value in scraped(metrics).items()
        if name == "serbero_detection_to_delivery_seconds_bucket"
    }
    assert bounds == {
        "0.05": 0, "0.1": 0, "0.25": 1, "0.5": 1, "1.0": 1, "2.5": 1, "5.0": 1, "10.0": 1,
        "30.0": 1, "60.0": 1, "300.0": 1, "3600.0": 1, "+Inf": 1,
    }  # fmt: skip


def test_two_of_them_do_not_meet() -> None:
    one, other = Metrics(), Metrics()
    one.outbox_pending.set(5)
    assert scraped(other)["serbero_outbox_pending", ()] == 0


def test_a_relay_that_is_used_no_longer_leaves_no_series() -> None:
    metrics = Metrics()
    for relay in ("wss://one.example", "wss://two.example"):
        metrics.relay_connected.labels(relay).set(1)
        metrics.relay_closed.labels(relay, "blocked").inc()
        metrics.relay_canary.labels(relay).observe(0.1)
    metrics.forget_relay("wss://one.example")
    text = metrics.render().decode()
    assert "one.example" not in text
    assert 'serbero_relay_closed_total{prefix="blocked",relay="wss://two.example"} 1.0' in text
