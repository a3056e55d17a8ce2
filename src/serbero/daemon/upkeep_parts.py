"""What keeps the house, as a part of the composition: numbers, old contents, the clock."""

from dataclasses import dataclass

from serbero.daemon.base import Base
from serbero.daemon.clock_watch import ClockWatch
from serbero.daemon.delivery_parts import DeliveryParts
from serbero.daemon.gauges import Gauges
from serbero.daemon.intake_parts import IntakeParts
from serbero.daemon.retention import Retention


@dataclass(frozen=True, slots=True)
class UpkeepParts:
    """What keeps the house.

    Attributes:
        gauges: numbers that are read from the database now and then.
        retention: empties what was written in disputes that ended long ago.
        clock_watch: notices that the wall clock was set back.
    """

    gauges: Gauges
    retention: Retention
    clock_watch: ClockWatch


def build_upkeep(base: Base, intake: IntakeParts, delivery: DeliveryParts) -> UpkeepParts:
    """Connect what keeps the house.

    Args:
        base: what every part stands on.
        intake: looks back where the clock was set back.
        delivery: is woken then, since what waits is due.
    """
    store, clock = base.patient, base.clock

    def on_turned_back(horizon: int) -> None:
        intake.look_back(horizon)
        delivery.worker.wake()

    return UpkeepParts(
        gauges=Gauges(store=store, metrics=base.metrics, health=base.health, clock=clock),
        retention=Retention(
            store=store,
            path=base.config.db_path,
            closed_days=base.config.retention.closed_days,
            clock=clock,
        ),
        clock_watch=ClockWatch(
            store=store, clock=clock, on_turned_back=on_turned_back, steps=base.steps
        ),
    )
