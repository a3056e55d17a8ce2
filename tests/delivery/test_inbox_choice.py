"""Which relays a recipient reads on: the configuration's, or his newest list, within bounds."""

from collections.abc import Sequence

import pytest
from nostr_sdk import Event, Keys

from serbero.delivery.directory import MAX_NODE_RELAYS, Directory
from serbero.delivery.inboxes import choose_inbox
from serbero.delivery.node_relays import fit_to_visit
from serbero.model.notification import TargetSource
from serbero.model.people import Solver
from serbero.nostr.inbox_list import MAX_INBOX_RELAYS
from serbero.simulator.events import inbox_relays_event, signed
from serbero.store.inboxes import Inbox

SOLVER = Keys.generate()
HEX = SOLVER.public_key().to_hex()
NOW = 1_767_225_600
CONFIGURED = "wss://configured.example"


def inbox_list(*urls: str, at: int = NOW - 100, keys: Keys = SOLVER) -> Event:
    return inbox_relays_event(keys, at, urls)


def choose(
    events: Sequence[Event], known: Inbox | None = None, *, allow_private: bool = False
) -> Inbox:
    return choose_inbox(HEX, events, known, NOW, allow_private=allow_private)


def test_the_newest_list_counts() -> None:
    older, newer = inbox_list("wss://a.example", at=NOW - 9), inbox_list("wss://b.example", at=NOW)
    for events in ([older, newer], [newer, older]):
        assert choose(events) == Inbox(HEX, ("wss://b.example",), NOW, NOW)


def test_of_two_lists_of_one_second_the_lower_id_counts() -> None:
    """NIP-01's rule for ties; without one, two relays would make us change back and forth."""
    both = [inbox_list("wss://a.example", at=NOW), inbox_list("wss://b.example", at=NOW)]
    lower = min(both, key=lambda event: event.id().to_hex())
    expected = [tag.to_vec()[1] for tag in lower.tags()]
    assert list(choose(both).relays) == list(choose(both[::-1]).relays) == expected


def test_lists_of_others_and_other_kinds_do_not_count() -> None:
    stranger = inbox_list("wss://evil.example", at=NOW, keys=Keys.generate())
    other_kind = signed(SOLVER, 10002, "", [["relay", "wss://evil.example"]], NOW)
    assert choose([stranger, other_kind]) == Inbox(HEX, (), None, NOW)


def test_an_older_list_never_replaces_a_newer_one() -> None:
    known = Inbox(HEX, ("wss://known.example",), NOW - 10, NOW - 5000)
    assert choose([inbox_list("wss://old.example", at=NOW - 11)], known) == Inbox(
        HEX, ("wss://known.example",), NOW - 10, NOW
    )
    assert choose([], known).relays == ("wss://known.example",)


def test_a_newer_empty_list_says_that_there_are_none() -> None:
    known = Inbox(HEX, ("wss://known.example",), NOW - 10, NOW - 5000)
    assert choose([inbox_list(at=NOW)], known) == Inbox(HEX, (), NOW, NOW)


@pytest.mark.parametrize(
    "url",
    [
        "ws://plain.example",
        "wss://127.0.0.1",
        "wss://localhost",
        "wss://10.1.2.3:7000",
        "wss://[::1]",
        "https://web.example",
        "not an address",
        "",
    ],
)
def test_addresses_of_our_own_network_are_not_visited(url: str) -> None:
    """A list is what a stranger wrote; it must not make us connect anywhere he likes."""
    assert choose([inbox_list(url, "wss://good.example")]).relays == ("wss://good.example",)


def test_unless_the_operator_allows_it() -> None:
    assert choose([inbox_list("ws://127.0.0.1:7000")], allow_private=True).relays == (
        "ws://127.0.0.1:7000",
    )


def test_three_at_most_each_once() -> None:
    urls = ["wss://a.example", "wss://A.example/", *(f"wss://{n}.example" for n in range(9))]
    assert choose([inbox_list(*urls)]).relays == (
        "wss://a.example",
        "wss://0.example",
        "wss://1.example",
    )
    assert MAX_INBOX_RELAYS == 3


def test_tags_that_name_nothing() -> None:
    event = signed(SOLVER, 10050, "", [["relay"], ["r", "wss://r.example"], ["relay", ""]], NOW)
    assert choose([event]).relays == ()


def test_directory() -> None:
    own = "wss://own.example"
    people = [
        Solver(typed="a", hex="aa" * 32, relays=(own,)),
        Solver(typed="b", hex="bb" * 32),
        Solver(typed="c", hex=None, problem="no key"),
    ]
    directory = Directory([CONFIGURED], people)
    base = {CONFIGURED: TargetSource.CONFIGURED}
    assert directory.relays_of("aa" * 32) == base | {own: TargetSource.INBOX}
    assert directory.relays_of("bb" * 32) == directory.relays_of("cc" * 32) == base
    assert directory.to_look_up == ("bb" * 32,)


def test_a_configured_relay_that_is_an_inbox_relay_counts_as_one() -> None:
    directory = Directory([CONFIGURED], [Solver(typed="b", hex="bb" * 32)])
    assert directory.learn("bb" * 32, [CONFIGURED])
    assert directory.relays_of("bb" * 32) == {CONFIGURED: TargetSource.INBOX}
    assert not directory.learn("bb" * 32, [CONFIGURED])
    assert directory.learn("bb" * 32, [])


# --- the node's relays --------------------------------------------------------------------------

NODE_RELAY = "wss://node.example"


def test_the_nodes_relays_are_everybodys() -> None:
    own = "wss://own.example"
    people = [Solver(typed="a", hex="aa" * 32, relays=(own,)), Solver(typed="b", hex="bb" * 32)]
    directory = Directory([CONFIGURED], people)
    base = {CONFIGURED: TargetSource.CONFIGURED, NODE_RELAY: TargetSource.NODE}
    assert directory.set_node_relays([NODE_RELAY])
    assert directory.relays_of("aa" * 32) == base | {own: TargetSource.INBOX}
    # Parties are in no list of anybody's.
    assert directory.relays_of("bb" * 32) == directory.relays_of("77" * 32) == base
    assert directory.learn("bb" * 32, [own])
    assert directory.relays_of("bb" * 32) == base | {own: TargetSource.INBOX}
    assert directory.set_node_relays([])
    assert directory.relays_of("bb" * 32) == {
        CONFIGURED: TargetSource.CONFIGURED,
        own: TargetSource.INBOX,
    }


def test_who_names_a_relay_himself_wins_over_the_node() -> None:
    directory = Directory([CONFIGURED], [Solver(typed="b", hex="bb" * 32)])
    directory.learn("bb" * 32, [NODE_RELAY])
    assert not directory.set_node_relays([CONFIGURED])
    assert directory.set_node_relays([CONFIGURED, NODE_RELAY])
    assert directory.relays_of("bb" * 32) == {
        CONFIGURED: TargetSource.CONFIGURED,
        NODE_RELAY: TargetSource.INBOX,
    }
    assert directory.relays_of("cc" * 32)[NODE_RELAY] is TargetSource.NODE


def test_five_of_the_nodes_relays_at_most_each_once() -> None:
    directory = Directory([CONFIGURED], [])
    urls = [CONFIGURED, *(f"wss://{number}.example" for number in range(9))]
    assert directory.set_node_relays([urls[1], *urls])
    assert directory.node_relays == tuple(urls[1:6])
    assert len(directory.relays_of("aa" * 32)) == 1 + MAX_NODE_RELAYS
    # The same in another order goes nowhere else.
    assert not directory.set_node_relays(urls[5:0:-1])


def test_of_the_nodes_list_only_what_may_be_visited() -> None:
    named = ["ws://plain.example", "wss://10.0.0.1", "nonsense", "", "wss://N.example/", NODE_RELAY]
    assert fit_to_visit(named, allow_private=False) == ("wss://n.example", NODE_RELAY)
    assert fit_to_visit(named, allow_private=True) == (
        "ws://plain.example",
        "wss://10.0.0.1",
        "wss://n.example",
        NODE_RELAY,
    )
    assert fit_to_visit([NODE_RELAY] * 10_000, allow_private=False) == (NODE_RELAY,)
