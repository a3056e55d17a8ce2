"""``[mostro].pubkey`` names another node: what the old one published rests."""

from nostr_sdk import Keys
from tests.daemon.rig import World, texts

from serbero.mostro.node_info import INFO_KIND

REMINDING = "[timeouts]\nrenotification_seconds = 300\nrenotification_check_interval_seconds = 60"
ROUND_SECONDS = 360


def other_node() -> str:
    return f'[mostro]\npubkey = "{Keys.generate().public_key().to_hex()}"\n'


async def test_disputes_of_another_node_are_neither_reminded_of_nor_asked_about(
    here: World,
) -> None:
    """Nobody would learn that they are over. With the old node configured again, they go on."""
    async with here.hearing(here.config(sections=REMINDING)):
        dispute = await here.node.open_dispute()
        await here.told(dispute)
    asked = len(here.requests[0].asked)
    async with here.hearing(here.config(other_node(), sections=REMINDING)):
        await here.elapse(2 * ROUND_SECONDS)
        filters = [each[0] for _, each in here.requests[0].asked[asked:]]
        # What the node says of itself has a `d` as well.
        questions = [each for each in filters if each.get("kinds") != [INFO_KIND]]
        assert any("#s" in each for each in questions), "it did reconcile"
        assert [each for each in questions if "#d" in each] == []
        assert [len(texts(each, dispute)) for each in here.solvers] == [1, 1]
    async with here.hearing(here.config(sections=REMINDING)):
        await here.until(
            lambda: all(len(texts(each, dispute)) > 1 for each in here.solvers),
            limit_seconds=ROUND_SECONDS,
            what="reminded again",
        )
