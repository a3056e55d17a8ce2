"""What the dispatcher says reaches the log as it is set up, whenever that was."""

from pathlib import Path

import structlog
from tests.store.rig import T0, key

from serbero.escalation.dispatcher import Dispatcher
from serbero.escalation.dispatching import DispatchRules
from serbero.intake.announcing import Audience
from serbero.observe.health import Health
from serbero.observe.metrics import Metrics
from serbero.simulator.clock import FakeClock
from serbero.store import handoffs
from serbero.store.engine import Store
from serbero.store.patient import PatientStore


async def test_logging_set_up_after_the_import_counts(tmp_path: Path) -> None:
    clock, metrics, woken = FakeClock(), Metrics(), list[bool]()
    told: list[structlog.typing.EventDict] = []

    def keep(_logger: object, _method: str, event: structlog.typing.EventDict) -> str:
        told.append(event)
        raise structlog.DropEvent

    store = Store.open(tmp_path / "serbero.db", T0)
    patient = PatientStore(store, clock, Health(clock), metrics)
    dispatcher = Dispatcher(
        store=patient,
        rules=DispatchRules(Audience(key(1), (), 60), fallback_to_all=False),
        interval_seconds=30,
        clock=clock,
        metrics=metrics,
        on_enqueued=lambda: woken.append(True),
    )
    before = structlog.get_config()
    structlog.configure(processors=[keep], cache_logger_on_first_use=False)
    try:
        await patient.transact(
            lambda tx: tx.exec_driver_sql(
                "INSERT INTO mediation_events (kind, payload_json, occurred_at)"
                " VALUES ('handoff_prepared', 'nothing that can be read', 1)"
            )
        )
        await patient.transact(handoffs.take_up)
        assert await dispatcher.look() == 1
    finally:
        structlog.configure(**before)
        store.close()
    assert [each["event"] for each in told] == ["phase4_parse_failed"]
    assert not woken
