"""Serbero starts under another key than the one its waiting messages were written with."""

from pathlib import Path

from nostr_sdk import Keys
from tests.store.rig import NODE, dispute_id

from serbero.config.loader import loads
from serbero.daemon.build import build
from serbero.model.notification import CHAT_CHANNELS, Purpose, Urgency
from serbero.mostro.chat import inner_message
from serbero.simulator.clock import FakeClock
from serbero.store import outbox
from serbero.store.engine import Store, run_once

PARTY = "77" * 32


async def test_words_to_a_party_under_the_old_key_end_at_the_start(tmp_path: Path) -> None:
    """No party takes them from the new key, and the chat of the old one is no longer ours."""
    clock, old, new = FakeClock(), Keys.generate(), Keys.generate()
    path = tmp_path / "serbero.db"
    store = Store.open(path, clock.now())
    inner = inner_message(old, "Did the money arrive?", clock.now())
    messages = [
        outbox.NewMessage(
            purpose=Purpose.PARTY_MESSAGE,
            dispute_id=dispute_id(1),
            anchor="first",
            recipient=PARTY,
            recipient_typed=PARTY,
            notif_type=None,
            rumor_id=inner.id().to_hex(),
            rumor_json=inner.as_json(),
            urgency=Urgency.NOTICE,
            enqueued_ms=clock.now() * 1000,
            deadline_at=clock.now() + 86_400,
            channel=channel,
        )
        for channel in CHAT_CHANNELS
    ]
    await store.transact(outbox.enqueue, messages)
    store.close()
    for keys, state in ((old, "pending"), (new, "withdrawn")):
        text = f"""
            [serbero]
            private_key = "{keys.secret_key().to_hex()}"
            db_path = "{path}"
            [mostro]
            pubkey = "{NODE}"
            [[relays]]
            url = "ws://127.0.0.1:1"
        """
        parts = await build(loads(text, {}).config, clock)
        await parts.close()
        found = run_once(
            path,
            lambda tx: tx.exec_driver_sql("SELECT state, count(*) FROM outbox GROUP BY 1").all(),
        )
        assert [tuple(row) for row in found] == [(state, 2)]
