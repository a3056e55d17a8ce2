"""The chats with parties as a part of the composition: hearing them, and writing to them."""

from collections.abc import Callable

from serbero.chat.channels import Chats
from serbero.chat.envelopes import LegacyChat
from serbero.chat.speaking import Speaker
from serbero.daemon.base import Base
from serbero.mediation.engine import Recorder
from serbero.relays.pool import RelayPool


def build_chats(base: Base, pool: RelayPool) -> Chats:
    """Be ready to hear parties.

    Args:
        base: what every part stands on.
        pool: the relays.
    """
    return Chats(
        keys=base.config.keys,
        store=base.patient,
        relays=pool,
        clock=base.clock,
        metrics=base.metrics,
        interval_seconds=max(1, base.config.chat.inbound_fetch_interval_seconds),
        record=Recorder(base.config.mediation.settle_seconds).record,
    )


def build_speaker(base: Base, speaks_v1: Callable[[], bool]) -> Speaker:
    """Be ready to write to parties.

    Args:
        base: what every part stands on.
        speaks_v1: whether the node speaks protocol 1 just now.
    """
    return Speaker(
        keys=base.config.keys,
        legacy=LegacyChat(base.config.chat.legacy),
        deadline_seconds=base.config.delivery.deadline_seconds,
        speaks_v1=speaks_v1,
    )
