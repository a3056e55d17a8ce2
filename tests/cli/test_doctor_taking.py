"""What ``serbero doctor`` says of disputes held, takes and refusals, from a real database."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from nostr_sdk import Keys

from serbero.cli.doctor_checks.findings import Level
from serbero.cli.doctor_checks.taking import Kept, TakingFacts, read_kept, taking_findings
from serbero.model.lifecycle import DisputeStatus
from serbero.model.party import Party
from serbero.model.taking import Release, TakeState
from serbero.nostr.keys import npub
from serbero.store import chats, parties, takes
from serbero.store.engine import Store
from serbero.store.parties import NewParties
from serbero.store.schema import revisions
from serbero.store.sqlite import driver

NODE = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
OWN = "9c65dc5be79eca61f880f25eb9833929b597c0b1f9b3df9e3088ef3a1513b04a"
NOW = 1_793_000_000
DAY = 86_400


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "serbero.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store.open(path, NOW)
    yield opened
    opened.close()


async def take(
    store: Store, dispute: str, state: TakeState | None, at: int, reason: str | None = None
) -> None:
    """One exchange that began at ``at`` and ended a second later; None: it goes on."""
    take_id = await store.transact(
        lambda tx: takes.begin(tx, dispute, at, now=at, deadline_at=at + 60)
    )
    if state is not None:
        await store.transact(takes.finish, take_id, state, reason, at + 1)


async def hold(store: Store, dispute: str, at: int) -> None:
    held = NewParties(dispute, f"order-{dispute}", "aa", "bb", "buyer", {}, None, OWN, at)
    await store.transact(parties.save, held, at)
    for party in Party:
        key = Keys.generate().public_key().to_hex()
        opening = partial(chats.open_channel, since=at, now=at)
        await store.transact(opening, dispute, party, key)


async def know(store: Store, dispute: str, status: DisputeStatus, at: int) -> None:
    row = revisions.insert().values(
        dispute_id=dispute, event_id=f"e-{dispute}", created_at=at, status=status, applied_at=at
    )
    await store.transact(lambda tx: tx.execute(row))


def said(path: Path, now: int = NOW) -> list[tuple[Level, str]]:
    found = taking_findings(read_kept(path, NODE, now).facts, OWN)
    return [(each.level, each.message) for each in found]


def test_nothing_to_say(path: Path, store: Store) -> None:
    assert said(path) == []
    kept = read_kept(path, NODE, NOW)
    assert kept == Kept(TakingFacts(0, 0, {}, None), None)


def test_no_database_or_none_of_ours(path: Path) -> None:
    assert read_kept(path, NODE, NOW) == Kept()
    assert not path.exists()
    connection = driver.connect(path)
    connection.execute("CREATE TABLE schema_version (version INTEGER PRIMARY KEY)")
    connection.commit()
    connection.close()
    assert read_kept(path, NODE, NOW) == Kept()
    path.write_text("no database at all, " * 500)
    assert read_kept(path, NODE, NOW) == Kept()
    assert taking_findings(None, OWN) == []


async def test_what_is_held_and_what_became_of_takes(path: Path, store: Store) -> None:
    await take(store, "old", TakeState.TAKEN, NOW - 31 * DAY)
    await take(store, "a", TakeState.NO_ANSWER, NOW - 3 * DAY, "node_offline")
    await take(store, "a", TakeState.TAKEN, NOW - 2 * DAY)
    await take(store, "b", TakeState.REFUSED, NOW - DAY, "invalid_pubkey")
    await take(store, "b", TakeState.TAKEN, NOW - DAY + 60)
    await take(store, "c", None, NOW - 10)
    await hold(store, "a", NOW - 2 * DAY)
    await hold(store, "b", NOW - DAY)
    await store.transact(parties.release, "b", Release.TAKEOVER, NOW - 60)
    await store.transact(chats.close_channels, "b", NOW - 60)
    assert said(path) == [
        (
            Level.NOTE,
            "1 dispute held, 1 take under way, 2 chats open; takes of the last 30 days: 2 taken, "
            "1 refused, 1 unanswered",
        )
    ]


async def test_a_take_that_never_ended_is_counted_however_old(path: Path, store: Store) -> None:
    await take(store, "a", None, NOW - 40 * DAY)
    assert said(path) == [(Level.NOTE, "0 disputes held, 1 take under way, 0 chats open")]


async def refused_as_stranger(store: Store, status: DisputeStatus, known_at: int) -> None:
    await know(store, "d", status, known_at)
    await take(store, "d", TakeState.REFUSED, NOW - 100, "invalid_pubkey")


async def test_a_refusal_that_stands_names_the_key_to_register(path: Path, store: Store) -> None:
    await refused_as_stranger(store, DisputeStatus.INITIATED, NOW - 200)
    facts = read_kept(path, NODE, NOW).facts
    assert facts is not None
    note, warned = taking_findings(facts, OWN)
    assert note.level is Level.NOTE
    assert warned.level is Level.WARNING
    assert warned.message.startswith("the node refused us dispute d though it was open")
    assert f"admin-add-solver {npub(OWN)}:read" in warned.remedy


@pytest.mark.parametrize(
    ("status", "known_at", "now"),
    [
        (DisputeStatus.IN_PROGRESS, NOW - 90, NOW),  # somebody else was faster
        (DisputeStatus.SETTLED, NOW - 90, NOW),
        (DisputeStatus.INITIATED, NOW - 50, NOW),  # opened anew after the refusal
        (DisputeStatus.INITIATED, NOW - 200, NOW - 80),  # a faster one may show yet
    ],
)
async def test_a_lost_race_is_no_refusal(
    path: Path, store: Store, status: DisputeStatus, known_at: int, now: int
) -> None:
    await refused_as_stranger(store, status, known_at)
    assert [level for level, _ in said(path, now)] == [Level.NOTE]


async def test_a_dispute_that_was_given_to_us_since_settles_it(path: Path, store: Store) -> None:
    await refused_as_stranger(store, DisputeStatus.INITIATED, NOW - 200)
    await take(store, "other", TakeState.NO_ANSWER, NOW - 90)
    assert [level for level, _ in said(path)] == [Level.NOTE, Level.WARNING]
    await take(store, "third", TakeState.TAKEN, NOW - 80)
    assert [level for level, _ in said(path)] == [Level.NOTE]


async def test_another_word_of_the_node_is_no_matter_of_registration(
    path: Path, store: Store
) -> None:
    await know(store, "d", DisputeStatus.INITIATED, NOW - 200)
    await take(store, "d", TakeState.REFUSED, NOW - 100, "not_found")
    assert [level for level, _ in said(path)] == [Level.NOTE]
