"""Asking real relays: the facts behind the findings of ``network``."""

import asyncio
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nostr_sdk import Event, EventBuilder, Keys, Kind, Tag, Timestamp

from serbero.cli.doctor_checks.network import NodeInfo, PublishedInbox, RelayFacts
from serbero.cli.doctor_checks.relay_time import clock_offset
from serbero.clock import Clock
from serbero.config.settings import Config
from serbero.nostr.addresses import acceptable, normalise
from serbero.nostr.replies import PublishReply, clean
from serbero.relays.asking import Answer
from serbero.relays.information import fetch_relay_information
from serbero.relays.pool import RelayPool
from serbero.relays.state import RelayState

CONNECT_SECONDS: Final = 10.0
"""One connection attempt of the pool (8 s) and what surrounds it."""

ANSWER_SECONDS: Final = 10.0
"""For EOSE; the daemon gives up on a REQ after as long."""

HTTP_SECONDS: Final = 5.0
"""For a relay's information document; it is a courtesy of the relay, not a need."""

MAX_INBOX_RELAYS: Final = 3
"""How many relays of a kind 10050 are used; as delivery."""

DISPUTE_KIND: Final = 38386
NODE_INFO_KIND: Final = 38385
INBOX_RELAYS_KIND: Final = 10050

PROBE_KIND: Final = 20386
"""Ephemeral: relays pass it on and keep nothing. The same kind as the pool's canary."""

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
        document = tasks.create_task(fetch_relay_information(url, HTTP_SECONDS))
        offset = tasks.create_task(clock_offset(url, clock, HTTP_SECONDS))
    state, answer, written = traffic.result()
    facts = RelayFacts(
        url=url,
        connected=state.connected,
        reason=state.last_reason or "",
        answered=answer is not None and answer.complete,
        answer_reason="" if answer is None else answer.reason or "",
        written=written,
        information=document.result(),
    )
    return Probed(facts, offset.result())


async def find_node_info(pool: RelayPool, node: str) -> tuple[NodeInfo | None, int]:
    """The node's newest info event on the configured relays, and how many answered.

    Args:
        pool: verifies authorship and signature of what it hands out.
        node: the node's key in hex.
    """
    wanted = {"kinds": [NODE_INFO_KIND], "authors": [node], "#d": [node]}
    answers = await pool.ask_all([wanted], ANSWER_SECONDS)
    newest = _newest(_events(answers)).get(node)
    complete = sum(each.complete for each in answers)
    if newest is None:
        return None, complete
    tags = [tag.to_vec() for tag in newest.tags()[:_MAX_TAG_VALUES]]
    values = {name: clean(rest[0]) for name, *rest in reversed(tags) if rest}
    return NodeInfo(newest.created_at().as_secs(), values), complete


async def find_inboxes(
    pool: RelayPool, solvers: Sequence[str], *, allow_private: bool
) -> tuple[Mapping[str, PublishedInbox], int]:
    """The inbox relays that ``solvers`` (hex) published, and how many relays answered."""
    if not solvers:
        return {}, 0
    wanted = {"kinds": [INBOX_RELAYS_KIND], "authors": list(solvers)}
    answers = await pool.ask_all([wanted], ANSWER_SECONDS)
    found = {
        author: _inbox(event, allow_private=allow_private)
        for author, event in _newest(_events(answers)).items()
    }
    return found, sum(each.complete for each in answers)


def _inbox(event: Event, *, allow_private: bool) -> PublishedInbox:
    tags = (tag.to_vec() for tag in event.tags()[:_MAX_TAG_VALUES])
    urls = [rest[0].strip() for name, *rest in tags if name == "relay" and rest]
    refused = tuple(clean(url) for url in urls if acceptable(url, allow_private) is not None)
    usable = [url for url in urls if acceptable(url, allow_private) is None]
    return PublishedInbox(tuple(dict.fromkeys(usable))[:MAX_INBOX_RELAYS], refused)


def _events(answers: Iterable[Answer]) -> Iterable[Event]:
    return (event for answer in answers for event in answer.events)


def _newest(events: Iterable[Event]) -> dict[str, Event]:
    """The newest event of each author; of one second, the lowest id (NIP-01)."""
    ranked = sorted(events, key=lambda x: (-x.created_at().as_secs(), x.id().to_hex()))
    newest: dict[str, Event] = {}
    for event in ranked:
        newest.setdefault(event.author().to_hex(), event)
    return newest


async def _traffic(
    pool: RelayPool, config: Config, clock: Clock, url: str
) -> tuple[RelayState, Answer | None, PublishReply | None]:
    state = await _attempted(pool, clock, url)
    if not state.connected:
        return state, None, None
    disputes = {"kinds": [DISPUTE_KIND], "authors": [config.mostro.pubkey_hex], "limit": 1}
    # One after the other: a relay that wants AUTH is asked for it once.
    answer = await pool.ask(url, [disputes], ANSWER_SECONDS)
    written = await pool.publish(url, _ephemeral(config.keys(), clock.now()))
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
    unsigned = (
        EventBuilder(Kind(PROBE_KIND), "")
        .tags([Tag.custom("t", [secrets.token_hex(8)])])
        .custom_created_at(Timestamp.from_secs(now))
        .finalize_unsigned(keys.public_key())
    )
    return keys.sign_event(unsigned)
