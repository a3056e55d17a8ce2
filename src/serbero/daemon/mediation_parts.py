"""Mediation's part of the composition. With mediation off, open sessions are still seen to."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
import structlog

from serbero.chat.speaking import Speaker
from serbero.config.settings import Config
from serbero.daemon.base import Base
from serbero.mediation.authority import Authority
from serbero.mediation.briefing import Briefs
from serbero.mediation.bundles import Bundles
from serbero.mediation.clocks import Clocks, Ears, Limits
from serbero.mediation.conversing import Conversation
from serbero.mediation.engine import BringUp, Engine
from serbero.mediation.escalating import escalate_live
from serbero.mediation.evaluation import Acting
from serbero.mediation.mind import Mind
from serbero.mediation.opening import Opener
from serbero.mediation.standing import RetryPace
from serbero.mediation.starting import Starter, StartSettings
from serbero.mediation.summarising import Summariser
from serbero.messages.party import Language
from serbero.model.mediation import Trigger
from serbero.model.taking import TakeState
from serbero.mostro.node_info import NodeInfo
from serbero.node.result import Taken, TakeResult
from serbero.observe.health import Voice
from serbero.reasoning.reasoner import Reasoner
from serbero.store.escalations import Handoff

_log = structlog.get_logger(__name__)

_LEAST_START_SECONDS: Final = 300
"""A life that finds a dispute held may need so long to begin with it."""
_OFF: Final = "mediation is off: disputes are notified and taken by people"


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What mediation is given of the rest of the daemon.

    Attributes:
        speaker: writes to parties.
        take: asks the node for a dispute.
        info: the node's newest info event.
        wake: there is something to send.
        channels_changed: channels were opened or closed.
        ears: how well the parties are heard.
    """

    speaker: Speaker
    take: Callable[[str], Awaitable[TakeResult]]
    info: Callable[[], NodeInfo | None]
    wake: Callable[[], None]
    channels_changed: Callable[[], None]
    ears: Ears


class Hooks:
    """What the rest of the daemon tells mediation, which is built last."""

    def __init__(self) -> None:
        self._engine: Engine | None = None

    def lead_to(self, engine: Engine) -> None:
        """Tell ``engine`` from now on."""
        self._engine = engine

    def on_taken(self, tx: sa.Connection, taken: Taken, now: int) -> None:
        """A dispute is ours, in the transaction that records it."""
        if self._engine is not None and self._engine.starter is not None:
            self._engine.starter.on_taken(tx, taken, now)

    def on_outcome(
        self, tx: sa.Connection, dispute_id: str, state: TakeState, reason: str | None, now: int
    ) -> None:
        """A take ended, in the transaction that records it."""
        if self._engine is not None and self._engine.starter is not None:
            self._engine.starter.on_outcome(tx, dispute_id, state, reason, now)

    def on_concluded(self, result: TakeResult) -> None:
        """The outcome of a take was committed, however late it came."""
        if isinstance(result, Taken) and self._engine is not None:
            self._engine.granted()

    def on_revisions(self) -> None:
        """Something about disputes was written."""
        if self._engine is not None:
            self._engine.wake_starts()

    def on_node_info(self) -> None:
        """The node said something of itself."""
        if self._engine is not None:
            self._engine.node_info_seen()


def build_mediation(base: Base, near: Neighbours) -> Engine:
    """Connect mediation.

    Args:
        base: what every part stands on.
        near: the rest of the daemon.
    """
    config, store, clock, metrics = base.config, base.patient, base.clock, base.metrics
    said: dict[str, str] = {}
    authority = _authority(base, near, Voice(base.health, said, "standing"))
    bundles, mind = Bundles(store), _mind(base, Voice(base.health, said, "model"))

    def on_enqueued() -> None:
        near.wake()
        near.channels_changed()

    acting = Acting(
        audience=base.audience,
        speaker=near.speaker,
        language=Language(config.mediation.language),
        max_rounds=config.mediation.max_rounds,
    )
    conversation = Conversation(
        store=store,
        mind=mind,
        bundles=bundles,
        acting=acting,
        summariser=Summariser(
            store=store,
            mind=mind,
            bundles=bundles,
            audience=base.audience,
            clock=clock,
            on_enqueued=on_enqueued,
        ),
        clock=clock,
        metrics=metrics,
        on_enqueued=on_enqueued,
    )
    clocks = Clocks(
        store=store,
        audience=base.audience,
        limits=_limits(config),
        ears=near.ears,
        clock=clock,
        metrics=metrics,
        on_enqueued=on_enqueued,
    )
    briefs = Briefs(store=store, audience=base.audience, clock=clock, on_enqueued=near.wake)
    if mind is None:
        return Engine(conversation=conversation, clocks=clocks, briefs=briefs)
    starter = Starter(
        store=store,
        mind=mind,
        bundles=bundles,
        authority=authority,
        opener=Opener(config.keys, base.audience, near.speaker, acting.language),
        take=near.take,
        clock=clock,
        metrics=metrics,
        settings=StartSettings(
            node=config.mostro.pubkey_hex,
            at_once=config.mediation.max_concurrent_starts,
            deadline_seconds=config.mediation.start_deadline_seconds,
            max_rounds=config.mediation.max_rounds,
        ),
        on_enqueued=on_enqueued,
    )
    return Engine(
        conversation=conversation,
        clocks=clocks,
        briefs=briefs,
        starter=starter,
        authority=authority,
        bring_up=BringUp(
            config.prompts, mind, bundles, Voice(base.health, said, "bring-up"), clock
        ),
        mind=mind,
    )


def _mind(base: Base, health: Voice) -> Mind | None:
    config = base.config
    if not (config.mediation.enabled and config.reasoning.enabled and config.model_endpoints):
        if config.mediation.enabled:
            _log.warning("mediation_off", reason="no model to ask", consequence=_OFF)
        return None
    reasoner = Reasoner(config.model_endpoints, config.reasoning, base.clock)
    return Mind(reasoner, base.patient, base.clock, base.metrics, health)


def _limits(config: Config) -> Limits:
    return Limits(
        silence=config.mediation.party_response_timeout_seconds,
        session=config.mediation.session_deadline_seconds,
        start=max(_LEAST_START_SECONDS, config.mediation.start_deadline_seconds),
    )


def _authority(base: Base, near: Neighbours, health: Voice) -> Authority:
    config = base.config

    def on_lost(tx: sa.Connection, now: int) -> None:
        escalate_live(tx, base.audience, Handoff(Trigger.AUTHORIZATION_LOST), now * 1000)

    def on_change() -> None:
        near.wake()
        near.channels_changed()

    return Authority(
        node=config.mostro.pubkey_hex,
        own_key=config.public_key,
        info=near.info,
        store=base.patient,
        clock=base.clock,
        health=health,
        pace=RetryPace.of(config.mediation),
        on_lost=on_lost,
        on_change=on_change,
    )
