"""A clock that was ahead and is corrected must not silence us for the difference."""

from pathlib import Path

import pytest
from tests.daemon.rig import World, firsts
from tests.store.rig import (
    OTHER,
    RELAY,
    SETTLEMENTS,
    T0,
    Database,
    audience,
    dispute_id,
    fake_wraps,
    revision,
    said,
)

from serbero.delivery import ledger
from serbero.intake.decision import Outcome
from serbero.intake.reminders import ReminderPace, find_due
from serbero.model.notification import TargetState
from serbero.model.target import TargetUpdate
from serbero.simulator.faults import FAULTS
from serbero.store import corrected_clock, cursors, inboxes, outbox_work
from serbero.store.inboxes import Inbox

AHEAD_SECONDS = 8 * 3600
OVERLAP_SECONDS = 60


@pytest.fixture
def opened(tmp_path: Path) -> Database:
    return Database(tmp_path / "serbero.db")


def test_a_horizon_in_the_future_is_lowered_at_the_next_start(opened: Database) -> None:
    ahead, late = T0 + AHEAD_SECONDS, T0 + 60
    opened.run(cursors.open_stream, ahead, OVERLAP_SECONDS, ahead)
    horizon, since = opened.run(cursors.open_stream, late, OVERLAP_SECONDS, late)
    assert (horizon, since) == (late, late)
    [seen] = opened.record(revision(1, at=late + 5), audience=audience(), horizon=horizon)
    assert seen.outcome is Outcome.DETECTED
    opened.close()


def test_a_cursor_in_the_future_is_lowered_at_the_next_start(opened: Database) -> None:
    ahead = T0 + AHEAD_SECONDS
    opened.record(revision(1, at=ahead), audience=audience(), now=ahead)
    assert opened.run(cursors.open_stream, T0, OVERLAP_SECONDS, T0)[1] == T0 - OVERLAP_SECONDS
    opened.close()


def test_what_waits_for_a_time_of_the_wrong_clock_is_due(opened: Database) -> None:
    ahead = T0 + AHEAD_SECONDS
    opened.record(revision(1, at=T0), audience=audience(2), now=ahead)
    opened.answer(opened.claim(ahead), delivered=False, now=ahead)
    assert opened.claim(T0).rows == ()
    assert opened.run(corrected_clock.correct, T0) == 2
    assert len(opened.claim(T0).rows) == 2
    opened.close()


def test_only_a_sent_message_with_somebody_to_ask_is_due(opened: Database) -> None:
    """One that rests until its deadline, for a list of inbox relays, goes on resting."""
    ahead = T0 + AHEAD_SECONDS
    opened.record(revision(1, at=T0), audience=audience(1), now=ahead)
    opened.answer(opened.claim(ahead), delivered=True, now=ahead)
    opened.record(revision(2, at=T0), audience=audience(1), now=ahead)
    claimed = opened.claim(ahead, relays=(RELAY, OTHER))
    [row] = claimed.rows
    batch = ledger.Batch(finished=[row.id])
    for target in claimed.targets[row.id]:
        taken = target.relay == RELAY
        update = said(row.id, target, delivered=taken, now=ahead)
        batch.attempts.append(ledger.Attempt(row, update, delivered=taken))
    opened.run(ledger.record, batch, ahead * 1000, SETTLEMENTS)
    assert opened.run(corrected_clock.correct, T0) == 1
    due = opened.claim(T0, relays=(RELAY, OTHER))
    assert [(each.id, [to.relay for to in due.targets[each.id]]) for each in due.rows] == [
        (row.id, [OTHER])
    ]
    opened.close()


def test_a_relay_that_refused_the_wrong_time_is_asked_again(opened: Database) -> None:
    """With other bytes; one that refused for a reason of its own is not."""
    ahead = T0 + AHEAD_SECONDS
    opened.record(revision(1, at=T0), audience=audience(1), now=ahead)
    claimed = opened.claim(ahead, relays=(RELAY, OTHER))
    [row] = claimed.rows
    opened.run(outbox_work.save_wraps, fake_wraps(claimed), ahead)
    reasons = {RELAY: "invalid: event creation date is too far off", OTHER: "blocked: not you"}
    updates = [
        TargetUpdate(row.id, relay, TargetState.REFUSED, None, reason, None)
        for relay, reason in reasons.items()
    ]
    attempts = [ledger.Attempt(row, each, delivered=False) for each in updates]
    batch = ledger.Batch(attempts, finished=[row.id])
    opened.run(ledger.record, batch, ahead * 1000, SETTLEMENTS)
    opened.run(corrected_clock.correct, T0 + 60)
    assert not opened.claim(T0 + 60, relays=(RELAY, OTHER)).rows
    assert opened.run(corrected_clock.ask_again, T0 + 60) == 1
    [targets] = opened.claim(T0 + 60, relays=(RELAY, OTHER)).targets.values()
    assert [(each.relay, each.event_json) for each in targets] == [(RELAY, None)]
    opened.close()


def test_reminders_count_from_the_corrected_time(opened: Database) -> None:
    ahead = T0 + AHEAD_SECONDS
    opened.record(revision(1, at=T0), audience=audience(1), now=ahead)
    opened.answer(opened.claim(ahead), delivered=True, now=ahead)
    pace = ReminderPace(interval=300, growth=1.0, check_every=60)
    assert opened.run(find_due, pace, T0 + 301) == []
    opened.run(corrected_clock.correct, T0)
    assert opened.run(find_due, pace, T0 + 301) == [dispute_id(1)]
    opened.close()


def test_lists_of_inbox_relays_are_looked_up_again_in_time(opened: Database) -> None:
    ahead = T0 + AHEAD_SECONDS
    opened.run(inboxes.save, [Inbox("aa" * 32, ("wss://one.example",), ahead, ahead)])
    opened.run(corrected_clock.correct, T0)
    assert opened.rows("SELECT checked_at, published_at FROM inboxes") == [(T0, ahead)]
    opened.close()


async def test_a_first_start_with_a_clock_ahead(here: World) -> None:
    """What came while it was ahead counted as too old; it is found once the clock is right."""
    here.clock.set_back(-AHEAD_SECONDS)
    async with here.run() as daemon:
        await here.until(lambda: daemon.hearing, limit_seconds=30, what="healthy")
        here.clock.set_back(AHEAD_SECONDS)
        early = await here.node.open_dispute()
        here.clock.set_back(-AHEAD_SECONDS)
        await here.settle()
        assert await daemon.state_of(early) is None
        here.clock.set_back(AHEAD_SECONDS)
        await here.until(lambda: firsts(here.solvers[0], early), limit_seconds=60, what="told")
        assert here.logs.named("clock_set_back")
        assert await daemon.one("SELECT value FROM cursors WHERE name = 'horizon'") <= early.stamp
        later = await here.node.open_dispute()
        await here.told(later)


async def test_a_running_daemon_whose_clock_is_corrected(here: World) -> None:
    """Messages that waited by the wrong clock go out as soon as their relay takes them."""
    here.clock.set_back(-AHEAD_SECONDS)
    async with here.hearing() as daemon:
        deaf = here.proxies[0].add(FAULTS["ok-false:error"].make())
        dispute = await here.node.open_dispute()
        await here.until(
            lambda: daemon.one("SELECT max(attempts) > 0 FROM outbox_targets"),
            limit_seconds=60,
            what="tried in vain",
        )
        here.proxies[0].remove(deaf)
        here.clock.set_back(AHEAD_SECONDS)
        await here.told(dispute)
