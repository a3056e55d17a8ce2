"""The node's part of the composition: it is watched, and disputes are taken from it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from nostr_sdk import Event

from serbero.daemon.base import Base
from serbero.daemon.mediation_hooks import MediationHooks
from serbero.intake import custody
from serbero.model.taking import TakeState
from serbero.mostro.node_info import INFO_KIND, NodeInfo, Transport
from serbero.node.asking import TakingSettings
from serbero.node.records import Recorders
from serbero.node.result import TakeResult
from serbero.node.standing import NoWay, Way
from serbero.node.taking import Taker
from serbero.node.watch import NodeWatch
from serbero.nostr.relay_list import RELAY_LIST_KIND
from serbero.relays.pool import RelayPool
from serbero.relays.subscriptions import Subscription

NODE_SUBSCRIPTION: Final = "node"
"""What the node says of itself, and what it says to us."""


@dataclass(frozen=True, slots=True)
class NodeNeighbours:
    """What the node's part tells the rest of the daemon.

    Attributes:
        on_relays: the relays that the node lists besides the configured ones.
        on_event: a dispute event that was found while looking for an answer, and its relay.
        wake: there is something to send.
        look_at_chats: chats were opened or closed.
        hooks: lead to mediation.
    """

    on_relays: Callable[[tuple[str, ...]], None]
    on_event: Callable[[str, Event], None]
    wake: Callable[[], None]
    look_at_chats: Callable[[], None]
    hooks: MediationHooks


@dataclass(frozen=True, slots=True)
class NodeParts:
    """What knows the node.

    Attributes:
        watch: what it says of itself.
        taker: takes disputes.
    """

    watch: NodeWatch
    taker: Taker

    def info(self) -> NodeInfo | None:
        """Return the node's newest info event."""
        return self.watch.info

    def cltv_delta(self) -> int | None:
        """Return how many blocks an escrow lasts, as the node says now; None if it does not."""
        known = self.watch.info
        return None if known is None else known.cltv_delta

    def speaks_v1(self) -> bool:
        """Whether the node is spoken to in gift wraps just now."""
        way = self.watch.way
        return isinstance(way, Way) and way.transport is Transport.GIFT_WRAP


def build_node(base: Base, pool: RelayPool, near: NodeNeighbours) -> NodeParts:
    """Connect what watches the node and takes disputes from it; it listens once it is subscribed.

    Args:
        base: what every part stands on.
        pool: the relays.
        near: the rest of the daemon.
    """

    def on_change(_way: Way | NoWay) -> None:
        parts.taker.way_changed()
        # On another transport the node's answers are events of another kind.
        subscribe_to_node(pool, parts, near.hooks)

    watch = _watch(base, pool, near, on_change)
    parts = NodeParts(watch, _taker(base, pool, near, watch))
    return parts


def subscribe_to_node(pool: RelayPool, parts: NodeParts, hooks: MediationHooks) -> None:
    """Listen for what the node says of itself and to us; replaces an earlier subscription.

    Args:
        pool: the relays.
        parts: who is told.
        hooks: lead to mediation.
    """
    watch, taker = parts.watch, parts.taker

    def on_event(url: str, event: Event) -> None:
        if event.kind().as_u16() in (INFO_KIND, RELAY_LIST_KIND):
            watch.on_event(url, event)
            hooks.on_node_info()
            taker.saw_node_event(url, event)
        else:
            taker.on_event(url, event)

    pool.subscribe(
        Subscription(
            NODE_SUBSCRIPTION,
            filters=lambda: [*watch.filters(), *taker.reply_filters()],
            on_event=on_event,
            screen=taker.screen,
        )
    )


def _watch(
    base: Base, pool: RelayPool, near: NodeNeighbours, on_change: Callable[[Way | NoWay], None]
) -> NodeWatch:
    config = base.config
    return NodeWatch(
        node=config.mostro.pubkey_hex,
        own_key=config.public_key,
        wanted=config.mostro.transport,
        store=base.patient,
        asker=pool,
        clock=base.clock,
        metrics=base.metrics,
        health=base.health,
        allow_private=config.delivery.allow_private_relays,
        configured=config.relay_urls,
        on_relays=near.on_relays,
        on_change=on_change,
    )


def _taker(base: Base, pool: RelayPool, near: NodeNeighbours, watch: NodeWatch) -> Taker:
    config = base.config

    def on_concluded(result: TakeResult) -> None:
        near.hooks.on_concluded(result)
        near.wake()
        near.look_at_chats()

    return Taker(
        keys=config.keys,
        node=config.mostro.pubkey_hex,
        watch=watch,
        wire=pool,
        store=base.patient,
        clock=base.clock,
        metrics=base.metrics,
        recorders=_recorders(base, near.hooks),
        on_revision=near.on_event,
        on_concluded=on_concluded,
        settings=TakingSettings(
            max_bits=config.mostro.max_pow_bits,
            patience_seconds=config.mostro.take_timeout_seconds,
            subscription=NODE_SUBSCRIPTION,
        ),
    )


def _recorders(base: Base, hooks: MediationHooks) -> Recorders:
    def on_outcome(
        tx: sa.Connection, about: str, state: TakeState, reason: str | None, at_ms: int, owed: bool
    ) -> None:
        released = base.consequences.released
        custody.outcome(
            tx, base.audience, about, state, reason, at_ms, owed=owed, on_release=released
        )
        hooks.on_outcome(tx, about, state, reason, at_ms // 1000)

    return Recorders(base.config.public_key, on_outcome, hooks.on_taken)
