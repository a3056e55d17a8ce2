"""Answering solvers, as a part of the composition."""

from collections.abc import Callable

from serbero.daemon.base import Base
from serbero.escalation.warning import Escrow
from serbero.mostro.node_info import NodeInfo
from serbero.relays.pool import RelayPool
from serbero.solvers.desk import DeskSettings
from serbero.solvers.inbound import Console


def build_console(
    base: Base,
    pool: RelayPool,
    info: Callable[[], NodeInfo | None],
    wake: Callable[[], None],
    on_changed: Callable[[], None],
) -> Console:
    """Be ready to answer, and listen.

    Args:
        base: what every part stands on.
        pool: the relays.
        info: the node's newest info event.
        wake: there is something to send.
        on_changed: somebody has a dispute now, or wants rest.
    """
    config, section = base.config, base.config.escalation

    def cltv_delta() -> int | None:
        known = info()
        return None if known is None else known.cltv_delta

    escrow = Escrow(cltv_delta, section.escrow_margin_blocks, config.mostro.pubkey_hex)
    console = Console(
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
    console.listen()
    return console
