"""``serbero outbox retry`` and ``drop`` as an operator uses them: beside a running daemon."""

import asyncio
import json
import sys
from typing import Any, Final

from tests.daemon.rig import Daemon, World, firsts

from serbero.config.settings import Config
from serbero.simulator.faults import FAULTS
from serbero.simulator.node import Dispute

SOON_SECONDS: Final = 8
"""The daemon looks every 5 s; then a relay has to answer."""
LONG_SECONDS: Final = 60
"""Many times longer than the waits between the attempts here."""
_AT_THAT_TIME: Final = """
import json, sys
from serbero.clock import SystemClock
now, arguments = json.loads(sys.argv[1])
SystemClock.now = lambda self: now
sys.argv = ["serbero", *arguments]
from serbero.cli.main import main
main()
"""
"""The program, in a process of its own whose clock shows what the one on trial does."""


async def command(here: World, *arguments: str, code: int = 0) -> Any:
    """Run ``serbero outbox ...`` beside the daemon and return its document."""
    asked = ["outbox", *arguments, "--db", str(here.folder / "serbero.db"), "--json"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _AT_THAT_TIME,
        json.dumps([here.clock.now(), asked]),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=here.folder,
    )
    out, err = await process.communicate()
    assert process.returncode == code, (out, err)
    return json.loads(out)


async def outcomes(here: World, *arguments: str, code: int = 0) -> dict[int, str]:
    said = await command(here, *arguments, code=code)
    return {each["id"]: each["outcome"] for each in said["messages"]}


def brief(here: World) -> Config:
    """Messages are given up after a minute."""
    return here.config("[delivery]\ndeadline_seconds = 60\n")


async def states(daemon: Daemon) -> dict[int, str]:
    return dict(await daemon.rows("SELECT id, state FROM outbox ORDER BY id"))


async def became(here: World, daemon: Daemon, wanted: dict[int, str]) -> None:
    async def so() -> bool:
        return await states(daemon) == wanted

    await here.until(so, limit_seconds=120, what=f"the messages become {wanted}")


async def refused(here: World, daemon: Daemon, how: str = "ok-false:error") -> Dispute:
    """A dispute of which no relay takes (or admits to have taken) a message; numbers 1 and 2."""
    here.proxies[0].add(FAULTS[how].make())
    dispute = await here.node.open_dispute()

    async def tried() -> bool:
        return await daemon.one("SELECT min(attempts) FROM outbox_targets") is not None

    await here.until(tried, limit_seconds=30, what="the messages are enqueued and tried")
    await here.elapse(3)
    return dispute


def got(here: World, dispute: Dispute) -> list[int]:
    """How many first messages each solver holds."""
    return [len(firsts(each, dispute)) for each in here.solvers]


def by_recipient(here: World, rows: list[tuple[Any, ...]]) -> dict[int, int]:
    """Message number to the place of its solver."""
    keys = [each.public_key for each in here.solvers]
    return {number: keys.index(recipient) for number, recipient in rows}


async def test_a_dead_message_lives_again_and_is_delivered_once(here: World) -> None:
    async with here.hearing(brief(here)) as daemon:
        dispute = await refused(here, daemon)
        await became(here, daemon, {1: "dead", 2: "dead"})
        here.proxies[0].clear()
        before = await daemon.rows("SELECT id, rumor_id FROM outbox ORDER BY id")
        bytes_before = await daemon.rows("SELECT * FROM outbox_wraps ORDER BY event_id")
        [whose] = (
            place
            for number, place in by_recipient(
                here, await daemon.rows("SELECT id, recipient FROM outbox")
            ).items()
            if number == 2
        )
        assert await outcomes(here, "retry", "2") == {2: "revived"}
        await here.elapse(SOON_SECONDS)
        assert await states(daemon) == {1: "dead", 2: "sent"}
        wanted = [0, 0]
        wanted[whose] = 1
        assert got(here, dispute) == wanted
        assert await daemon.rows("SELECT id, rumor_id FROM outbox ORDER BY id") == before
        kept = await daemon.rows("SELECT * FROM outbox_wraps ORDER BY event_id")
        assert kept == bytes_before
        assert await daemon.state_of(dispute) == "notified"
        sent = "SELECT count(*) FROM notifications WHERE status = 'sent'"
        assert await daemon.one(sent) == 1
        written = await daemon.rows(
            "SELECT dispute_id, payload_json FROM journal WHERE kind = 'operator_retry'"
        )
        [[about, payload]] = written
        assert about == dispute.id
        assert json.loads(payload).items() >= {"outbox_id": 2, "was": "dead"}.items()
        await here.elapse(LONG_SECONDS)
        assert got(here, dispute) == wanted
        assert not here.logs.faults({"message_dead"})


async def test_what_is_not_true_any_more_is_withdrawn_instead(here: World) -> None:
    async with here.hearing(brief(here)) as daemon:
        dispute = await refused(here, daemon)
        await became(here, daemon, {1: "dead", 2: "dead"})
        here.proxies[0].clear()
        await here.node.take(dispute)

        async def taken() -> bool:
            return await daemon.state_of(dispute) == "taken"

        await here.until(taken, limit_seconds=30, what="the take")
        assert await outcomes(here, "retry", "--all-dead", code=1) == dict.fromkeys(
            (1, 2), "withdrawn"
        )
        await here.elapse(LONG_SECONDS)
        assert got(here, dispute) == [0, 0]
        assert await command(here, "list") == []


async def test_a_waiting_message_that_is_dropped_is_never_sent(here: World) -> None:
    async with here.hearing() as daemon:
        dispute = await refused(here, daemon)
        places = by_recipient(here, await daemon.rows("SELECT id, recipient FROM outbox"))
        assert await outcomes(here, "drop", "1", "--yes") == {1: "dropped"}
        # Somebody has to learn of the dispute.
        assert await outcomes(here, "drop", "2", "--yes", code=1) == {2: "refused"}
        here.proxies[0].clear()
        await here.elapse(LONG_SECONDS)
        wanted = [0, 0]
        wanted[places[2]] = 1
        assert got(here, dispute) == wanted
        assert await states(daemon) == {1: "withdrawn", 2: "sent"}
        written = "SELECT payload_json FROM journal WHERE kind = 'operator_drop'"
        assert json.loads(await daemon.one(written))["outbox_id"] == 1


async def test_a_relay_that_refused_for_good_is_asked_again(here: World) -> None:
    async with here.hearing() as daemon:
        dispute = await refused(here, daemon, "ok-false:blocked")
        assert set(await daemon.rows("SELECT state FROM outbox_targets")) == {("refused",)}
        here.proxies[0].clear()
        await here.elapse(60)
        assert got(here, dispute) == [0, 0], "nobody asks a relay that said no"
        assert await outcomes(here, "retry", "1", "2") == dict.fromkeys((1, 2), "due")
        await here.elapse(SOON_SECONDS)
        assert got(here, dispute) == [1, 1]


async def test_killed_between_it_is_neither_lost_nor_doubled(here: World) -> None:
    """A relay had it all along; the daemon dies before the retry, and again in the midst of it."""
    config = brief(here)
    async with here.hearing(config) as daemon:
        dispute = await refused(here, daemon, "ok-never")
        await became(here, daemon, {1: "dead", 2: "dead"})
        await here.settle()
        assert got(here, dispute) == [1, 1], "the relay took them and never said so"
    # Nobody is there: the change waits in the database.
    assert await outcomes(here, "retry", "--all-dead") == dict.fromkeys((1, 2), "revived")
    async with here.run(config):
        await here.elapse(SOON_SECONDS)
    here.proxies[0].clear()
    async with here.hearing(config) as daemon:
        await became(here, daemon, {1: "sent", 2: "sent"})
        await here.elapse(SOON_SECONDS)
        assert got(here, dispute) == [1, 1]
        held = await here.held(here.solvers[0])
        assert [len(each) for each in held.values()] == [1]
        sent = "SELECT count(*) FROM notifications WHERE status = 'sent'"
        assert await daemon.one(sent) == 2
