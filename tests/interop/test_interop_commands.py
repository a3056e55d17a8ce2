"""Solvers on nostr-tools write to the whole daemon, on either channel, and are answered."""

from contextlib import AsyncExitStack

import pytest
from tests.interop.house import House, rows
from tests.interop.js_peer import Report

from serbero.daemon.build import Parts
from serbero.model.ladder import Policy, Step
from serbero.simulator.clock import eventually
from serbero.simulator.relay import LoopbackRelay
from serbero.store import ladders

COMMANDS = {"nip17": "dm", "mostro": "send_dm"}
FLOOD = 60
ALL = ("ana", "bob")


async def hire(house: House, *, relays: tuple[str, ...] = ()) -> dict[str, str]:
    """Two solvers at the peer; the first may settle. Returns their keys."""
    urls = list(relays or (house.relay.url,))
    how = {"relays": urls, "trusted": [house.public_key]}
    return {name: str((await house.peer.do("solver", name, **how))["pubkey"]) for name in ALL}


async def configure(
    house: House, keys: dict[str, str], *, via: str = "nip17", relays: tuple[str, ...] = ()
) -> None:
    """Let the daemon's next life know exactly these solvers."""
    lines = [
        "[serbero]",
        f'private_key = "{house.own.secret_key().to_hex()}"',
        f'db_path = "{house.folder / "serbero.db"}"',
        f'[mostro]\npubkey = "{house.node}"',
        "[escalation]\nenabled = true\nacknowledge = true",
    ]
    lines += [f'[[relays]]\nurl = "{url}"' for url in relays or (house.relay.url,)]
    for name, key in keys.items():
        permission = "write" if name == "ana" else "read"
        lines.append(
            f'[[solvers]]\nname = "{name}"\npubkey = "{key}"\npermission = "{permission}"'
            f'\nvia = "{via}"'
        )
    house.settings = "\n".join(lines)


async def waited_for(house: House, parts: Parts) -> str:
    """A dispute that was told of, and that a person is waited for."""
    trade = await house.open()

    def told() -> bool:
        return all(any(trade.dispute in text for text in said_to(house, name)) for name in ALL)

    await eventually(told, seconds=30, what="both are told")
    now, policy = parts.base.clock.now(), Policy((Step(3600, "writers"),))
    await parts.base.store.transact(ladders.begin, trade.dispute, None, 1, policy, now)
    return trade.dispute


def said_to(house: House, name: str) -> list[str]:
    """What somebody was told, on any channel."""
    return [each["text"] for each in house.peer.all("dm", name)]


async def ask(house: House, name: str, text: str, via: str = "nip17") -> str:
    """Write as a solver does; the next that solver is told on that channel."""
    before = len(house.peer.all("dm", name, via=via))
    await house.peer.do(COMMANDS[via], name, to=house.public_key, text=text)

    def told() -> list[Report]:
        return house.peer.all("dm", name, via=via)[before:]

    await eventually(told, seconds=30, what=f"an answer to {text}")
    return str(told()[0]["text"])


@pytest.mark.parametrize("via", COMMANDS)
async def test_solvers_are_answered_where_they_ask(house: House, via: str) -> None:
    keys = await hire(house)
    await configure(house, keys, via=via)
    async with house.daemon() as parts:
        dispute = await waited_for(house, parts)
        short = dispute[:8]
        assert (await ask(house, "ana", "Open?", via)).startswith(f"1 dispute is open:\n{short}")
        assert dispute in await ask(house, "bob", f"/show {short.upper()}", via)
        assert "write permission" in await ask(house, "bob", f"ack {short}", via)
        assert (await ask(house, "ana", f"ack {short}", via)).startswith(f"You have {short}")
        await eventually(
            lambda: any("ana" in text for text in said_to(house, "bob")[1:]),
            seconds=30,
            what="the other is told who has it",
        )
        assert f"ana has {short}" in await ask(house, "bob", "who?", via)
        assert "at the node" in await ask(house, "ana", f"settle {dispute}", via)
        [(held,)] = await rows(parts, "SELECT solver FROM acknowledgements")
        assert held == keys["ana"]
        seen = await rows(parts, "SELECT count(*) FROM commands_seen")
        assert seen == [(6,)]
    assert {each["via"] for each in house.peer.all("dm")} == {via}


async def test_a_strangers_flood_is_silence_and_keeps_nobody_out(house: House) -> None:
    keys = await hire(house)
    await configure(house, keys)
    await house.peer.start("solver", "stranger", trusted=[house.public_key])
    async with house.daemon() as parts:
        for number in range(FLOOD):
            text = f"open {number}"
            await house.peer.do("dm", "stranger", to=house.public_key, text=text)
        assert await ask(house, "ana", "open") == "No dispute is open."
        assert await rows(parts, "SELECT count(*) FROM commands_seen") == [(1,)]
    assert not house.peer.all("dm", "stranger")


async def test_who_is_removed_in_mid_conversation_is_a_stranger(house: House) -> None:
    keys = await hire(house)
    await configure(house, keys)
    async with house.daemon():
        assert "held back" in await ask(house, "ana", "mute 8h")
    await configure(house, {"bob": keys["bob"]})
    async with house.daemon() as parts:
        for via in COMMANDS.values():
            await house.peer.do(via, "ana", to=house.public_key, text="mute off")
        assert "No dispute" in await ask(house, "bob", "open")
        await eventually(
            lambda: parts.base.metrics.registry.get_sample_value(
                "serbero_solver_messages_total", {"outcome": "stranger"}
            ),
            what="it was looked at",
        )
        assert len(await rows(parts, "SELECT * FROM mutes")) == 1
    assert len(said_to(house, "ana")) == 1


async def test_one_command_by_three_relays_is_answered_once(house: House) -> None:
    async with AsyncExitStack() as stack:
        more = [await stack.enter_async_context(LoopbackRelay()) for _ in range(2)]
        urls = (house.relay.url, *(each.url for each in more))
        keys = await hire(house, relays=urls)
        await configure(house, keys, relays=urls)
        async with house.daemon() as parts:
            await eventually(
                lambda: all(
                    len(parts.pool.heard_on(each.id)) == len(urls)
                    for each in parts.console.subscriptions()
                ),
                seconds=30,
                what="every relay is listened to",
            )
            for via in COMMANDS:
                assert await ask(house, "ana", "open", via) == "No dispute is open."
            await eventually(lambda: sent_everywhere(parts), seconds=30, what="all took them")
            answered = await rows(parts, "SELECT channel FROM outbox ORDER BY id")
            assert answered == [("nip17",), ("mostro",)]
    assert len(said_to(house, "ana")) == 2


async def sent_everywhere(parts: Parts) -> bool:
    states = await rows(parts, "SELECT state FROM outbox_targets")
    return len(states) == 6 and all(state == "accepted" for (state,) in states)
