"""What we say: one inner event, the envelopes it needs, once an anchor, one audit row."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nostr_sdk import Event
from tests.chat.chat_rig import SOLVER, SOLVER_HEX, Writer
from tests.store.rig import RELAY, T0, Database

from serbero.chat.envelopes import LegacyChat
from serbero.chat.opening import close_in, open_in
from serbero.chat.settlement import party_message_sent
from serbero.chat.speaking import NoChannelError, Speaker, UnsayableTextError, say
from serbero.delivery.settlement import Settlement
from serbero.model.notification import Purpose
from serbero.model.party import Party
from serbero.mostro.chat import Envelope
from serbero.store import chats

BUYER, SELLER = Writer(1), Writer(1, Party.SELLER)
DISPUTE = BUYER.dispute
AT_MS = T0 * 1000 + 250
SETTLEMENTS = {Purpose.PARTY_MESSAGE: Settlement(on_sent=party_message_sent)}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "serbero.db")
    keys = {Party.BUYER: BUYER.trade_key, Party.SELLER: SELLER.trade_key}
    opened.run(open_in, DISPUTE, keys, since=T0, now=T0)
    yield opened
    opened.close()


def speaker(legacy: LegacyChat = LegacyChat.AUTO, *, v1: bool = False) -> Speaker:
    return Speaker(SOLVER, legacy, 3_600, lambda: v1)


def said(
    database: Database, text: str = "Hello.", *, anchor: str = "round:1", **options: Any
) -> Event | None:
    return database.run(
        say,
        options.pop("by", speaker()),
        DISPUTE,
        options.pop("party", Party.BUYER),
        text,
        anchor=anchor,
        at_ms=AT_MS,
        **options,
    )


def test_a_message_is_one_inner_event_in_the_outbox(database: Database) -> None:
    inner = said(database, session_id="s-1")
    assert inner is not None
    [row] = database.rows(
        "SELECT purpose, dispute_id, session_id, anchor, recipient, recipient_typed, channel,"
        " notif_type, rumor_id, urgency, enqueued_ms, deadline_at, state FROM outbox"
    )
    key = BUYER.trade_key
    assert row == (
        "party_message", DISPUTE, "s-1", "round:1", key, key, "chat",
        None, inner.id().to_hex(), 1, AT_MS, T0 + 3_600, "pending",
    )  # fmt: skip
    stored = Event.from_json(database.one("SELECT rumor_json FROM outbox"))
    assert stored.verify()
    fields = json.loads(stored.as_json())
    assert (fields["kind"], fields["content"], fields["created_at"]) == (1, "Hello.", T0)
    assert fields["pubkey"] == SOLVER_HEX


def test_two_envelopes_hold_the_same_inner_event(database: Database) -> None:
    said(database, by=speaker(v1=True))
    rows = database.rows("SELECT channel, rumor_id, rumor_json FROM outbox ORDER BY id")
    assert [row[0] for row in rows] == ["chat", "chat_legacy"]
    assert rows[0][1:] == rows[1][1:]


def test_the_envelope_the_party_used_is_remembered(database: Database) -> None:
    def party_wrote(envelope: Envelope | None) -> None:
        at = None if envelope is None else T0
        one = chats.Standing((DISPUTE, Party.BUYER), 0, envelope, at)
        database.run(chats.move_on, [one])

    by = speaker(v1=True)
    party_wrote(Envelope.GIFT_WRAP)
    party_wrote(None)  # ours
    database.reopen()
    said(database, anchor="0")
    said(database, anchor="1", by=by)
    party_wrote(Envelope.KIND14)
    said(database, anchor="2", by=by)
    said(database, anchor="3", by=by, party=Party.SELLER)
    rows = database.rows("SELECT anchor, channel FROM outbox ORDER BY id")
    assert rows == [
        ("0", "chat"), ("0", "chat_legacy"),  # around a node of protocol 2
        ("1", "chat_legacy"), ("2", "chat"), ("3", "chat"), ("3", "chat_legacy"),
    ]  # fmt: skip


def test_an_anchor_is_said_once_a_party(database: Database) -> None:
    assert said(database) is not None
    assert said(database, "Other words.", by=speaker(LegacyChat.ALWAYS)) is None
    assert said(database, party=Party.SELLER) is not None
    assert said(database, anchor="round:2") is not None
    assert database.one("SELECT count(*) FROM outbox") == 3


def test_without_an_open_channel_nothing_is_said(database: Database) -> None:
    database.run(close_in, DISPUTE, T0 + 5)
    with pytest.raises(NoChannelError, match="closed"):
        said(database)
    with pytest.raises(NoChannelError, match="never opened"):
        database.run(
            say, speaker(), Writer(2).dispute, Party.BUYER, "Hello.", anchor="1", at_ms=AT_MS
        )
    assert database.one("SELECT count(*) FROM outbox") == 0


@pytest.mark.parametrize("text", ["", " \n", "\ud800", "é" * 20_481, '"' * 21_000, "\x01" * 7_000])
def test_what_cannot_be_sent_is_refused_unrepeated(database: Database, text: str) -> None:
    with pytest.raises(UnsayableTextError) as caught:
        said(database, text)
    assert len(str(caught.value)) < 100
    assert database.one("SELECT count(*) FROM outbox") == 0


def test_the_longest_text_fits_its_envelope(database: Database) -> None:
    inner = said(database, "x" * 40_000)
    assert inner is not None
    assert len(BUYER.words("x" * 40_000, T0).content()) <= 65_536


def test_closing_withdraws_what_no_relay_has(database: Database) -> None:
    said(database, by=speaker(v1=True))
    assert database.run(close_in, DISPUTE, T0 + 5) == 2
    assert database.run(close_in, DISPUTE, T0 + 9) == 0
    assert database.rows("SELECT DISTINCT state FROM outbox") == [("withdrawn",)]
    assert database.rows("SELECT DISTINCT closed_at FROM chat_cursors") == [(T0 + 5,)]


def audit(database: Database) -> list[tuple[Any, ...]]:
    return database.rows("SELECT at, dispute_id, session_id, kind, payload_json FROM journal")


def test_the_first_success_of_either_envelope_is_told_once(database: Database) -> None:
    inner = said(database, by=speaker(v1=True), session_id="s-1")
    assert inner is not None
    first = database.claim(T0 + 1, limit=1, settlements=SETTLEMENTS)
    second = database.claim(
        T0 + 1, held=frozenset(row.id for row in first.rows), settlements=SETTLEMENTS
    )
    assert (len(first.rows), len(second.rows)) == (1, 1)
    database.answer(second, delivered=True, now=T0 + 2, settlements=SETTLEMENTS)
    [(at, dispute, session, kind, payload)] = audit(database)
    assert (at, dispute, session, kind) == (T0 + 2, DISPUTE, "s-1", "outbound_sent")
    assert json.loads(payload) == {"party": "buyer", "inner_id": inner.id().to_hex()}
    database.answer(first, delivered=True, now=T0 + 3, settlements=SETTLEMENTS)
    assert len(audit(database)) == 1


def test_both_envelopes_in_one_batch_are_told_once(database: Database) -> None:
    said(database, by=speaker(v1=True))
    said(database, anchor="round:2")
    claimed = database.claim(T0 + 1, relays=(RELAY,), settlements=SETTLEMENTS)
    assert len(claimed.rows) == 3
    database.answer(claimed, delivered=True, now=T0 + 2, settlements=SETTLEMENTS)
    assert len(audit(database)) == 2


def test_a_message_no_relay_took_is_not_told(database: Database) -> None:
    said(database)
    claimed = database.claim(T0 + 1, settlements=SETTLEMENTS)
    database.answer(claimed, delivered=False, now=T0 + 2, settlements=SETTLEMENTS)
    assert audit(database) == []
