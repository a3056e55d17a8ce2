"""A relay that takes events and answers nothing, and then answers again."""

from pathlib import Path

from tests.daemon.rig import world

from serbero.simulator.faults import FAULTS

TAKEN = "SELECT count(*) FROM outbox_targets WHERE state = 'accepted'"


async def test_what_waited_goes_out_at_once_when_the_relay_answers_again(tmp_path: Path) -> None:
    """By then each message alone would rest for minutes."""
    async with world(tmp_path) as here, here.hearing() as daemon:
        silent = here.proxies[0].add(FAULTS["ok-never"].make())
        for _ in range(4):
            await here.node.open_dispute()
        await here.until(
            lambda: here.logs.named("relay_gives_no_answers", level="warning"),
            limit_seconds=60,
            what="known to be silent",
        )
        await here.elapse(600)
        assert len(here.logs.named("relay_gives_no_answers", level="warning")) == 1
        assert await daemon.rows(TAKEN) == [(0,)]
        here.proxies[0].remove(silent)

        async def accepted(count: int) -> bool:
            return bool((await daemon.rows(TAKEN))[0][0] >= count)

        await here.until(lambda: accepted(1), limit_seconds=330, what="the first is taken")
        moved = await here.until(lambda: accepted(8), limit_seconds=330, what="all are taken")
        assert moved <= 5
