"""Asking real relays: the facts behind the findings of ``network``."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nostr_sdk import Event, Keys

from serbero.cli.doctor_checks.network import NodeInfo, RelayFacts
from serbero.clock import Clock
from serbero.config.settings import Config
from serbero.mostro.dispute_event import DISPUTE_KIND
from serbero.nostr.addresses import normalise
from serbero.nostr.identity import INBOX_RELAYS_KIND
from serbero.nostr.inbox_list import InboxList, inbox_list
from serbero.nostr.replaceable import newest
from serbero.nostr.replies import PublishReply, clean
from serbero.nostr.signing import signed
from serbero.relays.asking import Answer
from serbero.relays.canary_event import CANARY_KIND
from serbero.relays.information import RelayInformation, fetch_relay_information
from serbero.relays.pool import RelayPool
from serbero.relays.state import RelayState

CONNECT_SECONDS: Final = 10.0
"""One connection attempt of the pool (8 s) and what surrounds it."""

ANSWER_SECONDS: Final = 10.0
"""For EOSE; the daemon gives up on a REQ after as long."""

HTTP_SECONDS: Final = 5.0
"""For a relay's information document; it is a courtesy of the relay, not a need."""

NODE_INFO_KIND: Final = 38385

_POLL_SECONDS: Final = 0.05
_MAX_TAG_VALUES: Final = 100


@dataclass(frozen=True, slots=True)
class Probed:
    """What one relay did, and how far our clock is ahead of it (None if it does not tell)."""

    facts: RelayFacts
    clock_ahead: float | None


async def probe_relay(pool: RelayPool, config: Config, clock: Clock, url: str) -> Probed:
    """Connect, ask, write and read the information document of one configured relay."""
    async with asyncio.TaskGroup() as tasks:
        traffic = tasks.create_task(_traffic(pool, config, clock, url))
        document = tasks.create_task(ask_for_document(url, clock))
    state, answer, written = traffic.result()
    information, clock_ahead = document.result()
    facts = RelayFacts(
        url=url,
        connected=state.connected,
        reason=state.last_reason or "",
        answered=answer is not None and answer.complete,
        answer_reason="" if answer is None else answer.reason or "",
        written=written,
        information=information,
    )
    return Probed(facts, clock_ahead)


async def ask_for_document(url: str, clock: Clock) -> tuple[RelayInformation | None, float | None]:
    """A relay's information document, and how many seconds our clock is ahead of the relay's.

    The server tells whole seconds, so the second value is right within about one; each is None
    where the relay does not tell.
    """
    before = clock.time()
    reply = await fetch_relay_information(url, HTTP_SECONDS)
    if reply.server_time is None:
        return reply.information, None
    # The server answered somewhere between; its second began up to one second before that.
    return reply.information, (before + clock.time()) / 2 - (reply.server_time + 0.5)


async def find_node_info(pool: RelayPool, node: str) -> tuple[NodeInfo | None, int]:
    """The node's newest info event on the configured relays, and how many answered.

    Args:
        pool: verifies authorship and signature of what it hands out.
        node: the node's key in hex.
    """
    wanted = {"kinds": [NODE_INFO_KIND], "authors": [node], "#d": [node]}
    answers = await pool.ask_all([wanted], ANSWER_SECONDS)
    found = newest(event for answer in answers for event in answer.events)
    complete = sum(each.complete for each in answers)
    if found is None:
        return None, complete
    tags = [tag.to_vec() for tag in found.tags()[:_MAX_TAG_VALUES]]
    values = {name: clean(rest[0]) for name, *rest in reversed(tags) if rest}
    return NodeInfo(found.created_at().as_secs(), values), complete


async def find_inboxes(
    pool: RelayPool, solvers: Sequence[str], *, allow_private: bool
) -> tuple[Mapping[str, InboxList], int]:
    """The inbox relays that ``solvers`` (hex) published, and how many relays answered."""
    if not solvers:
        return {}, 0
    wanted = {"kinds": [INBOX_RELAYS_KIND], "authors": list(solvers)}
    answers = await pool.ask_all([wanted], ANSWER_SECONDS)
    events = [event for answer in answers for event in answer.events]
    lists = {each: inbox_list(each, events, allow_private=allow_private) for each in solvers}
    found = {author: each for author, each in lists.items() if each is not None}
    return found, sum(each.complete for each in answers)


async def _traffic(
    pool: RelayPool, config: Config, clock: Clock, url: str
) -> tuple[RelayState, Answer | None, PublishReply | None]:
    state = await _attempted(pool, clock, url)
    if not state.connected:
        return state, None, None
    disputes = {"kinds": [DISPUTE_KIND], "authors": [config.mostro.pubkey_hex], "limit": 1}
    # One after the other: a relay that wants AUTH is asked for it once.
    answer = await pool.ask(url, [disputes], ANSWER_SECONDS)
    written = await pool.publish(url, _ephemeral(config.keys, clock.now()))
    return state, answer, written


async def _attempted(pool: RelayPool, clock: Clock, url: str) -> RelayState:
    """The relay's state once its first connection attempt has ended, one way or the other."""
    deadline = clock.monotonic() + CONNECT_SECONDS
    name = normalise(url)
    while True:
        state = next(each for each in pool.states() if each.url == name)
        failed = state.attempts > 0 and state.last_reason is not None
        if state.connected or failed or clock.monotonic() >= deadline:
            return state
        await clock.sleep(_POLL_SECONDS)


def _ephemeral(keys: Keys, now: int) -> Event:
    return signed(keys, CANARY_KIND, "", [["t", secrets.token_hex(8)]], now)
