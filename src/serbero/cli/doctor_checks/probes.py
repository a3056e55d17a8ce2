"""Asking real relays: the facts behind the findings of ``network`` and ``node``."""

import asyncio
import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from nostr_sdk import Event, Keys

from serbero.cli.doctor_checks.network import RelayFacts
from serbero.cli.doctor_checks.node import NodeSeen
from serbero.clock import Clock
from serbero.config.settings import Config
from serbero.mostro.dispute_event import DISPUTE_KIND
from serbero.mostro.message import take_request
from serbero.mostro.node_info import INFO_KIND, NodeInfo, Transport, parse_info_event
from serbero.mostro.transport import draft
from serbero.node.announcements import Dated, from_the_future, replaces
from serbero.nostr.addresses import normalise
from serbero.nostr.identity import INBOX_RELAYS_KIND
from serbero.nostr.inbox_list import InboxList, inbox_list
from serbero.nostr.relay_list import RELAY_LIST_KIND, RelayList, relay_list
from serbero.nostr.replies import PublishReply
from serbero.nostr.signing import signed
from serbero.nostr.work import MAX_BITS, search
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

_POLL_SECONDS: Final = 0.05

_MEASURED_TRIES: Final = 20_000
"""Some 15 ms of work."""


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
    # It answered about half-way between the two readings. Its header has whole seconds, so half a
    # second is added as the mean of what was cut off.
    return reply.information, (before + clock.time()) / 2 - (reply.server_time + 0.5)


async def find_node(pool: RelayPool, node: str, now: int) -> NodeSeen:
    """What the configured relays hold of the node's word on itself and on its relays.

    Args:
        pool: the relays, running.
        node: the node's key in hex.
        now: Unix seconds.
    """
    infos = {"kinds": [INFO_KIND], "authors": [node], "#d": [node]}
    lists = {"kinds": [RELAY_LIST_KIND], "authors": [node]}
    answers = await pool.ask_all([infos, lists], ANSWER_SECONDS)
    events = [event for answer in answers for event in answer.events]
    parsed = [parse_info_event(each, node) for each in events]
    told = [each for each in parsed if isinstance(each, NodeInfo)]
    named = [found for x in events if isinstance(found := relay_list(x, node), RelayList)]
    ahead = [each.created_at - now for each in told if from_the_future(each, now)]
    return NodeSeen(
        info=_newest(told, now),
        ahead_seconds=max(ahead, default=None),
        relays=_newest(named, now),
        asked=sum(each.complete for each in answers),
    )


_D = TypeVar("_D", bound=Dated)


def _newest(announced: Iterable[_D], now: int) -> _D | None:
    """The one that the daemon goes by."""
    best: _D | None = None
    for each in announced:
        if replaces(each, best, now):
            best = each
    return best


def measure_work(keys: Keys, node: str, clock: Clock) -> float:
    """How many tries a second this machine makes at the work for a request; infinite if unknown."""
    request = take_request("00000000-0000-4000-8000-000000000000", 1, 2)
    made, _ = draft(Transport.NIP44, keys, node, request, created_at=clock.now(), expires_at=None)
    began = clock.monotonic()
    search(made, MAX_BITS, 0, _MEASURED_TRIES)
    took = clock.monotonic() - began
    return _MEASURED_TRIES / took if took > 0 else math.inf


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
