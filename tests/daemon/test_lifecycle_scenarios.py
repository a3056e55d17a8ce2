"""Detection and lifecycle, end to end, as an operator and the solvers meet them.

Where the reference does otherwise, the docstring says why ours does what it does.
"""

from uuid import uuid4

import pytest
from tests.daemon.rig import Daemon, World, firsts, texts

from serbero.model.lifecycle import IllegalTransition, Lifecycle, check_transition
from serbero.simulator.faults import FAULTS
from serbero.simulator.node import Dispute

REMINDING = "[timeouts]\nrenotification_seconds = 300\nrenotification_check_interval_seconds = 60"
ANNOUNCED = "New Mostro dispute requires attention."
TAKEN = "Mostro dispute has been taken."
UNATTENDED = "Mostro dispute is still unattended."
BEYOND_TIMERS_SECONDS = 480
"""Long enough for every timer of ours to have run several times."""


async def _detected(here: World) -> Dispute:
    dispute = await here.node.open_dispute()
    await here.told(dispute)
    return dispute


async def _state(here: World, daemon: Daemon, dispute_id: str, wanted: str) -> None:
    async def reached() -> bool:
        sql = "SELECT lifecycle_state FROM disputes WHERE dispute_id = :id"
        return bool(await daemon.one(sql, id=dispute_id) == wanted)

    await here.until(reached, limit_seconds=30, what=f"{dispute_id} is {wanted}")


async def test_a_new_dispute_is_recorded_and_announced(here: World) -> None:
    """``last_notified_at`` is when the round that succeeded was enqueued."""
    async with here.hearing() as daemon:
        dispute = await _detected(here)
        await _state(here, daemon, dispute.id, "notified")
        for solver in here.solvers:
            assert [each.text for each in solver.messages] == [
                f"{ANNOUNCED}\ndispute_id: {dispute.id}\ninitiator: buyer\n"
                f"event_timestamp: {dispute.stamp}\nstatus: initiated"
            ]
            assert solver.messages[0].sender == here.own.public_key().to_hex()
        assert await daemon.notified(dispute.id) == sorted(
            (each.public_key, "sent", "initial") for each in here.solvers
        )
        assert await daemon.history(dispute.id) == ["new>notified (initial_notification)"]
        rows = await daemon.rows(
            "SELECT event_id, mostro_pubkey, initiator_role, event_timestamp, detected_at,"
            " last_notified_at FROM disputes"
        )
        now = here.clock.now()
        event_id = dispute.revisions[0].id().to_hex()
        assert [row[:4] for row in rows] == [
            (event_id, here.node.public_key, "buyer", dispute.stamp)
        ]
        assert rows[0][4] <= rows[0][5] <= now


async def test_a_replay_changes_nothing(here: World) -> None:
    async with here.hearing() as daemon:
        dispute = await _detected(here)
        await _state(here, daemon, dispute.id, "notified")
        before = await daemon.rows("SELECT * FROM disputes")
        here.proxies[0].add(FAULTS["event-twice"].make())
        here.proxies[0].cut()
        await here.elapse(40)
        assert len(here.requests[0].disputes()) > 1, "it was asked and answered again"
        assert daemon.hearing
        assert await daemon.rows("SELECT * FROM disputes") == before
        assert await daemon.one("SELECT count(*) FROM notifications") == 2
        assert await daemon.one("SELECT count(*) FROM dispute_state_transitions") == 1
        assert await daemon.one("SELECT count(*) FROM journal") == 0
        assert [len(each.messages) for each in here.solvers] == [1, 1]


@pytest.mark.parametrize("age", [30, 7200])
async def test_a_first_start_looks_forward_only(here: World, age: int) -> None:
    """Without a lookback nothing older than the first start is anybody's."""
    old = await here.node.open_dispute()
    await here.clock.advance(age)
    started = here.clock.now()
    async with here.hearing() as daemon:
        assert here.requests[0].disputes()[0]["since"] == started
        await _detected(here)
        await here.elapse(BEYOND_TIMERS_SECONDS)
        assert await daemon.state_of(old) is None
        assert all(not each.about(old.id) for each in here.solvers)


async def test_an_older_or_equal_opening_is_ignored(here: World) -> None:
    """The stored event id stays."""
    async with here.hearing() as daemon:
        dispute = await _detected(here)
        here.inject(here.sign_revision(dispute.id, "initiated", ["x", "another"], at=dispute.stamp))
        here.inject(here.sign_revision(dispute.id, "initiated", at=dispute.stamp - 5))
        later = await _detected(here)
        assert (
            await daemon.one("SELECT event_id FROM disputes WHERE dispute_id = :id", id=dispute.id)
            == dispute.revisions[0].id().to_hex()
        )
        assert [len(firsts(each, dispute)) for each in here.solvers] == [1, 1]
        assert [len(firsts(each, later)) for each in here.solvers] == [1, 1]


async def test_a_strictly_newer_opening_reopens(here: World) -> None:
    """The reference loses a dispute that comes back.

    Mostro's deadline makes a dispute of a closed one under its old id, and solvers must hear.
    """
    async with here.hearing() as daemon:
        dispute = await _detected(here)
        await here.node.resolve(dispute)
        await _state(here, daemon, dispute.id, "resolved")
        await here.clock.advance(5)
        reopened = await here.node.reopen(dispute)
        await here.until(
            lambda: all(len(firsts(each, dispute)) == 2 for each in here.solvers),
            limit_seconds=10,
            what="told again",
        )
        await _state(here, daemon, dispute.id, "notified")
        assert await daemon.history(dispute.id) == [
            "new>notified (initial_notification)",
            "notified>resolved (dispute_resolved_externally)",
            f"resolved>new (reopened:{reopened.id().to_hex()})",
            "new>notified (initial_notification)",
        ]
        assert await daemon.one("SELECT kind FROM journal") == "dispute_reopened"
        assert here.logs.named("detected", reopened=True)


async def test_one_malformed_solver_does_not_hinder_the_other(here: World) -> None:
    solver = here.solvers[0]
    async with here.hearing(here.config(solvers=["npub1nobody", solver.public_key])) as daemon:
        dispute = await here.node.open_dispute()
        await here.told(dispute, solvers=[solver])
        await _state(here, daemon, dispute.id, "notified")
        assert await daemon.notified(dispute.id) == sorted(
            [("npub1nobody", "failed", "initial"), (solver.public_key, "sent", "initial")]
        )
        error = await daemon.one("SELECT error_message FROM notifications WHERE status='failed'")
        assert error.startswith("invalid pubkey: ")


async def test_only_malformed_solvers(here: World) -> None:
    """Nobody can be told, now or later; the rows say so once each."""
    config = here.config(solvers=["npub1nobody", "xyz"], sections=REMINDING)
    async with here.hearing(config) as daemon:
        dispute = await here.node.open_dispute()
        await _state(here, daemon, dispute.id, "new")
        await here.elapse(BEYOND_TIMERS_SECONDS)
        assert await daemon.notified(dispute.id) == [
            ("npub1nobody", "failed", "initial"),
            ("xyz", "failed", "initial"),
        ]
        assert await daemon.state_of(dispute) == "new"
        assert await daemon.one("SELECT last_notified_at FROM disputes") is None
        assert here.logs.named("nobody_to_notify")


async def test_no_solver_at_all(here: World) -> None:
    async with here.hearing(here.config(solvers=[])) as daemon:
        dispute = await here.node.open_dispute()
        await _state(here, daemon, dispute.id, "new")
        await here.elapse(30)
        assert await daemon.state_of(dispute) == "new"
        assert await daemon.notified(dispute.id) == []


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param([["s", "initiated"], ["z", "dispute"]], id="no d"),
        pytest.param([["d", "D"], ["z", "dispute"]], id="no s"),
        pytest.param([["d", "D"], ["s", "foo"], ["z", "dispute"]], id="unknown s"),
        pytest.param([["d", "D"], ["S", "initiated"], ["z", "dispute"]], id="uppercase S"),
        pytest.param([["d", "not-a-uuid"], ["s", "initiated"], ["z", "dispute"]], id="bad d"),
        pytest.param([["d", "D"], ["s", "initiated"], ["z", "order"]], id="not a dispute"),
    ],
)
async def test_what_is_no_dispute_is_refused(here: World, tags: list[list[str]]) -> None:
    """A warning, no row, and the next event handled as ever."""
    async with here.hearing() as daemon:
        # Not by way of the relay: it keeps no addressable event without a `d` itself.
        event = here.sign(
            *[[name, str(uuid4()) if value == "D" else value] for name, value in tags]
        )
        here.inject(event)
        dispute = await _detected(here)
        refused = here.logs.named("event_rejected", event_id=event.id().to_hex())
        assert [each["level"] for each in refused] == ["warning"]
        assert await daemon.rows("SELECT dispute_id FROM disputes") == [(dispute.id,)]


@pytest.mark.parametrize("initiator", [["initiator", "seller "], ["initiator"], ["x", "y"]])
async def test_an_unknown_initiator_is_told_as_unknown(here: World, initiator: list[str]) -> None:
    """A dispute is not lost for want of a word in it."""
    async with here.hearing() as daemon:
        identifier = str(uuid4())
        await here.publish(["d", identifier], ["s", "initiated"], initiator, ["z", "dispute"])
        await _state(here, daemon, identifier, "notified")
        await here.until(
            lambda: all(each.about(identifier) for each in here.solvers),
            limit_seconds=5,
            what="told",
        )
        assert "\ninitiator: unknown\n" in here.solvers[0].messages[0].text
        assert await daemon.one("SELECT initiator_role FROM disputes") == "unknown"


@pytest.mark.parametrize("named", [True, False])
async def test_a_take_is_told(here: World, named: bool) -> None:
    """With and without a ``p`` tag."""
    taker = here.solvers[1].public_key
    async with here.hearing() as daemon:
        dispute = await _detected(here)
        await _state(here, daemon, dispute.id, "notified")
        more = [["p", taker]] if named else []
        event = await here.revision(dispute.id, "in-progress", *more, at=dispute.stamp + 1)
        await _state(here, daemon, dispute.id, "taken")
        await here.until(
            lambda: all(texts(each, dispute) == [ANNOUNCED, TAKEN] for each in here.solvers),
            limit_seconds=10,
            what="the take is told",
        )
        who = taker if named else None
        assert here.solvers[0].messages[-1].text == (
            f"{TAKEN}\ndispute_id: {dispute.id}\nassigned_solver: {who or 'unknown'}\n"
            "lifecycle_state: taken"
        )
        assert await daemon.one("SELECT assigned_solver FROM disputes") == who
        assert (await daemon.history(dispute.id))[-1] == f"notified>taken ({event.id().to_hex()})"
        await here.settle()
        rows = await daemon.notified(dispute.id)
        assert [row for row in rows if row[2] == "assignment"] == sorted(
            (each.public_key, "sent", "assignment") for each in here.solvers
        )


async def test_a_dispute_taken_before_anybody_was_told(here: World) -> None:
    """The first message is withdrawn; that somebody took it is still told."""
    async with here.hearing() as daemon:
        refusing = here.proxies[0].add(FAULTS["ok-false:error"].make())
        dispute = await here.node.open_dispute()
        await _state(here, daemon, dispute.id, "new")
        await here.elapse(5)
        await here.node.take(dispute)
        await _state(here, daemon, dispute.id, "taken")
        here.proxies[0].remove(refusing)
        await here.until(
            lambda: all(each.about(dispute.id) for each in here.solvers),
            limit_seconds=120,
            what="the take is told",
        )
        await here.elapse(BEYOND_TIMERS_SECONDS)
        assert [texts(each, dispute) for each in here.solvers] == [[TAKEN], [TAKEN]]
        assert (await daemon.history(dispute.id))[0].startswith("new>taken (")
        states = await daemon.rows("SELECT DISTINCT purpose, state FROM outbox ORDER BY 1")
        assert states == [("assignment", "sent"), ("initial", "withdrawn")]


async def test_a_second_take_tells_nobody(here: World) -> None:
    """The newer revision is applied, the assignment stays as it was told."""
    async with here.hearing() as daemon:
        dispute = await _detected(here)
        first, second = (each.public_key for each in here.solvers)
        await here.revision(dispute.id, "in-progress", ["p", first], at=dispute.stamp + 1)
        await _state(here, daemon, dispute.id, "taken")
        event = await here.revision(dispute.id, "in-progress", ["p", second], at=dispute.stamp + 2)
        await _detected(here)
        await here.elapse(60)
        assert (
            await daemon.one("SELECT event_id FROM revisions WHERE dispute_id = :id", id=dispute.id)
            == event.id().to_hex()
        )
        assert (
            await daemon.one(
                "SELECT assigned_solver FROM disputes WHERE dispute_id = :id", id=dispute.id
            )
            == first
        )
        assert [texts(each, dispute) for each in here.solvers] == [[ANNOUNCED, TAKEN]] * 2


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("in-progress", "taken"),
        ("settled", "resolved"),
        ("seller-refunded", "resolved"),
        ("released", "resolved"),
        ("cooperatively-canceled", "resolved"),
    ],
)
async def test_first_seen_past_its_opening(here: World, status: str, state: str) -> None:
    """Recorded, so that it is known, and told to nobody."""
    async with here.hearing() as daemon:
        identifier = str(uuid4())
        event = await here.revision(identifier, status)
        await _state(here, daemon, identifier, state)
        await here.elapse(60)
        assert await daemon.one("SELECT event_id FROM disputes") == event.id().to_hex()
        assert await daemon.one("SELECT count(*) FROM outbox") == 0
        assert [each.messages for each in here.solvers] == [[], []]


async def test_a_whole_life(here: World) -> None:
    """Opened, told, taken, closed."""
    async with here.hearing() as daemon:
        dispute = await _detected(here)
        await _state(here, daemon, dispute.id, "notified")
        take = await here.node.take(dispute)
        await _state(here, daemon, dispute.id, "taken")
        await here.node.resolve(dispute, "seller-refunded")
        await _state(here, daemon, dispute.id, "resolved")
        assert await daemon.history(dispute.id) == [
            "new>notified (initial_notification)",
            f"notified>taken ({take.id().to_hex()})",
            "taken>resolved (dispute_resolved_externally)",
        ]
        assert await daemon.one("SELECT dispute_status FROM disputes") == "seller-refunded"


async def test_what_nobody_takes_is_told_again(here: World) -> None:
    """Strictly later than the interval, then at each further one."""
    async with here.hearing(here.config(sections=REMINDING)) as daemon:
        dispute = await _detected(here)
        await _state(here, daemon, dispute.id, "notified")
        last = await daemon.one("SELECT last_notified_at FROM disputes")
        await here.elapse(last + 300 - here.clock.now())
        assert [len(texts(each, dispute)) for each in here.solvers] == [1, 1]
        await here.until(
            lambda: all(len(texts(each, dispute)) == 2 for each in here.solvers),
            limit_seconds=75,
            what="told again",
        )
        again = here.solvers[0].messages[-1]
        elapsed = int(again.text.rpartition(" ")[2])
        assert again.text == (
            f"{UNATTENDED}\ndispute_id: {dispute.id}\nlifecycle_state: notified\n"
            f"time_elapsed_seconds: {elapsed}"
        )
        assert elapsed > 300
        assert again.tag("e") == here.solvers[0].messages[0].rumor_id, "one thread a dispute"
        await here.settle()
        assert await daemon.one("SELECT last_notified_at FROM disputes") == dispute.stamp + elapsed
        rows = await daemon.notified(dispute.id)
        assert [row for row in rows if row[2] == "re-notification"] == sorted(
            (each.public_key, "sent", "re-notification") for each in here.solvers
        )
        await here.elapse(370)
        assert [texts(each, dispute) for each in here.solvers] == [
            [ANNOUNCED, UNATTENDED, UNATTENDED]
        ] * 2


@pytest.mark.parametrize("end", ["taken", "resolved"])
async def test_what_is_attended_is_not_told_again(here: World, end: str) -> None:
    async with here.hearing(here.config(sections=REMINDING)) as daemon:
        dispute = await _detected(here)
        await (here.node.take(dispute) if end == "taken" else here.node.resolve(dispute))
        await _state(here, daemon, dispute.id, end)
        await here.elapse(BEYOND_TIMERS_SECONDS)
        assert all(UNATTENDED not in texts(each, dispute) for each in here.solvers)


async def test_a_reminder_that_reaches_nobody(here: World) -> None:
    """It waits in the outbox, and is not piled up meanwhile."""
    async with here.hearing(here.config(sections=REMINDING)) as daemon:
        dispute = await _detected(here)
        await _state(here, daemon, dispute.id, "notified")
        last = await daemon.one("SELECT last_notified_at FROM disputes")
        refusing = here.proxies[0].add(FAULTS["ok-false:error"].make())
        await here.elapse(BEYOND_TIMERS_SECONDS)
        rows = await daemon.notified(dispute.id)
        failed = [row for row in rows if row[2] == "re-notification"]
        assert failed == sorted(
            (each.public_key, "failed", "re-notification") for each in here.solvers
        )
        assert await daemon.one("SELECT last_notified_at FROM disputes") == last
        queued = "SELECT count(*) FROM outbox WHERE purpose = 're-notification'"
        assert await daemon.one(queued) == 2, "one a solver, however many checks passed"
        here.proxies[0].remove(refusing)
        await here.until(
            lambda: all(
                texts(each, dispute)[:2] == [ANNOUNCED, UNATTENDED] for each in here.solvers
            ),
            limit_seconds=310,
            what="the reminder arrives",
        )
        await here.settle()
        assert await daemon.one("SELECT last_notified_at FROM disputes") > last


async def test_a_reminder_is_withdrawn_when_somebody_takes_the_dispute(here: World) -> None:
    """Nobody is called to a dispute that somebody has."""
    async with here.hearing(here.config(sections=REMINDING)) as daemon:
        dispute = await _detected(here)
        await _state(here, daemon, dispute.id, "notified")
        refusing = here.proxies[0].add(FAULTS["ok-false:error"].make())
        await here.elapse(400)
        pending = "SELECT count(*) FROM outbox WHERE purpose='re-notification' AND state='pending'"
        assert await daemon.one(pending) == 2
        await here.node.take(dispute)
        await _state(here, daemon, dispute.id, "taken")
        here.proxies[0].remove(refusing)
        await here.elapse(BEYOND_TIMERS_SECONDS)
        assert [texts(each, dispute) for each in here.solvers] == [[ANNOUNCED, TAKEN]] * 2


async def test_the_newest_revision_wins_from_every_state(here: World) -> None:
    """An older take changes nothing, a newer one does."""
    async with here.hearing() as daemon:
        dispute = await _detected(here)
        await here.revision(dispute.id, "settled", at=dispute.stamp + 10)
        await _state(here, daemon, dispute.id, "resolved")
        here.inject(here.sign_revision(dispute.id, "in-progress", at=dispute.stamp + 5))
        await _detected(here)
        assert await daemon.state_of(dispute) == "resolved"
        await here.revision(dispute.id, "in-progress", at=dispute.stamp + 11)
        await _state(here, daemon, dispute.id, "taken")


def test_an_illegal_move_is_refused_in_the_reference_words() -> None:
    with pytest.raises(IllegalTransition, match="invalid state transition: resolved -> notified"):
        check_transition(Lifecycle.RESOLVED, Lifecycle.NOTIFIED)
