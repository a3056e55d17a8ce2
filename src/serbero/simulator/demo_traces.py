"""What a conversation left behind: on the relay, in the database, and where it must not be."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from serbero.model.party import Party
from serbero.mostro.chat import CHAT_KIND
from serbero.mostro.chat_keys import derive
from serbero.simulator.events import KIND_GIFT_WRAP
from serbero.simulator.orders import Order
from serbero.simulator.party import PartyClient
from serbero.simulator.peer import RelayPeer
from serbero.store.engine import run_once
from serbero.store.schema import chat_seen

DATABASE_ENDS: Final = ("", "-wal")
"""What SQLite adds to the names of the files that hold rows."""


def secrets_of(order: Order) -> dict[str, str]:
    """What the node tells a solver and nobody may keep, by what people call it."""
    return {
        "the preimage": order.preimage,
        "the payment hash": order.payment_hash,
        "the buyer's invoice": order.buyer_invoice,
    }


async def leaks(
    database: Path, log: Path, secrets: Mapping[str, str], said: Mapping[str, str]
) -> list[str]:
    """Search the files of a daemon, byte by byte.

    Args:
        database: its SQLite file; what SQLite keeps beside it is searched as well.
        log: its log.
        secrets: what neither may hold, by name.
        said: what the log may not hold either, by name.

    Returns:
        Name and file of what was found.

    Raises:
        OSError: a file cannot be read.
    """
    files = [database.with_name(database.name + end) for end in DATABASE_ENDS]
    return await asyncio.to_thread(_search, [*files, log], log, secrets, said)


def _search(
    files: list[Path], log: Path, secrets: Mapping[str, str], said: Mapping[str, str]
) -> list[str]:
    found = []
    for file in files:
        if file != log and not file.exists():
            continue  # SQLite removes its log of changes at the end
        content = file.read_bytes().lower()
        wanted = {**secrets, **(said if file == log else {})}
        for name, text in wanted.items():
            if any(each in content for each in _spellings(text)):
                found.append(f"{name} in {file.name}")
    return found


def _spellings(text: str) -> set[bytes]:
    """How a text may stand in a file, in lower case: as it is, in JSON, as the bytes it names."""
    low = text.lower()
    spelled = {low.encode(), json.dumps(low)[1:-1].encode()}
    with contextlib.suppress(ValueError):  # no hex
        spelled.add(bytes.fromhex(text).lower())
    return spelled


async def events_of_chat(relay_url: str, party: PartyClient, solver: str) -> frozenset[str]:
    """Ids of every event of the chat between a party and a solver that a relay holds.

    Raises:
        PeerError: the relay did not answer.
    """
    keys = derive(party.keys.secret_key().to_hex(), solver)
    async with RelayPeer(relay_url, keys=party.keys) as peer:
        stored = await peer.fetch(
            {"kinds": [CHAT_KIND], "authors": [keys.author]},
            {"kinds": [KIND_GIFT_WRAP], "#p": [keys.legacy_address]},
        )
    return frozenset(event.id().to_hex() for event in stored)


async def kept_messages(database: Path, dispute_id: str) -> dict[Party, frozenset[str]]:
    """Inner ids of the messages of each chat that the database remembers, Serbero's own too.

    Raises:
        StoreError: it cannot be read.
    """

    def read(tx: sa.Connection) -> dict[Party, frozenset[str]]:
        rows = tx.execute(
            sa.select(chat_seen.c.party, chat_seen.c.inner_id).where(
                chat_seen.c.dispute_id == dispute_id
            )
        ).all()
        return {
            party: frozenset(row.inner_id for row in rows if row.party == party.value)
            for party in Party
        }

    return await asyncio.to_thread(run_once, database, read)
