"""The node's part of the composition: it is watched, and disputes are taken from it."""

from typing import Final

import sqlalchemy as sa
from nostr_sdk import Event

from serbero.chat.channels import Chats
from serbero.daemon.base import Base
from serbero.daemon.escalation_parts import Following
from serbero.daemon.mediation_parts import Hooks
from serbero.daemon.roads import Roads
from serbero.delivery.worker import DeliveryWorker
from serbero.intake import custody
from serbero.intake.feed import Feed
from serbero.model.taking import TakeState
from serbero.mostro.node_info import INFO_KIND, Transport
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


def speaks_v1(watch: NodeWatch) -> bool:
    """Whether the node is spoken to in gift wraps just now."""
    return isinstance(watch.way, Way) and watch.way.transport is Transport.GIFT_WRAP


def build_node(
    base: Base,
    pool: RelayPool,
    worker: DeliveryWorker,
    feed: Feed,
    roads: Roads,
    chats: Chats,
    hooks: Hooks,
) -> tuple[NodeWatch, Taker]:
    """Watch the node and be ready to take disputes from it.

    Args:
        base: what every part stands on.
        pool: the relays.
        worker: woken when an outcome has something to tell.
        feed: given the dispute events that are found while looking for an answer.
        roads: told of the node's further relays.
        chats: look at what they hold after an outcome.
        hooks: tells mediation.
    """
    config, node = base.config, base.config.mostro.pubkey_hex

    def on_change(_way: Way | NoWay) -> None:
        taker.way_changed()
        pool.subscribe(subscription())

    def on_outcome(
        tx: sa.Connection, about: str, state: TakeState, reason: str | None, at_ms: int, owed: bool
    ) -> None:
        custody.outcome(
            tx,
            base.audience,
            about,
            state,
            reason,
            at_ms,
            owed=owed,
            on_release=Following(base.endings).released,
        )
        hooks.on_outcome(tx, about, state, reason, at_ms // 1000)

    def on_concluded(result: TakeResult) -> None:
        hooks.on_concluded(result)
        worker.wake()
        chats.look_now()

    def subscription() -> Subscription:
        return Subscription(
            NODE_SUBSCRIPTION,
            filters=lambda: [*watch.filters(), *taker.reply_filters()],
            on_event=on_event,
            screen=taker.screen,
        )

    def on_event(url: str, event: Event) -> None:
        if event.kind().as_u16() in (INFO_KIND, RELAY_LIST_KIND):
            watch.on_event(url, event)
            hooks.on_node_info()
            taker.saw_node_event(url, event)
        else:
            taker.on_event(url, event)

    watch = NodeWatch(
        node=node,
        own_key=config.public_key,
        wanted=config.mostro.transport,
        store=base.patient,
        asker=pool,
        clock=base.clock,
        metrics=base.metrics,
        health=base.health,
        allow_private=config.delivery.allow_private_relays,
        configured=config.relay_urls,
        on_relays=roads.on_relays,
        on_change=on_change,
    )
    taker = Taker(
        keys=config.keys,
        node=node,
        watch=watch,
        wire=pool,
        store=base.patient,
        clock=base.clock,
        metrics=base.metrics,
        recorders=Recorders(config.public_key, on_outcome, hooks.on_taken),
        on_revision=feed.on_event,
        on_concluded=on_concluded,
        settings=TakingSettings(
            max_bits=config.mostro.max_pow_bits,
            patience_seconds=config.mostro.take_timeout_seconds,
            subscription=NODE_SUBSCRIPTION,
        ),
    )
    pool.subscribe(subscription())
    return watch, taker
