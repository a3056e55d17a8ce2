"""Intake as a part of the composition: disputes are heard of, looked up, and told of again."""

from collections.abc import Callable
from dataclasses import dataclass

from serbero.daemon.base import Base
from serbero.intake.feed import Feed
from serbero.intake.held_news import HeldNews
from serbero.intake.reconcile import Reconciler
from serbero.intake.recording import Follow
from serbero.intake.reminders import ReminderPace, Reminders
from serbero.relays.pool import RelayPool


@dataclass(frozen=True, slots=True)
class IntakeNeighbours:
    """What intake tells the rest of the daemon.

    Attributes:
        wake: there is something to send.
        on_recorded: revisions were recorded; there may be something to mediate.
        on_lag: events were dropped on our side and must be looked up.
        on_custody: it may be another than before who holds a dispute.
    """

    wake: Callable[[], None]
    on_recorded: Callable[[], None]
    on_lag: Callable[[], None]
    on_custody: Callable[[], None]


@dataclass(frozen=True, slots=True)
class IntakeParts:
    """What hears of disputes, and reminds of those that nobody took.

    Attributes:
        feed: records what relays tell.
        reconciler: asks them for what was missed.
        reminders: tells solvers again.
        held_news: tells what waited too long for the outcome of a take of ours.
    """

    feed: Feed
    reconciler: Reconciler
    reminders: Reminders
    held_news: HeldNews

    def look_back(self, horizon: int) -> None:
        """Go back to a horizon that was lowered, Unix seconds."""
        self.feed.look_back(horizon)
        self.reconciler.look_back(horizon)


def build_intake(base: Base, pool: RelayPool, near: IntakeNeighbours) -> IntakeParts:
    """Connect what hears of disputes.

    Args:
        base: what every part stands on.
        pool: the relays.
        near: the rest of the daemon.
    """
    feed = _feed(base, near)
    return IntakeParts(
        feed=feed,
        reconciler=_reconciler(base, pool, feed),
        reminders=_reminders(base, near),
        held_news=HeldNews(
            store=base.patient,
            audience=base.audience,
            clock=base.clock,
            on_enqueued=near.wake,
            on_release=base.consequences.released,
        ),
    )


def _feed(base: Base, near: IntakeNeighbours) -> Feed:
    def on_enqueued() -> None:
        near.wake()
        near.on_recorded()

    return Feed(
        node=base.config.mostro.pubkey_hex,
        store=base.patient,
        audience=base.audience,
        horizon=base.horizon,
        cursor=base.cursor,
        clock=base.clock,
        metrics=base.metrics,
        on_enqueued=on_enqueued,
        on_gap=near.on_lag,
        follow=Follow(base.consequences.released, base.consequences.applied),
        on_custody=lambda _dispute_id, _custody: near.on_custody(),
    )


def _reconciler(base: Base, pool: RelayPool, feed: Feed) -> Reconciler:
    return Reconciler(
        node=base.config.mostro.pubkey_hex,
        store=base.patient,
        asker=pool,
        offer=feed.offer,
        horizon=base.horizon,
        interval=base.config.mostro.reconcile_interval_seconds,
        clock=base.clock,
        metrics=base.metrics,
    )


def _reminders(base: Base, near: IntakeNeighbours) -> Reminders:
    timeouts = base.config.timeouts
    return Reminders(
        node=base.config.mostro.pubkey_hex,
        store=base.patient,
        audience=base.audience,
        pace=ReminderPace(
            interval=timeouts.renotification_seconds,
            growth=timeouts.renotification_backoff,
            check_every=timeouts.check_seconds,
        ),
        clock=base.clock,
        on_enqueued=near.wake,
    )
