"""Messages are in the database and nowhere else: not in errors, not in what is printed."""

import traceback
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.store.rig import T0

from serbero.model.notification import NotificationType, Purpose, Urgency
from serbero.store import outbox, outbox_work
from serbero.store.engine import Store
from serbero.store.errors import StoreRejected
from serbero.store.outbox import NewMessage

WORDS = "I paid with my cousin's card"


def message() -> NewMessage:
    return NewMessage(
        purpose=Purpose.INITIAL,
        dispute_id="d",
        anchor="a",
        recipient="11" * 32,
        recipient_typed="11" * 32,
        notif_type=NotificationType.INITIAL,
        rumor_id="22" * 32,
        rumor_json=f'{{"content": "{WORDS}"}}',
        urgency=Urgency.ALERT,
        enqueued_ms=T0 * 1000,
        deadline_at=T0 + 60,
    )


async def test_an_error_of_the_database_does_not_repeat_what_it_was_given(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "serbero.db", T0)
    refuse = "CREATE TRIGGER no BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'no'); END"
    await store.transact(lambda tx: tx.execute(sa.text(refuse)) and None)
    with pytest.raises(StoreRejected) as caught:
        await store.transact(outbox.enqueue, [message()])
    store.close()
    told = "".join(traceback.format_exception(caught.value))
    assert "INSERT" in told
    assert WORDS not in told


async def test_a_message_is_printed_without_its_words(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "serbero.db", T0)
    await store.transact(outbox.enqueue, [message()])
    rows = await store.read(outbox_work.due, T0, 10, ())
    store.close()
    assert len(rows) == 1
    assert WORDS in rows[0].rumor_json
    assert WORDS not in repr(rows) + repr(message())
