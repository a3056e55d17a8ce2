"""Whether relays keep what the node and parties send us: written, asked for again, and found.

Answers of a node of protocol 2 and messages of the dispute chat are signed events of kind 14,
which relays are not obliged to store (protocol: src/chat.md). What one does not keep is lost to
whoever is not connected at that moment.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from nostr_sdk import Event, Keys

from serbero.cli.doctor_checks.findings import Finding, fine, note, warning
from serbero.clock import Clock
from serbero.mostro.message import send_dm
from serbero.mostro.node_info import Transport
from serbero.mostro.transport import wrap
from serbero.node.asking import OVERLAP_SECONDS, reply_filter
from serbero.nostr.addresses import loggable
from serbero.nostr.replies import PublishOutcome
from serbero.relays.pool import RelayPool

EXPIRATION_SECONDS: Final = 120
"""Enough for every look; afterwards relays may forget it."""

ANSWER_SECONDS: Final = 10.0
LOOKS: Final = 3
"""Some relays answer before what they took can be found."""
PAUSE_SECONDS: Final = 1.0
"""Between two looks."""


class Fate(StrEnum):
    """What became of the event at one relay."""

    KEPT = "kept"
    FORGOTTEN = "forgotten"
    """Taken, and not to be found."""
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """The relay could not be asked."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What one relay did.

    Attributes:
        url: its address.
        fate: what became of the event.
        said: its own words, or what stood in the way; possibly empty.
    """

    url: str
    fate: Fate
    said: str = ""


_UNREACHED: Final = (PublishOutcome.NOT_CONNECTED, PublishOutcome.BUSY, PublishOutcome.TIMEOUT)


async def run_store_test(
    pool: RelayPool, keys: Keys, clock: Clock, urls: Sequence[str]
) -> list[Stored]:
    """Write one short-lived message from us to ourselves to each relay, and ask for it.

    Args:
        pool: the relays, running.
        keys: ours.
        clock: time.
        urls: which relays.
    """
    own, now = keys.public_key().to_hex(), clock.now()
    message = send_dm(f"store test {secrets.token_hex(8)}", None)
    expires = now + EXPIRATION_SECONDS
    event = wrap(Transport.NIP44, keys, own, message, created_at=now, expires_at=expires)
    async with asyncio.TaskGroup() as tasks:
        trying = [tasks.create_task(_try(pool, own, clock, url, event)) for url in urls]
    return [each.result() for each in trying]


async def _try(pool: RelayPool, own: str, clock: Clock, url: str, event: Event) -> Stored:
    reply = await pool.publish(url, event)
    if not reply.outcome.delivered:
        fate = Fate.UNKNOWN if reply.outcome in _UNREACHED else Fate.REFUSED
        return Stored(url, fate, reply.text or reply.outcome.value)
    since = event.created_at().as_secs() - OVERLAP_SECONDS
    # As the node's answers are asked for, ourselves being the node.
    wanted = reply_filter(Transport.NIP44, own, own, since)
    for look in range(LOOKS):
        if look:
            await clock.sleep(PAUSE_SECONDS)
        answer = await pool.ask(url, [wanted], ANSWER_SECONDS)
        if any(each.id() == event.id() for each in answer.events):
            return Stored(url, Fate.KEPT)
        if not answer.complete:
            return Stored(url, Fate.UNKNOWN, answer.reason or "silence")
    return Stored(url, Fate.FORGOTTEN)


def store_findings(stored: Stored) -> list[Finding]:
    """Findings of one relay. Pure."""
    check = f"store-test {loggable(stored.url)}"
    words = f" ({stored.said})" if stored.said else ""
    match stored.fate:
        case Fate.KEPT:
            return [fine(check, "keeps kind 14: answers of the node and chat messages")]
        case Fate.UNKNOWN:
            return [note(check, f"not found out{words}")]
        case Fate.REFUSED:
            said = (
                f"refuses kind 14{words}: answers of the node (protocol 2) and chat messages do "
                "not pass here"
            )
        case Fate.FORGOTTEN:
            said = (
                "takes kind 14 and does not keep it: answers of the node (protocol 2) and chat "
                "messages missed while Serbero is offline cannot be fetched here"
            )
    return [warning(check, said, "configure a relay beside it that keeps kind 14, shared with all")]
