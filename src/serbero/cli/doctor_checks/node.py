"""From what the node says of itself to findings: how a take would go, and by which relays. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from serbero.cli.doctor_checks.findings import (
    Finding,
    counted,
    duration,
    fine,
    note,
    warning,
)
from serbero.mostro.node_info import NodeInfo, Transport
from serbero.node import pacing
from serbero.node.announcements import MAX_EXTRA_RELAYS, extra_relays, listed, replaces
from serbero.node.standing import NoWay, Wanted, Way, decide
from serbero.nostr.addresses import loggable
from serbero.nostr.keys import npub
from serbero.nostr.relay_list import RelayList

INFO_STALE_SECONDS: Final = 3_600
"""The node republishes its info event every 300 s by default; an hour is twelve missed."""

MAX_CONFIGURABLE_BITS: Final = 32
"""The highest ``[mostro].max_pow_bits``."""

WORK_SHARE: Final = 3
"""Work is luck: of a patience three times the mean, one request in twenty still runs out."""

_WORDS: Final = {Transport.NIP44: "NIP-44 direct", Transport.GIFT_WRAP: "gift wrap"}


@dataclass(frozen=True, slots=True)
class NodeSeen:
    """What the relays hold of the node's own announcements, verified.

    Attributes:
        info: the newest info event that counts, None if there is none.
        ahead_seconds: of an info event dated too far ahead of our clock to count; None if none is.
        relays: the newest relay list, None if there is none.
        asked: how many relays gave a complete answer.
    """

    info: NodeInfo | None
    ahead_seconds: int | None
    relays: RelayList | None
    asked: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What a take goes by on our side.

    Attributes:
        transport: ``[mostro].transport``.
        max_bits: ``[mostro].max_pow_bits``.
        patience_seconds: ``[mostro].take_timeout_seconds``.
        own_key: ours, in hex.
        tries_per_second: how fast this machine works.
    """

    transport: Wanted
    max_bits: int
    patience_seconds: int
    own_key: str
    tries_per_second: float


def node_findings(
    seen: NodeSeen, remembered: NodeInfo | None, terms: Terms, now: int
) -> list[Finding]:
    """Findings of the node itself.

    Args:
        seen: what relays hold.
        remembered: what the database keeps of an earlier sight; a take falls back on it.
        terms: ours.
        now: Unix seconds.
    """
    if not seen.asked:
        return [warning("node", "not looked up: no relay answered", "mend the relays first")]
    found = _absence(seen, remembered) if seen.info is None else []
    info = used(seen.info, remembered, now)
    if info is None:
        return found
    way = decide(info, terms.transport, terms.own_key)
    said = _said(info, way, terms)
    if found:
        found.append(note("node", f"remembered, and used: {said}"))
    else:
        found.append(_speaks(said, now - info.created_at))
    if isinstance(way, NoWay) or info.transport is None:
        found.append(_unknown_version(info, way))
    if isinstance(way, NoWay):
        return found
    if info.transport not in (None, way.transport):
        found.append(_forced(info, way))
    return found + _work(way, terms) + _assistant(info, way, terms)


def used(shown: NodeInfo | None, remembered: NodeInfo | None, now: int) -> NodeInfo | None:
    """Which of the two a take goes by; ``now`` in Unix seconds."""
    if shown is None or (remembered is not None and replaces(remembered, shown, now)):
        return remembered
    return shown


def _absence(seen: NodeSeen, remembered: NodeInfo | None) -> list[Finding]:
    where = counted(seen.asked, "relay")
    fate = "" if remembered is not None else ": disputes are noticed, none can be taken"
    if seen.ahead_seconds is not None:
        said = f"its info event is dated {duration(seen.ahead_seconds)} ahead of our clock"
        remedy = "check the clock of this machine, then ask the node's operator about theirs"
        return [warning("node", f"{said} and not believed{fate}", remedy)]
    return [
        warning(
            "node",
            f"no info event on {where}{fate}",
            "check [mostro].pubkey, and that the node runs and publishes to these relays",
        )
    ]


def _speaks(said: str, age: int) -> Finding:
    if age <= INFO_STALE_SECONDS:
        return fine("node", said)
    return warning(
        "node",
        f"{said}; last published {duration(age)} ago",
        "check that the node runs and publishes to these relays",
    )


def _said(info: NodeInfo, way: Way | NoWay, terms: Terms) -> str:
    """One line: what it is, what it speaks, what it demands, what we would do."""
    parts = [f"Mostro {info.version or 'unknown'}", _protocol(info)]
    parts.append(f"proof of work {'unknown' if info.pow is None else info.pow}")
    if info.transport is Transport.NIP44:
        contact = info.pow_first_contact
        parts.append(
            f"first contact {'unknown (will be found out)' if contact is None else contact}"
        )
    said = ", ".join(parts)
    if isinstance(way, NoWay):
        return said
    return f"{said}; a take goes by {_WORDS[way.transport]} with {_effort(way, terms)}"


def _protocol(info: NodeInfo) -> str:
    if info.transport is None:
        return f"protocol {info.protocol_version or 'without a number'}"
    words = _WORDS[info.transport]
    stated = "" if info.protocol_version is not None else ", as the node names none"
    return f"protocol {info.transport.message_version} ({words}{stated})"


def _effort(way: Way, terms: Terms) -> str:
    hardest = _hardest(way, terms)
    more = f", up to {hardest} if it stays silent" if hardest > way.bits else ""
    return f"{way.bits} bits of work{more}"


def _hardest(way: Way, terms: Terms) -> int:
    return pacing.bits_for(way, len(pacing.RISING_BITS), terms.max_bits)


def _unknown_version(info: NodeInfo, way: Way | NoWay) -> Finding:
    says = f"speaks {_protocol(info)}, which Serbero does not know"
    if isinstance(way, NoWay):
        fate = "disputes are noticed, none can be taken"
    else:
        fate = f"[mostro].transport forces {_WORDS[way.transport]}, which it may not read"
    return warning("node", f"{says}: {fate}", "update Serbero")


def _forced(info: NodeInfo, way: Way) -> Finding:
    return warning(
        "node",
        f"[mostro].transport forces {_WORDS[way.transport]}, but the node speaks "
        f"{_protocol(info)}: it drops what comes another way without a word",
        'set [mostro].transport = "auto"',
    )


def _work(way: Way, terms: Terms) -> list[Finding]:
    """Whether we are ready, and fast enough, for the work it wants."""
    if way.bits > terms.max_bits:
        said = f"it wants {way.bits} bits of work, [mostro].max_pow_bits allows {terms.max_bits}"
        remedy = f"raise [mostro].max_pow_bits to {way.bits}; each bit doubles the work"
        if way.bits > MAX_CONFIGURABLE_BITS:
            remedy = "ask the node's operator for a lower demand: so much work takes hours"
        return [warning("node", f"{said}: no dispute can be taken", remedy)]
    seconds = 2.0**way.bits / terms.tries_per_second
    if seconds * WORK_SHARE <= terms.patience_seconds:
        return []
    return [
        warning(
            "node",
            f"{way.bits} bits of work take this machine about {seconds:.0f} s a request, and a "
            f"take is given up after {terms.patience_seconds} s",
            "raise [mostro].take_timeout_seconds, or run Serbero on a faster machine",
        )
    ]


def _assistant(info: NodeInfo, way: Way, terms: Terms) -> list[Finding]:
    """What the node's ``serbero`` tag (since 0.19.1) says of us."""
    if info.serbero is None:
        return []
    if way.rival is None:
        return [fine("node", "names this key as its assistant")]
    return [
        warning(
            "node",
            f"names another key as its assistant: {npub(way.rival)}; takes may be refused",
            f"ask its operator to name {npub(terms.own_key)} instead",
        )
    ]


def relay_list_findings(
    seen: NodeSeen, configured: Collection[str], *, allow_private: bool
) -> list[Finding]:
    """Findings of the relays that the node is on, by its own word.

    Args:
        seen: what the node says.
        configured: ours, normalised.
        allow_private: ``[delivery].allow_private_relays``.
    """
    check = "node relays"
    if not seen.asked:
        return []
    if seen.relays is None:
        return [note(check, "the node publishes no list of them: shared ones cannot be told")]
    named = listed(seen.relays)
    shared = [each for each in configured if each in named]
    extra = relays_beside(seen, configured, allow_private=allow_private)
    beside = ""
    if extra:
        most = f" (at most {MAX_EXTRA_RELAYS})" if len(extra) == MAX_EXTRA_RELAYS else ""
        beside = f"; used besides{most}: {' '.join(map(loggable, extra))}"
    if shared:
        of = f"{len(shared)} of {counted(len(configured), 'configured relay')}"
        return [fine(check, f"the node is on {of}{beside}")]
    first = f" such as {loggable(named[0])}" if named else ""
    return [
        warning(
            check,
            f"the node lists {counted(len(named), 'relay')}, none of ours: it may not read what "
            f"we send{beside}",
            f"write relays of the node into [[relays]]{first}",
        )
    ]


def relays_beside(
    seen: NodeSeen, configured: Collection[str], *, allow_private: bool
) -> tuple[str, ...]:
    """The node's relays that are used besides the configured ones.

    Args:
        seen: what the node says.
        configured: ours, normalised.
        allow_private: ``[delivery].allow_private_relays``.
    """
    named = () if seen.relays is None else listed(seen.relays)
    return extra_relays(named, configured, (), allow_private=allow_private)
