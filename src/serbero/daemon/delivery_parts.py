"""Delivery as a part of the composition: the outbox's worker, and where recipients read."""

from dataclasses import dataclass
from typing import Final

from serbero.daemon.base import Base
from serbero.daemon.further_relays import FurtherRelays
from serbero.delivery.directory import Directory
from serbero.delivery.inboxes import InboxLookup
from serbero.delivery.introduction import Introduction
from serbero.delivery.judgement import Pace
from serbero.delivery.node_relays import NodeRelays
from serbero.delivery.settlement import Settlement
from serbero.delivery.worker import DeliverySettings, DeliveryWorker
from serbero.escalation.dispatching import handoff_dead, handoff_sent
from serbero.intake.settlement import initial_sent, reminder_sent
from serbero.mediation.settlement import question_sent
from serbero.mediation.summarising import SummarySettlement
from serbero.model.notification import Purpose
from serbero.relays.pool import RelayPool

_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class DeliveryParts:
    """What brings messages to people.

    Attributes:
        worker: works the outbox off.
        inboxes: looks up where recipients read.
        further_relays: hands on the relays that the node lists.
        introduction: publishes who we are; None where the configuration does not want it.
    """

    worker: DeliveryWorker
    inboxes: InboxLookup
    further_relays: FurtherRelays
    introduction: Introduction | None


def build_delivery(base: Base, pool: RelayPool) -> DeliveryParts:
    """Connect what brings messages to people.

    Args:
        base: what every part stands on.
        pool: the relays.
    """
    directory = Directory(base.config.relay_urls, base.config.solvers)
    worker = _worker(base, pool, directory)
    node_relays = NodeRelays(
        store=base.patient,
        directory=directory,
        clock=base.clock,
        allow_private=base.config.delivery.allow_private_relays,
        on_change=worker.wake,
    )
    inboxes = InboxLookup(
        store=base.patient,
        asker=pool,
        directory=directory,
        clock=base.clock,
        allow_private=base.config.delivery.allow_private_relays,
        on_change=worker.wake,
    )
    return DeliveryParts(
        worker=worker,
        inboxes=inboxes,
        further_relays=FurtherRelays(pool, node_relays),
        introduction=_introduction(base, pool),
    )


def _worker(base: Base, pool: RelayPool, directory: Directory) -> DeliveryWorker:
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
            expiration_seconds=wanted.expiration_days * _DAY_SECONDS,
        ),
        metrics=base.metrics,
        deadlines_by=base.steps.steady,
    )


def _introduction(base: Base, pool: RelayPool) -> Introduction | None:
    config = base.config
    if not config.identity.publish:
        return None
    return Introduction(
        keys=config.keys,
        publisher=pool,
        relays=config.relay_urls,
        allow_private=config.delivery.allow_private_relays,
        name=config.identity.name,
        about=config.identity.about,
        clock=base.clock,
    )
