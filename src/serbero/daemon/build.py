"""The composition root: from a configuration to connected parts. Nothing runs here.

What a part tells its neighbours goes through callables that are given to it here, so that no room
imports another one of its height. Mediation is built last; what others tell it goes through hooks
that they were given before.
"""

from dataclasses import dataclass

from nostr_sdk import Event

from serbero.chat.channels import Chats
from serbero.chat.speaking import Speaker
from serbero.clock import Clock
from serbero.config.settings import Config
from serbero.daemon.alert_parts import AlertParts, build_alerts
from serbero.daemon.base import Base, open_base
from serbero.daemon.chat_parts import build_chats, build_speaker
from serbero.daemon.console_parts import build_console
from serbero.daemon.delivery_parts import DeliveryParts, build_delivery
from serbero.daemon.escalation_parts import EscalationParts, build_escalation
from serbero.daemon.intake_parts import IntakeNeighbours, IntakeParts, build_intake
from serbero.daemon.mediation_hooks import MediationHooks
from serbero.daemon.mediation_parts import MediationNeighbours, build_mediation
from serbero.daemon.node_parts import NodeNeighbours, NodeParts, build_node, subscribe_to_node
from serbero.daemon.observer import DaemonObserver
from serbero.daemon.relay_parts import build_relays, subscribe_to_disputes
from serbero.daemon.upkeep_parts import UpkeepParts, build_upkeep
from serbero.escalation.warning import Escrow
from serbero.mediation.engine import Engine
from serbero.relays.pool import RelayPool
from serbero.relays.settings import RelaySettings
from serbero.solvers.inbound import Console


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that runs, connected."""

    base: Base
    pool: RelayPool
    observer: DaemonObserver
    intake: IntakeParts
    delivery: DeliveryParts
    node: NodeParts
    chats: Chats
    speaker: Speaker
    engine: Engine
    escalation: EscalationParts
    console: Console
    alerts: AlertParts | None
    upkeep: UpkeepParts

    async def close(self) -> None:
        """Release connections, threads and the database. Call it once nothing runs any more."""
        await self.engine.close()
        await self.pool.close()
        self.delivery.worker.close()
        self.chats.stop()
        self.base.store.close()


async def build(
    config: Config,
    clock: Clock,
    *,
    relay_settings: RelaySettings | None = None,
) -> Parts:
    """Open the database and connect the parts.

    Args:
        config: a checked configuration.
        clock: where time comes from.
        relay_settings: times of the relay pool; from the configuration where None.

    Raises:
        StoreError: the database cannot be used.
    """
    base = await open_base(config, clock)
    pool, observer = build_relays(base, relay_settings)
    delivery = build_delivery(base, pool)
    chats = build_chats(base, pool)
    hooks, wake = MediationHooks(), delivery.worker.wake
    intake = build_intake(
        base,
        pool,
        IntakeNeighbours(
            wake=wake,
            on_recorded=hooks.on_revisions,
            on_lag=observer.stream_lagged,
            on_custody=chats.look_now,
        ),
    )
    node = build_node(
        base,
        pool,
        NodeNeighbours(
            on_relays=delivery.further_relays.on_relays,
            on_event=intake.feed.on_event,
            wake=wake,
            look_at_chats=chats.look_now,
            hooks=hooks,
        ),
    )
    escrow = Escrow(
        node.cltv_delta, config.escalation.escrow_margin_blocks, config.mostro.pubkey_hex
    )
    escalation = build_escalation(base, escrow, wake)
    speaker = build_speaker(base, node.speaks_v1)
    engine = build_mediation(
        base,
        MediationNeighbours(
            speaker=speaker,
            take=node.taker.take,
            info=node.info,
            wake_delivery=wake,
            wake_dispatcher=escalation.wake_dispatcher,
            channels_changed=chats.channels_changed,
            ears=chats,
        ),
    )
    hooks.lead_to(engine)
    parts = Parts(
        base=base,
        pool=pool,
        observer=observer,
        intake=intake,
        delivery=delivery,
        node=node,
        chats=chats,
        speaker=speaker,
        engine=engine,
        escalation=escalation,
        console=build_console(base, pool, escrow, wake, escalation.wake_reminding),
        alerts=await build_alerts(base),
        upkeep=build_upkeep(base, intake, delivery),
    )
    _listen(parts, hooks)
    return parts


def _listen(parts: Parts, hooks: MediationHooks) -> None:
    """Give every part what comes in from relays: events, messages, and how the relays fare."""
    feed, reconciler = parts.intake.feed, parts.intake.reconciler
    taker, chats = parts.node.taker, parts.chats

    def on_gap() -> None:
        reconciler.request()
        chats.look_now()

    def on_dispute_event(url: str, event: Event) -> None:
        feed.on_event(url, event)
        taker.saw_node_event(url, event)

    parts.observer.on_gap = on_gap
    parts.observer.on_return = parts.delivery.worker.relay_returned
    subscribe_to_disputes(
        parts.pool, parts.base.config.mostro.pubkey_hex, lambda: feed.cursor, on_dispute_event
    )
    subscribe_to_node(parts.pool, parts.node, hooks)
    parts.console.listen()
    chats.listen(parts.engine.on_accepted)
