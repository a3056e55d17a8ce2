"""How to speak to the node, from what it says of itself and what the operator wants. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from serbero.mostro.node_info import NodeInfo, Transport

Wanted = Literal["auto", "nip44", "gift-wrap"]
"""``[mostro].transport``."""


class NoWayReason(StrEnum):
    """Why no message can be sent to the node."""

    NO_INFO = "no_info"
    """No info event was found: what it speaks is unknown, and guessing is no way."""
    UNSUPPORTED_VERSION = "unsupported_version"
    """It speaks a version of the protocol that this program does not."""


@dataclass(frozen=True, slots=True)
class NoWay:
    """Disputes are seen and told of, but none is taken."""

    reason: NoWayReason


@dataclass(frozen=True, slots=True)
class Way:
    """How to speak to the node.

    Attributes:
        transport: the envelope.
        version: what messages state as theirs.
        bits: leading zero bits that every event to it must show, as far as it says.
        first_contact_known: whether ``bits`` covers what it wants of a stranger. A node of
            version 0.18.0 enforces a number without telling it.
        rival: the key of the assistant that the node names, where it is not ours; else None.
    """

    transport: Transport
    version: int
    bits: int
    first_contact_known: bool
    rival: str | None


_FORCED: Final[dict[str, Transport]] = {
    "nip44": Transport.NIP44,
    "gift-wrap": Transport.GIFT_WRAP,
}


def decide(info: NodeInfo | None, wanted: Wanted, own_key: str) -> Way | NoWay:
    """Return how to speak to the node.

    A forced transport overrides the version the node states. Without an info event there is no
    way, whatever is forced: its demands on our events are unknown.

    Args:
        info: the newest info event, None if there is none.
        wanted: the operator's word.
        own_key: ours, in hex.
    """
    if info is None:
        return NoWay(NoWayReason.NO_INFO)
    transport = _FORCED.get(wanted, info.transport)
    if transport is None:
        return NoWay(NoWayReason.UNSUPPORTED_VERSION)
    return Way(
        transport=transport,
        version=transport.message_version,
        bits=_bits(info, transport),
        first_contact_known=_work_is_known(info, transport),
        rival=None if info.serbero == own_key else info.serbero,
    )


def _gated(transport: Transport) -> bool:
    """Whether strangers have to do more work; on v1 they do not (Mostro, src/app.rs)."""
    return transport is Transport.NIP44


def _work_is_known(info: NodeInfo, transport: Transport) -> bool:
    """What is wanted of strangers includes what is wanted of everybody (Mostro, src/nip33.rs)."""
    wanted = info.pow_first_contact if _gated(transport) else info.pow
    return wanted is not None


def _bits(info: NodeInfo, transport: Transport) -> int:
    """Every event of ours may count as a stranger's: recognition lags and cannot be seen."""
    stranger = info.pow_first_contact if _gated(transport) else None
    return max(info.pow or 0, stranger or 0)
