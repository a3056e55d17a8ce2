"""What ``serbero doctor`` says of the node: the tables, and against nodes of every style."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nostr_sdk import Keys

from serbero.cli.doctor_checks.examination import examine
from serbero.cli.doctor_checks.findings import Finding, Level, Report
from serbero.cli.doctor_checks.node import NodeSeen, Terms, node_findings, relay_list_findings
from serbero.cli.doctor_checks.probes import measure_work
from serbero.clock import Clock, SystemClock
from serbero.mostro.node_info import NodeInfo, Transport
from serbero.nostr.keys import npub
from serbero.nostr.relay_list import RelayList
from serbero.simulator.clock import FakeClock
from serbero.simulator.node import MostroNode
from serbero.simulator.relay import LoopbackRelay
from serbero.store import node_info
from serbero.store.engine import Store

OURS = Keys.generate()
OWN = OURS.public_key().to_hex()
RIVAL = "9c65dc5be79eca61f880f25eb9833929b597c0b1f9b3df9e3088ef3a1513b04a"
NODE = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
NOW = 1_793_000_000
OK, NOTE, WARN = Level.OK, Level.NOTE, Level.WARNING

V2 = NodeInfo(
    node=NODE,
    event_id="0" * 64,
    created_at=NOW - 60,
    transport=Transport.NIP44,
    protocol_version="2",
    pow=6,
    pow_first_contact=12,
    serbero=None,
    version="0.18.5",
    name=None,
    cltv_delta=None,
    bond_enabled=None,
    networks=(),
)
V1 = replace(V2, transport=Transport.GIFT_WRAP, protocol_version="1", pow_first_contact=6)
UNKNOWN = replace(V2, transport=None, protocol_version="3")
TERMS = Terms("auto", 24, 60, OWN, 1_000_000.0)

SAID_V2 = (
    "Mostro 0.18.5, protocol 2 (NIP-44 direct), proof of work 6, first contact 12; "
    "a take goes by NIP-44 direct with 12 bits of work"
)


def told(findings: list[Finding]) -> list[tuple[Level, str]]:
    return [(each.level, each.message) for each in findings]


def seen(info: NodeInfo | None, **more: Any) -> NodeSeen:
    facts: dict[str, Any] = {"ahead_seconds": None, "relays": None, "asked": 2, **more}
    return NodeSeen(info=info, **facts)


# --- the tables ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("info", "changes", "expected"),
    [
        (V2, {}, [(OK, SAID_V2)]),
        (
            V1,
            {},
            [
                (
                    OK,
                    "Mostro 0.18.5, protocol 1 (gift wrap), proof of work 6; "
                    "a take goes by gift wrap with 6 bits of work",
                )
            ],
        ),
        (
            replace(V1, protocol_version=None, version=None, pow=None, pow_first_contact=None),
            {},
            [
                (
                    OK,
                    "Mostro unknown, protocol 1 (gift wrap, as the node names none), proof of work "
                    "unknown; a take goes by gift wrap with 0 bits of work, up to 24 if it stays "
                    "silent",
                )
            ],
        ),
        (
            replace(V2, pow=0, pow_first_contact=None),
            {"max_bits": 20},
            [
                (
                    OK,
                    "Mostro 0.18.5, protocol 2 (NIP-44 direct), proof of work 0, first contact "
                    "unknown (will be found out); a take goes by NIP-44 direct with 0 bits of "
                    "work, up to 20 if it stays silent",
                )
            ],
        ),
        (
            replace(V2, created_at=NOW - 90_000),
            {},
            [(WARN, f"{SAID_V2}; last published 25 hours ago")],
        ),
        (
            UNKNOWN,
            {},
            [
                (OK, "Mostro 0.18.5, protocol 3, proof of work 6"),
                (
                    WARN,
                    "speaks protocol 3, which Serbero does not know: disputes are noticed, none "
                    "can be taken",
                ),
            ],
        ),
        (
            UNKNOWN,
            {"transport": "gift-wrap"},
            [
                (
                    OK,
                    "Mostro 0.18.5, protocol 3, proof of work 6; a take goes by gift wrap with 6 "
                    "bits of work",
                ),
                (
                    WARN,
                    "speaks protocol 3, which Serbero does not know: [mostro].transport forces "
                    "gift wrap, which it may not read",
                ),
            ],
        ),
        (
            V2,
            {"transport": "gift-wrap"},
            [
                (
                    OK,
                    "Mostro 0.18.5, protocol 2 (NIP-44 direct), proof of work 6, first contact 12; "
                    "a take goes by gift wrap with 6 bits of work",
                ),
                (
                    WARN,
                    "[mostro].transport forces gift wrap, but the node speaks protocol 2 (NIP-44 "
                    "direct): it drops what comes another way without a word",
                ),
            ],
        ),
        (V2, {"transport": "nip44"}, [(OK, SAID_V2)]),
        (
            V2,
            {"max_bits": 11},
            [
                (OK, SAID_V2),
                (
                    WARN,
                    "it wants 12 bits of work, [mostro].max_pow_bits allows 11: no dispute can be "
                    "taken",
                ),
            ],
        ),
        (
            V2,
            {"tries_per_second": 200.0},
            [
                (OK, SAID_V2),
                (
                    WARN,
                    "12 bits of work take this machine about 20 s a request, and a take is given "
                    "up after 60 s",
                ),
            ],
        ),
        (replace(V2, serbero=OWN), {}, [(OK, SAID_V2), (OK, "names this key as its assistant")]),
        (
            replace(V2, serbero=RIVAL),
            {},
            [
                (OK, SAID_V2),
                (
                    WARN,
                    f"names another key as its assistant: {npub(RIVAL)}; takes may be refused",
                ),
            ],
        ),
    ],
)
def test_node(info: NodeInfo, changes: dict[str, Any], expected: list[tuple[Level, str]]) -> None:
    terms = replace(TERMS, **changes)
    assert told(node_findings(seen(info), None, terms, NOW)) == expected


def test_more_work_than_can_be_configured_is_for_the_operator_of_the_node() -> None:
    greedy = replace(V2, pow=40)
    remedies = [x.remedy for x in node_findings(seen(greedy), None, TERMS, NOW) if x.remedy]
    assert remedies == ["ask the node's operator for a lower demand: so much work takes hours"]
    dear = replace(V2, pow=26)
    remedies = [x.remedy for x in node_findings(seen(dear), None, TERMS, NOW) if x.remedy]
    assert remedies == ["raise [mostro].max_pow_bits to 26; each bit doubles the work"]


@pytest.mark.parametrize(
    ("what", "remembered", "expected"),
    [
        (seen(None, asked=0), V2, [(WARN, "not looked up: no relay answered")]),
        (
            seen(None),
            None,
            [(WARN, "no info event on 2 relays: disputes are noticed, none can be taken")],
        ),
        (
            seen(None),
            V2,
            [(WARN, "no info event on 2 relays"), (NOTE, f"remembered, and used: {SAID_V2}")],
        ),
        (
            seen(None, ahead_seconds=7_200),
            None,
            [
                (
                    WARN,
                    "its info event is dated 2 hours ahead of our clock and not believed: "
                    "disputes are noticed, none can be taken",
                )
            ],
        ),
        # A relay that lost the newest one shows an older; the daemon goes by what it remembers.
        (seen(replace(V1, created_at=NOW - 900)), V2, [(OK, SAID_V2)]),
        (seen(V2), replace(V1, created_at=NOW - 900), [(OK, SAID_V2)]),
    ],
)
def test_what_is_not_there(
    what: NodeSeen, remembered: NodeInfo | None, expected: list[tuple[Level, str]]
) -> None:
    assert told(node_findings(what, remembered, TERMS, NOW)) == expected


def listing(*urls: str) -> NodeSeen:
    return seen(V2, relays=RelayList("1" * 64, NOW, urls, urls))


A, B, C = "wss://a.example", "wss://b.example", "wss://c.example"
MANY = tuple(f"wss://n{number}.example" for number in range(7))


@pytest.mark.parametrize(
    ("what", "configured", "expected"),
    [
        (seen(None, asked=0), [A], []),
        (
            seen(V2),
            [A],
            [(NOTE, "the node publishes no list of them: shared ones cannot be told")],
        ),
        (listing(A, B), [A], [(OK, f"the node is on 1 of 1 configured relay; used besides: {B}")]),
        (listing(A, B), [C, B, A], [(OK, "the node is on 2 of 3 configured relays")]),
        (
            listing(A, *MANY),
            [A],
            [
                (
                    OK,
                    "the node is on 1 of 1 configured relay; used besides (at most 5): "
                    + " ".join(MANY[:5]),
                )
            ],
        ),
        (
            listing(A),
            [B, C],
            [
                (
                    WARN,
                    "the node lists 1 relay, none of ours: it may not read what we send; used "
                    f"besides: {A}",
                )
            ],
        ),
        (
            listing("ws://10.0.0.1"),
            [B],
            [(WARN, "the node lists 1 relay, none of ours: it may not read what we send")],
        ),
        (
            listing(),
            [B],
            [(WARN, "the node lists 0 relays, none of ours: it may not read what we send")],
        ),
    ],
)
def test_relays_of_the_node(
    what: NodeSeen, configured: list[str], expected: list[tuple[Level, str]]
) -> None:
    assert told(relay_list_findings(what, configured, allow_private=False)) == expected


def test_how_fast_this_machine_works() -> None:
    class Stopwatch(FakeClock):
        """A clock on which everything takes half a second."""

        def __init__(self) -> None:
            super().__init__()
            self._looks = itertools.count()

        def monotonic(self) -> float:
            return 0.5 * next(self._looks)

    assert measure_work(OURS, NODE, Stopwatch()) == 40_000.0
    assert measure_work(OURS, NODE, FakeClock()) == float("inf")


# --- against a node ------------------------------------------------------------------------


def write_config(
    folder: Path, node: str, relays: list[str], *, mostro: str = "", more: str = ""
) -> Path:
    path = folder / "config.toml"
    path.write_text(
        f'[serbero]\nprivate_key = "{OURS.secret_key().to_bech32()}"\n'
        f'db_path = "{folder / "serbero.db"}"\n'
        f'[mostro]\npubkey = "{node}"\n{mostro}\n'
        + "\n".join(f'[[relays]]\nurl = "{url}"' for url in relays)
        + f"\n{more}\n"
    )
    path.chmod(0o600)
    return path


def about(report: Report, check: str) -> list[tuple[Level, str]]:
    return told([each for each in report.findings if each.check == check])


async def said_of(
    folder: Path, node: MostroNode, relay: str, mostro: str = "", clock: Clock | None = None
) -> list[tuple[Level, str]]:
    path = write_config(folder, node.public_key, [relay], mostro=mostro)
    return about(await examine(path, {}, clock or SystemClock()), "node")


async def test_a_node_in_each_style(tmp_path: Path) -> None:
    async with (
        LoopbackRelay() as relay,
        MostroNode([relay.url], pow_bits=2, first_contact_bits=10) as node,
    ):
        await node.publish_info()
        ten = (
            "Mostro 0.18.5, protocol 2 (NIP-44 direct), proof of work 2, first contact 10; "
            "a take goes by NIP-44 direct with 10 bits of work"
        )
        assert await said_of(tmp_path, node, relay.url) == [(OK, ten)]
        high = await said_of(tmp_path, node, relay.url, "max_pow_bits = 9")
        assert [level for level, _ in high] == [OK, WARN]
        assert high[1][1].startswith("it wants 10 bits of work, [mostro].max_pow_bits allows 9")

        node.advertise_first_contact = False
        await node.publish_info()
        [(level, untold)] = await said_of(tmp_path, node, relay.url)
        assert level is OK
        assert "first contact unknown (will be found out)" in untold
        assert untold.endswith("with 2 bits of work, up to 24 if it stays silent")

        await node.publish_info(extra=[["serbero", OWN]])
        assert (OK, "names this key as its assistant") in await said_of(tmp_path, node, relay.url)
        await node.publish_info(extra=[["serbero", RIVAL]])
        rival = await said_of(tmp_path, node, relay.url)
        assert [level for level, _ in rival] == [OK, WARN]

        await node.switch(protocol=1)
        [(level, first)] = await said_of(tmp_path, node, relay.url)
        assert (level, first.split(", ")[1]) == (OK, "protocol 1 (gift wrap)")
        forced = await said_of(tmp_path, node, relay.url, 'transport = "nip44"')
        assert [level for level, _ in forced] == [OK, WARN]
        assert "forces NIP-44 direct, but the node speaks protocol 1" in forced[1][1]

        await node.publish_info(protocol_version=None)
        [(level, unnamed)] = await said_of(tmp_path, node, relay.url)
        assert (level, "as the node names none" in unnamed) == (OK, True)
        await node.publish_info(protocol_version=7)
        other = await said_of(tmp_path, node, relay.url)
        assert [level for level, _ in other] == [OK, WARN]
        assert other[1][1].startswith("speaks protocol 7, which Serbero does not know")


async def test_an_info_event_from_the_future_is_told_of(tmp_path: Path) -> None:
    now = SystemClock().now()
    async with (
        LoopbackRelay() as relay,
        MostroNode([relay.url], clock=FakeClock(now + 7_300)) as node,
    ):
        await node.publish_info()
        [(level, said)] = await said_of(tmp_path, node, relay.url)
    assert level is WARN
    assert said.startswith("its info event is dated 2 hours ahead of our clock and not believed")


async def test_what_was_seen_before_is_used_while_the_node_is_not_seen(tmp_path: Path) -> None:
    now = SystemClock().now()
    async with LoopbackRelay() as relay, MostroNode([relay.url]) as node:
        event = await node.publish_info()
        store = Store.open(tmp_path / "serbero.db", now)
        stamp = event.created_at().as_secs()
        await store.transact(
            node_info.save_info, node.public_key, event.as_json(), stamp, now + 600
        )
        store.close()
        async with LoopbackRelay() as empty:
            found = await said_of(tmp_path, node, empty.url)
    assert [level for level, _ in found] == [WARN, NOTE]
    assert found[0][1] == "no info event on 1 relay"
    assert found[1][1].startswith("remembered, and used: Mostro 0.18.5, protocol 2")


async def test_the_relays_of_a_node(tmp_path: Path) -> None:
    private = "[delivery]\nallow_private_relays = true"
    async with (
        LoopbackRelay() as ours,
        LoopbackRelay() as theirs,
        MostroNode([ours.url, theirs.url]) as node,
    ):
        path = write_config(tmp_path, node.public_key, [ours.url], more=private)
        report = await examine(path, {}, SystemClock())
        assert about(report, "node relays") == [
            (NOTE, "the node publishes no list of them: shared ones cannot be told")
        ]
        await node.publish_relay_list()
        report = await examine(path, {}, SystemClock())
        assert about(report, "node relays") == [
            (OK, f"the node is on 1 of 1 configured relay; used besides: {theirs.url}")
        ]
        await node.publish_relay_list([theirs.url])
        report = await examine(path, {}, SystemClock())
        [finding] = [each for each in report.findings if each.check == "node relays"]
        assert (finding.level, finding.message) == (
            WARN,
            "the node lists 1 relay, none of ours: it may not read what we send; used besides: "
            f"{theirs.url}",
        )
        assert finding.remedy == f"write relays of the node into [[relays]] such as {theirs.url}"
