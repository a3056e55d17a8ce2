"""Channels in the database: opening again, other keys, and queries that do not walk."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.chat.chat_rig import Writer, dispute_id
from tests.store.rig import T0, Database
from tests.store.test_query_plans import plans_of

from serbero.chat.opening import SharedTradeKeyError, close_in, open_in
from serbero.model.party import Party
from serbero.mostro.chat import Envelope
from serbero.store import chats

ONE, OTHER = Writer(1), Writer(1, Party.SELLER)
KEY: chats.Key = (ONE.dispute, Party.BUYER)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "serbero.db")
    yield opened
    opened.close()


def opened(database: Database, trade_key: str = ONE.trade_key, at: int = T0) -> None:
    database.run(open_in, ONE.dispute, {Party.BUYER: trade_key}, since=at, now=at)


def stored(database: Database) -> chats.StoredChannel:
    channel = database.run(chats.channel, *KEY)
    assert channel is not None
    return channel


def accepted(database: Database, inner_id: str, cursor: int, envelope: Envelope | None) -> None:
    assert database.run(chats.remember, [(KEY, inner_id)], T0)
    database.run(
        chats.move_on, [chats.Standing(KEY, cursor, envelope, None if envelope is None else T0)]
    )


def test_opening_again_changes_nothing(database: Database) -> None:
    opened(database)
    accepted(database, "aa", T0 + 50, Envelope.GIFT_WRAP)
    before = stored(database)
    assert (before.cursor, before.envelope) == (T0 + 50, Envelope.GIFT_WRAP)
    assert before.envelope_at == T0
    opened(database, at=T0 + 500)
    assert stored(database) == before


def test_a_closed_channel_opens_where_it_was(database: Database) -> None:
    opened(database)
    accepted(database, "aa", T0 + 50, Envelope.KIND14)
    database.run(close_in, ONE.dispute, T0 + 60)
    assert stored(database).closed_at == T0 + 60
    opened(database, at=T0 + 500)
    assert (stored(database).closed_at, stored(database).cursor) == (None, T0 + 50)
    assert database.run(chats.remember, [(KEY, "aa"), (KEY, "bb")], T0) == {(KEY, "bb")}


def test_another_trade_key_is_another_channel(database: Database) -> None:
    opened(database)
    accepted(database, "aa", T0 + 50, Envelope.KIND14)
    other = Writer(1).trade_key
    opened(database, other, T0 + 20)
    channel = stored(database)
    assert (channel.trade_key, channel.cursor) == (other, T0 + 20)
    assert (channel.envelope, channel.envelope_at) == (None, None)


def test_two_parties_of_one_key_are_refused(database: Database) -> None:
    """Nothing could tell who wrote."""
    one, other = ONE.trade_key, OTHER.trade_key
    both = {Party.BUYER: one, Party.SELLER: one.upper()}
    with pytest.raises(SharedTradeKeyError):
        database.run(open_in, ONE.dispute, both, since=T0, now=T0)
    assert database.one("SELECT count(*) FROM chat_cursors") == 0
    opened(database)
    with pytest.raises(SharedTradeKeyError):
        database.run(open_in, ONE.dispute, {Party.SELLER: one}, since=T0, now=T0)
    # The key may change hands, as long as they stay two.
    swapped = {Party.BUYER: other, Party.SELLER: one}
    database.run(open_in, ONE.dispute, swapped, since=T0, now=T0)
    assert {
        each.party: each.trade_key for each in database.run(chats.channels_of, ONE.dispute)
    } == swapped


def test_a_cursor_never_goes_back(database: Database) -> None:
    opened(database)
    accepted(database, "aa", T0 + 50, Envelope.KIND14)
    accepted(database, "bb", T0 + 10, Envelope.KIND14)
    assert stored(database).cursor == T0 + 50


def test_closed_channels_are_loaded_for_a_while(database: Database) -> None:
    opened(database)
    database.run(close_in, ONE.dispute, T0 + 60)
    assert len(database.run(chats.channels, T0 + 59)) == 1
    assert database.run(chats.channels, T0 + 60) == []


def test_no_query_walks_the_history(database: Database) -> None:
    def history(tx: sa.Connection) -> None:
        for number in range(300):
            keys = {Party.BUYER: ONE.trade_key, Party.SELLER: OTHER.trade_key}
            open_in(tx, dispute_id(number), keys, since=T0, now=T0)
            key = (dispute_id(number), Party.BUYER)
            chats.remember(tx, [(key, f"{each:064x}") for each in range(10)], T0)
            if number >= 5:
                close_in(tx, dispute_id(number), T0 + number)

    database.run(history)
    one = chats.Standing(KEY, T0, Envelope.KIND14, T0)
    queries = [
        lambda tx: chats.channels(tx, T0 + 290),
        lambda tx: chats.channels_of(tx, ONE.dispute),
        lambda tx: chats.channel(tx, *KEY),
        lambda tx: chats.remember(tx, [(KEY, "aa"), (KEY, "bb")], T0),
        lambda tx: chats.move_on(tx, [one]),
        lambda tx: chats.was_said(tx, ONE.dispute, "1", ONE.trade_key),
        lambda tx: chats.is_ours(tx, ONE.dispute, ONE.trade_key, "aa"),
        lambda tx: chats.is_journalled(tx, ONE.dispute, "outbound_sent", "aa"),
        lambda tx: chats.session_of(tx, 1),
        lambda tx: close_in(tx, ONE.dispute, T0),
    ]
    steps = [step for query in queries for step in plans_of(database, query)]
    assert len(steps) >= len(queries)
    walked = [
        (statement, detail)
        for statement, detail in steps
        if detail.startswith("SCAN ")
        and "VIRTUAL TABLE" not in detail  # json_each: of what was asked
        and "ix_chat_cursors_open" not in detail
    ]
    assert walked == []
