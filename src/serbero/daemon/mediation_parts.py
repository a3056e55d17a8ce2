"""Mediation's part of the composition. With mediation off, open sessions are still seen to."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
import structlog

from serbero.chat.speaking import Speaker
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
from serbero.mostro.node_info import NodeInfo
from serbero.node.result import TakeResult
from serbero.observe.health import Voice
from serbero.reasoning.reasoner import Reasoner
from serbero.store.escalations import Handoff

_log = structlog.get_logger(__name__)

_LEAST_START_SECONDS: Final = 300
"""A life that finds a dispute held may need so long to begin with it."""
_OFF: Final = "mediation is off: disputes are notified and taken by people"


@dataclass(frozen=True, slots=True)
class MediationNeighbours:
    """What mediation is given of the rest of the daemon.

    Attributes:
        speaker: writes to parties.
        take: asks the node for a dispute.
        info: the node's newest info event.
        wake_delivery: there is something to send.
        wake_dispatcher: a hand-off may be ready.
        channels_changed: channels were opened or closed.
        ears: how well the parties are heard.
    """

    speaker: Speaker
    take: Callable[[str], Awaitable[TakeResult]]
    info: Callable[[], NodeInfo | None]
    wake_delivery: Callable[[], None]
    wake_dispatcher: Callable[[], None]
    channels_changed: Callable[[], None]
    ears: Ears

    def on_enqueued(self) -> None:
        """Messages or a hand-off were enqueued, and channels opened or closed with them."""
        self.wake_delivery()
        self.wake_dispatcher()
        self.channels_changed()


def build_mediation(base: Base, near: MediationNeighbours) -> Engine:
    """Connect mediation.

    Args:
        base: what every part stands on.
        near: the rest of the daemon.
    """
    said: dict[str, str] = {}
    mind = _mind(base, Voice(base.health, said, "model"))
    bundles = Bundles(base.patient)
    acting = Acting(
        audience=base.audience,
        speaker=near.speaker,
        language=Language(base.config.mediation.language),
        max_rounds=base.config.mediation.max_rounds,
    )
    conversation = _conversation(base, near, mind, bundles, acting)
    clocks, briefs = _clocks(base, near), _briefs(base, near)
    if mind is None:
        return Engine(conversation=conversation, clocks=clocks, briefs=briefs)
    authority = _authority(base, near, Voice(base.health, said, "standing"))
    voice = Voice(base.health, said, "bring-up")
    return Engine(
        conversation=conversation,
        clocks=clocks,
        briefs=briefs,
        starter=_starter(base, near, mind, bundles, authority),
        authority=authority,
        bring_up=BringUp(base.config.prompts, mind, bundles, voice, base.clock),
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


def _conversation(
    base: Base, near: MediationNeighbours, mind: Mind | None, bundles: Bundles, acting: Acting
) -> Conversation:
    return Conversation(
        store=base.patient,
        mind=mind,
        bundles=bundles,
        acting=acting,
        summariser=Summariser(
            store=base.patient,
            mind=mind,
            bundles=bundles,
            audience=base.audience,
            clock=base.clock,
            on_enqueued=near.on_enqueued,
        ),
        clock=base.clock,
        metrics=base.metrics,
        on_enqueued=near.on_enqueued,
    )


def _clocks(base: Base, near: MediationNeighbours) -> Clocks:
    section = base.config.mediation
    return Clocks(
        store=base.patient,
        audience=base.audience,
        limits=Limits(
            silence=section.party_response_timeout_seconds,
            session=section.session_deadline_seconds,
            start=max(_LEAST_START_SECONDS, section.start_deadline_seconds),
        ),
        ears=near.ears,
        clock=base.clock,
        metrics=base.metrics,
        on_enqueued=near.on_enqueued,
    )


def _briefs(base: Base, near: MediationNeighbours) -> Briefs:
    return Briefs(
        store=base.patient,
        audience=base.audience,
        clock=base.clock,
        on_enqueued=near.wake_delivery,
    )


def _starter(
    base: Base, near: MediationNeighbours, mind: Mind, bundles: Bundles, authority: Authority
) -> Starter:
    config = base.config
    language = Language(config.mediation.language)
    return Starter(
        store=base.patient,
        mind=mind,
        bundles=bundles,
        authority=authority,
        opener=Opener(config.keys, base.audience, near.speaker, language),
        take=near.take,
        clock=base.clock,
        metrics=base.metrics,
        settings=StartSettings(
            node=config.mostro.pubkey_hex,
            at_once=config.mediation.max_concurrent_starts,
            deadline_seconds=config.mediation.start_deadline_seconds,
            max_rounds=config.mediation.max_rounds,
        ),
        on_enqueued=near.on_enqueued,
    )


def _authority(base: Base, near: MediationNeighbours, health: Voice) -> Authority:
    config = base.config

    def on_lost(tx: sa.Connection, now: int) -> None:
        escalate_live(tx, base.audience, Handoff(Trigger.AUTHORIZATION_LOST), now * 1000)

    return Authority(
        node=config.mostro.pubkey_hex,
        own_key=config.public_key,
        info=near.info,
        store=base.patient,
        clock=base.clock,
        health=health,
        pace=RetryPace.of(config.mediation),
        on_lost=on_lost,
        on_change=near.on_enqueued,
    )
