"""What every part stands on: an open database, made true to the clock and the configuration."""

from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from serbero.clock import Clock, Steps, now_ms
from serbero.config.settings import Config
from serbero.daemon.consequences import Consequences
from serbero.delivery.dismissal import dismiss
from serbero.delivery.telling import tell_settled
from serbero.intake import custody
from serbero.intake.announcing import Audience
from serbero.intake.feed import OVERLAP_SECONDS
from serbero.mediation.ending import Endings
from serbero.mediation.inherited import hand_over_inherited
from serbero.model.taking import Release
from serbero.observe.health import Health
from serbero.observe.metrics import Metrics
from serbero.store import clock_steps, corrected_clock, cursors, deadlines, parties
from serbero.store.engine import Store
from serbero.store.new_key import reauthor, withdraw_party_messages
from serbero.store.patient import PatientStore

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Base:
    """What every part stands on: an open database, and where its stream of events goes on.

    Attributes:
        steps: knows how the wall clock was set since the start.
        store: the database; a transaction fails where it is locked, read-only or full.
        patient: the same database; a transaction waits until that is over.
        audience: who is told of disputes.
        consequences: what follows from what happens to a dispute.
        horizon: Unix seconds; an unknown dispute whose revision is older is not ours.
        cursor: Unix seconds from which the live subscription asks.
    """

    config: Config
    clock: Clock
    steps: Steps
    metrics: Metrics
    health: Health
    store: Store
    patient: PatientStore
    audience: Audience
    consequences: Consequences
    horizon: int
    cursor: int


async def open_base(config: Config, clock: Clock) -> Base:
    """Open the database and make it true to the clock and the configuration of today.

    Raises:
        StoreError: the database cannot be used.
    """
    steps, metrics, health = Steps(clock), Metrics(), Health(clock)
    store = Store.open(config.db_path, clock.now())
    patient = PatientStore(store, clock, health, metrics)
    first_horizon = clock.now() - config.mostro.cold_start_lookback_seconds
    horizon, cursor = await patient.transact(
        cursors.open_stream, first_horizon, OVERLAP_SECONDS, clock.now()
    )
    await patient.transact(true_to_the_clock, steps.steady())
    audience = _audience(config)
    base = Base(
        config=config,
        clock=clock,
        steps=steps,
        metrics=metrics,
        health=health,
        store=store,
        patient=patient,
        audience=audience,
        consequences=Consequences(Endings(audience)),
        horizon=horizon,
        cursor=cursor,
    )
    await _true_to_the_configuration(base)
    return base


def _audience(config: Config) -> Audience:
    handing_over = config.escalation
    return Audience(
        config.public_key,
        config.solvers,
        config.delivery.deadline_seconds,
        handing_over.fallback_to_all_solvers if handing_over.enabled else None,
    )


def true_to_the_clock(tx: sa.Connection, now: int) -> None:
    """Correct what an earlier life wrote by a clock that was ahead, or could not do meanwhile."""
    if behind := clock_steps.notice(tx, now):
        _log.warning(
            "clock_set_back",
            seconds=behind,
            consequence="what waited for a time by the wrong clock is due now",
        )
        corrected_clock.ask_again(tx, now)
    corrected_clock.correct(tx, now)
    deadlines.resume(tx, now)


async def _true_to_the_configuration(base: Base) -> None:
    """Drop what holds no more: for another key of ours, for people who are not configured."""
    config, clock, patient, audience = base.config, base.clock, base.patient, base.audience
    await patient.transact(reauthor, config.public_key)
    await patient.transact(withdraw_party_messages, config.public_key, clock.now())
    at_ms = now_ms(clock)
    if lost := await patient.transact(let_go_of_another_keys, audience, at_ms):
        _log.warning(
            "disputes_lost_with_the_key",
            count=lost,
            consequence="the node and the parties know the old key; the node's operator or a "
            "solver with write permission can take these disputes over",
        )
    if inherited := await patient.transact(hand_over_inherited, audience, at_ms):
        _log.warning(
            "mediations_handed_over",
            count=inherited,
            consequence="the reference led them and recorded no keys of their chats; people go on",
        )
    withdrawn = await patient.transact(dismiss, audience.reachable, clock.now())
    tell_settled(withdrawn, base.metrics)


def let_go_of_another_keys(tx: sa.Connection, audience: Audience, at_ms: int) -> int:
    """Hold no dispute that was taken under another key: neither node nor parties know this one."""
    lost = parties.held_under_another_key(tx, audience.sender)
    for dispute_id in lost:
        custody.give_up(
            tx,
            audience,
            dispute_id,
            Release.KEY_CHANGED,
            at_ms,
            f"own_key_changed.{audience.sender}",
            on_release=Endings(audience).released,
        )
    return len(lost)
