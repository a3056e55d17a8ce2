"""What the node said is kept, the newest of it."""

from tests.store.rig import NODE, T0, Database

from serbero.store import node_info
from serbero.store.node_info import Remembered

OTHER_NODE = "cc" * 32
CEILING = T0 + 600


def test_nothing_is_known_of_a_node_never_seen(database: Database) -> None:
    assert database.run(node_info.load, NODE) == Remembered(None, None, (), None)


def test_only_a_newer_info_event_replaces_the_one_kept(database: Database) -> None:
    for stamp in (T0, T0 - 1, T0 + 5, T0 + 4):
        database.run(node_info.save_info, NODE, f"event {stamp}", stamp, CEILING)
    database.run(node_info.save_seen, NODE, T0 + 9)
    assert database.run(node_info.load, NODE) == Remembered(f"event {T0 + 5}", T0 + 9, (), None)
    assert database.one("SELECT info_created_at FROM node_info") == T0 + 5


def test_of_one_second_the_last_word_is_the_watch_s(database: Database) -> None:
    """It knows the ids, which decide."""
    for text in ("highest", "lowest"):
        database.run(node_info.save_info, NODE, text, T0, CEILING)
    assert database.run(node_info.load, NODE).info_event == "lowest"


def test_only_a_newer_relay_list_replaces_the_one_kept(database: Database) -> None:
    database.run(node_info.save_relays, NODE, ("wss://a.example",), T0, CEILING)
    database.run(node_info.save_relays, NODE, ("wss://b.example",), T0 - 1, CEILING)
    database.run(node_info.save_info, NODE, "event", T0, CEILING)
    kept = Remembered("event", None, ("wss://a.example",), T0)
    assert database.run(node_info.load, NODE) == kept
    database.run(node_info.save_relays, NODE, (), T0 + 1, CEILING)
    assert database.run(node_info.load, NODE).relays == ()


def test_what_was_kept_with_a_clock_that_was_ahead_gives_way(database: Database) -> None:
    database.run(node_info.save_info, NODE, "ahead", T0 + 86_400, T0 + 90_000)
    database.run(node_info.save_relays, NODE, ("wss://a.example",), T0 + 86_400, T0 + 90_000)
    database.run(node_info.save_info, NODE, "true", T0, CEILING)
    database.run(node_info.save_relays, NODE, (), T0, CEILING)
    assert database.run(node_info.load, NODE) == Remembered("true", None, (), T0)


def test_nodes_are_kept_apart(database: Database) -> None:
    database.run(node_info.save_info, NODE, "one", T0, CEILING)
    database.run(node_info.save_info, OTHER_NODE, "two", T0 + 1, CEILING)
    assert database.run(node_info.load, NODE).info_event == "one"
    assert database.run(node_info.load, OTHER_NODE).info_event == "two"
