"""The composition root: from a configuration to connected parts. Nothing runs here."""

from dataclasses import dataclass
from typing import Final

import structlog
from nostr_sdk import Event

from serbero.chat.channels import Chats
from serbero.chat.envelopes import LegacyChat
from serbero.chat.speaking import Speaker
from serbero.clock import Clock
from serbero.config.settings import Config
from serbero.daemon.alert_parts import AlertParts, build_alerts
from serbero.daemon.base import Base, open_base
from serbero.daemon.clock_watch import ClockWatch
from serbero.daemon.console_parts import build_console
from serbero.daemon.escalation_parts import EscalationParts, Following, build_escalation
from serbero.daemon.gauges import Gauges
from serbero.daemon.mediation_parts import Hooks, Neighbours, build_mediation
from serbero.daemon.node_parts import build_node, speaks_v1
from serbero.daemon.observer import DaemonObserver
from serbero.daemon.retention import Retention
from serbero.daemon.roads import Roads
from serbero.delivery.directory import Directory
from serbero.delivery.inboxes import InboxLookup
from serbero.delivery.introduction import Introduction
from serbero.delivery.judgement import Pace
from serbero.delivery.node_relays import NodeRelays
from serbero.delivery.settlement import Settlement
from serbero.delivery.worker import DeliverySettings, DeliveryWorker
from serbero.escalation.dispatching import handoff_dead, handoff_sent
from serbero.intake.feed import Feed
from serbero.intake.held_news import HeldNews
from serbero.intake.reconcile import Reconciler
from serbero.intake.recording import Follow
from serbero.intake.reminders import ReminderPace, Reminders
from serbero.intake.settlement import initial_sent, reminder_sent
from serbero.mediation.engine import Engine, Recorder
from serbero.mediation.settlement import question_sent
from serbero.mediation.summarising import SummarySettlement
from serbero.model.notification import Purpose
from serbero.mostro.dispute_event import DISPUTE_KIND
from serbero.node.taking import Taker
from serbero.node.watch import NodeWatch
from serbero.observe.health import Health
from serbero.observe.metrics import Metrics
from serbero.relays.pool import RelayPool
from serbero.relays.settings import RelaySettings
from serbero.relays.subscriptions import Filter, Subscription
from serbero.solvers.inbound import Console
from serbero.store.engine import Store
from serbero.store.patient import PatientStore

_log = structlog.get_logger(__name__)

DISPUTES_SUBSCRIPTION: Final = "disputes"
DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that runs, connected."""

    config: Config
    clock: Clock
    metrics: Metrics
    health: Health
    store: Store
    patient: PatientStore
    observer: DaemonObserver
    pool: RelayPool
    feed: Feed
    worker: DeliveryWorker
    reminders: Reminders
    reconciler: Reconciler
    inboxes: InboxLookup
    introduction: Introduction | None
    gauges: Gauges
    retention: Retention
    clock_watch: ClockWatch
    watch: NodeWatch
    taker: Taker
    held_news: HeldNews
    roads: Roads
    chats: Chats
    speaker: Speaker
    engine: Engine
    escalation: EscalationParts
    console: Console
    alerts: AlertParts | None


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
    metrics, health, patient = base.metrics, base.health, base.patient
    observer = DaemonObserver(
        metrics=metrics,
        health=health,
        wanted=config.observe.min_hearing_relays,
        configured=len(config.relay_urls),
    )
    pool = RelayPool(
        keys=config.keys,
        clock=clock,
        urls=config.relay_urls,
        observer=observer,
        settings=relay_settings
        or RelaySettings(publish_timeout_seconds=config.delivery.publish_timeout_seconds),
    )
    directory = Directory(config.relay_urls, config.solvers)
    worker = _delivery(base, pool, directory)
    chats = _chats(base, pool)
    hooks = Hooks()
    feed, reconciler, reminders = _intake(base, pool, worker, observer, chats, hooks)
    roads = Roads(pool, _node_relays(base, directory, worker))

    def look_back(horizon: int) -> None:
        feed.look_back(horizon)
        reconciler.look_back(horizon)
        worker.wake()

    def on_dispute_event(url: str, event: Event) -> None:
        feed.on_event(url, event)
        taker.saw_node_event(url, event)

    observer.hearing_count = pool.hearing_count

    def on_gap() -> None:
        reconciler.request()
        chats.look_now()

    observer.on_gap = on_gap
    observer.on_return = worker.relay_returned
    pool.subscribe(
        Subscription(
            DISPUTES_SUBSCRIPTION,
            filters=lambda: dispute_filters(config.mostro.pubkey_hex, feed.cursor),
            on_event=on_dispute_event,
            proves_hearing=True,
        )
    )
    watch, taker = build_node(base, pool, worker, feed, roads, chats, hooks)
    speaker = Speaker(
        keys=config.keys,
        legacy=LegacyChat(config.chat.legacy),
        deadline_seconds=config.delivery.deadline_seconds,
        speaks_v1=lambda: speaks_v1(watch),
    )
    escalation = build_escalation(base, lambda: watch.info, worker.wake)

    def wake() -> None:
        worker.wake()
        if escalation.dispatcher is not None:
            escalation.dispatcher.wake()

    engine = build_mediation(
        base,
        Neighbours(
            speaker=speaker,
            take=taker.take,
            info=lambda: watch.info,
            wake=wake,
            channels_changed=chats.channels_changed,
            ears=chats,
        ),
    )
    hooks.lead_to(engine)
    chats.listen(engine.on_accepted)
    console = build_console(base, pool, lambda: watch.info, worker.wake, escalation.wake)
    return Parts(
        config=config,
        clock=clock,
        metrics=metrics,
        health=health,
        store=base.store,
        patient=patient,
        observer=observer,
        pool=pool,
        feed=feed,
        worker=worker,
        reminders=reminders,
        reconciler=reconciler,
        inboxes=InboxLookup(
            store=patient,
            asker=pool,
            directory=directory,
            clock=clock,
            allow_private=config.delivery.allow_private_relays,
            on_change=worker.wake,
        ),
        introduction=_introduction(config, pool, clock),
        gauges=Gauges(store=patient, metrics=metrics, health=health, clock=clock),
        retention=Retention(
            store=patient,
            path=config.db_path,
            closed_days=config.retention.closed_days,
            clock=clock,
        ),
        clock_watch=ClockWatch(
            store=patient, clock=clock, steps=base.steps, on_turned_back=look_back
        ),
        watch=watch,
        taker=taker,
        held_news=HeldNews(
            store=patient,
            audience=base.audience,
            clock=clock,
            on_enqueued=worker.wake,
            on_release=Following(base.endings).released,
        ),
        roads=roads,
        chats=chats,
        speaker=speaker,
        engine=engine,
        escalation=escalation,
        console=console,
        alerts=await build_alerts(base),
    )


def _delivery(base: Base, pool: RelayPool, directory: Directory) -> DeliveryWorker:
    wanted, summary = base.config.delivery, SummarySettlement(base.audience)
    return DeliveryWorker(
        store=base.patient,
        publisher=pool,
        keys=base.config.keys,
        clock=base.clock,
        relays_of=directory.relays_of,
        settlements={
            Purpose.INITIAL: Settlement(on_sent=initial_sent, once_a_round=True),
            Purpose.RENOTIFICATION: Settlement(on_sent=reminder_sent, once_a_round=True),
            Purpose.PARTY_MESSAGE: Settlement(on_sent=question_sent),
            Purpose.MEDIATION_SUMMARY: Settlement(on_sent=summary.sent, on_dead=summary.dead),
            Purpose.HANDOFF: Settlement(on_sent=handoff_sent, on_dead=handoff_dead),
        },
        settings=DeliverySettings(
            pace=Pace(wanted.backoff_initial_seconds, wanted.backoff_max_seconds),
            expiration_seconds=wanted.expiration_days * DAY_SECONDS,
        ),
        metrics=base.metrics,
        deadlines_by=base.steps.steady,
    )


def _node_relays(base: Base, directory: Directory, worker: DeliveryWorker) -> NodeRelays:
    return NodeRelays(
        store=base.patient,
        directory=directory,
        clock=base.clock,
        allow_private=base.config.delivery.allow_private_relays,
        on_change=worker.wake,
    )


def _chats(base: Base, pool: RelayPool) -> Chats:
    return Chats(
        keys=base.config.keys,
        store=base.patient,
        relays=pool,
        clock=base.clock,
        metrics=base.metrics,
        interval_seconds=max(1, base.config.chat.inbound_fetch_interval_seconds),
        record=Recorder(base.config.mediation.settle_seconds).record,
    )


def _intake(
    base: Base,
    pool: RelayPool,
    worker: DeliveryWorker,
    observer: DaemonObserver,
    chats: Chats,
    hooks: Hooks,
) -> tuple[Feed, Reconciler, Reminders]:
    config, node = base.config, base.config.mostro.pubkey_hex

    following = Following(base.endings)

    def on_enqueued() -> None:
        worker.wake()
        hooks.on_revisions()

    feed = Feed(
        node=node,
        store=base.patient,
        audience=base.audience,
        horizon=base.horizon,
        cursor=base.cursor,
        clock=base.clock,
        metrics=base.metrics,
        on_enqueued=on_enqueued,
        on_gap=observer.stream_lagged,
        follow=Follow(following.released, following.applied),
        on_custody=lambda _dispute_id, _custody: chats.look_now(),
    )
    reconciler = Reconciler(
        node=node,
        store=base.patient,
        asker=pool,
        offer=feed.offer,
        horizon=base.horizon,
        interval=config.mostro.reconcile_interval_seconds,
        clock=base.clock,
        metrics=base.metrics,
    )
    reminders = Reminders(
        node=node,
        store=base.patient,
        audience=base.audience,
        pace=ReminderPace(
            interval=config.timeouts.renotification_seconds,
            growth=config.timeouts.renotification_backoff,
            check_every=config.timeouts.check_seconds,
        ),
        clock=base.clock,
        on_enqueued=worker.wake,
    )
    return feed, reconciler, reminders


def dispute_filters(node: str, cursor: int) -> list[Filter]:
    """Return the live subscription: by author and kind only, so that no status is filtered out.

    Args:
        node: the node's key in hex.
        cursor: Unix seconds to ask from.
    """
    return [{"kinds": [DISPUTE_KIND], "authors": [node], "since": max(0, cursor)}]


def _introduction(config: Config, pool: RelayPool, clock: Clock) -> Introduction | None:
    if not config.identity.publish:
        return None
    return Introduction(
        keys=config.keys,
        publisher=pool,
        relays=config.relay_urls,
        allow_private=config.delivery.allow_private_relays,
        name=config.identity.name,
        about=config.identity.about,
        clock=clock,
    )
