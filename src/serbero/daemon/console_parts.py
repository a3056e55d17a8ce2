"""Answering solvers, as a part of the composition."""

from collections.abc import Callable

from serbero.daemon.base import Base
from serbero.escalation.warning import Escrow
from serbero.relays.pool import RelayPool
from serbero.solvers.desk import DeskSettings
from serbero.solvers.inbound import Console


def build_console(
    base: Base,
    pool: RelayPool,
    escrow: Escrow,
    wake: Callable[[], None],
    on_changed: Callable[[], None],
) -> Console:
    """Be ready to answer.

    Args:
        base: what every part stands on.
        pool: the relays.
        escrow: knows when an escrow ends.
        wake: there is something to send.
        on_changed: somebody has a dispute now, or wants rest.
    """
    config, section = base.config, base.config.escalation
    return Console(
        keys=config.keys,
        audience=base.audience,
        store=base.patient,
        clock=base.clock,
        metrics=base.metrics,
        settings=DeskSettings(
            node=config.mostro.pubkey_hex,
            acknowledge=section.acknowledge,
            lease_seconds=section.acknowledge_lease_seconds,
            escrow=escrow.of if section.deadline_warnings else None,
        ),
        relays=pool,
        on_enqueued=wake,
        on_changed=on_changed,
    )
