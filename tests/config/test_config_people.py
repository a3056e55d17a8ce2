"""Relays and solvers: forms, duplicates, and what happens to those that cannot be used."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.keys import NSEC, OTHER_NSEC, OWN, SECRET

from serbero.config.addresses import (
    AddressProblem,
    carries_credentials,
    listen_address,
    relay_address,
)
from serbero.config.loader import loads
from serbero.config.people import WITHHELD
from serbero.config.problems import ConfigError
from serbero.config.settings import Loaded
from serbero.model.notification import Channel
from serbero.model.people import Permission, Via
from serbero.nostr.addresses import loggable
from serbero.nostr.keys import npub

NODE = "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"
ALICE = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
BOB = "dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659"


def with_solvers(*blocks: str) -> Loaded:
    entries = "".join(f"[[solvers]]\n{each}\n" for each in blocks)
    head = f'[serbero]\nprivate_key = "{SECRET}"\n[mostro]\npubkey = "{NODE}"\n'
    return loads(f'{head}[[relays]]\nurl = "wss://relay.example"\n{entries}', {})


def with_relays(*urls: str) -> Loaded:
    entries = "".join(f"[[relays]]\nurl = '{each}'\n" for each in urls)
    head = f'[serbero]\nprivate_key = "{SECRET}"\n[mostro]\npubkey = "{NODE}"\n'
    return loads(f'{head}{entries}[[solvers]]\npubkey = "{ALICE}"\n', {})


# --- solvers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", [ALICE, ALICE.upper(), npub(ALICE), f"nostr:{npub(ALICE)}"])
def test_a_solver_keeps_what_was_typed_and_gains_its_hex(typed: str) -> None:
    """Whatever form a key was typed in, it matches the same person."""
    (solver,) = with_solvers(f'pubkey = "{typed}"').config.solvers
    assert (solver.typed, solver.hex, solver.problem) == (typed, ALICE, None)


@pytest.mark.parametrize("typed", ["write", "Write", "WRITE", " write "])
def test_permission_in_any_case(typed: str) -> None:
    (solver,) = with_solvers(f'pubkey = "{ALICE}"\npermission = "{typed}"').config.solvers
    assert solver.permission is Permission.WRITE


def test_permission_defaults_to_read() -> None:
    (solver,) = with_solvers(f'pubkey = "{ALICE}"').config.solvers
    assert solver.permission is Permission.READ


@pytest.mark.parametrize(
    ("typed", "via", "channels"),
    [
        ("nip17", Via.NIP17, (Channel.NIP17,)),
        (" Mostro ", Via.MOSTRO, (Channel.MOSTRO,)),
        ("BOTH", Via.BOTH, (Channel.NIP17, Channel.MOSTRO)),
    ],
)
def test_a_solver_chooses_how_messages_travel(
    typed: str, via: Via, channels: tuple[Channel, ...]
) -> None:
    loaded = with_solvers(f'pubkey = "{ALICE}"\nvia = "{typed}"')
    (solver,) = loaded.config.solvers
    assert (solver.via, solver.via.channels) == (via, channels)
    shown = dict(loaded.config.describe())["solver"]
    assert shown == f"{ALICE} read" + ("" if via is Via.NIP17 else f" via {via}")


def test_private_messages_are_the_default() -> None:
    (solver,) = with_solvers(f'pubkey = "{ALICE}"').config.solvers
    assert solver.via is Via.NIP17


def test_a_malformed_solver_stays_with_its_problem() -> None:
    loaded = with_solvers(f'pubkey = "{ALICE}"', f'pubkey = "{BOB[:-1]}"\npermission = "write"')
    good, bad = loaded.config.solvers
    assert good.reachable
    assert bad.typed == BOB[:-1]
    assert bad.hex is None
    assert bad.problem is not None
    assert "63 hex digits" in bad.problem
    assert bad.permission is Permission.WRITE
    assert not bad.reachable
    (warning,) = loaded.warnings
    assert warning.where == "[[solvers]] #2.pubkey"
    # Not even in the summary: what was mistyped could be a secret.
    assert BOB[:-1] not in str(loaded.config.describe())


@pytest.mark.parametrize("typed", [OWN, npub(OWN)])
def test_our_own_key_among_the_solvers_is_skipped(typed: str) -> None:
    loaded = with_solvers(f'pubkey = "{typed}"', f'pubkey = "{ALICE}"')
    own, alice = loaded.config.solvers
    assert own.hex is None
    assert own.problem == "this is Serbero's own key"
    assert own.typed == typed
    assert alice.reachable


@pytest.mark.parametrize("typed", [NSEC, NSEC.upper(), f"nostr:{NSEC}", SECRET, SECRET.upper()])
def test_a_secret_among_the_solvers_is_kept_nowhere(typed: str) -> None:
    """What was typed goes into the database, so a secret is replaced."""
    loaded = with_solvers(f'pubkey = "{typed}"', f'pubkey = "{ALICE}"')
    bad, _ = loaded.config.solvers
    assert bad.typed == WITHHELD
    assert bad.hex is None
    assert bad.problem is not None
    assert typed not in f"{loaded!r} {loaded.config.describe()}"


def test_another_persons_nsec_is_not_repeated_either() -> None:
    loaded = with_solvers(f'pubkey = "{OTHER_NSEC}"', f'pubkey = "{ALICE}"')
    assert OTHER_NSEC not in f"{loaded!r} {loaded.config.describe()}"
    assert loaded.config.solvers[0].typed == WITHHELD


def test_duplicates_collapse_to_the_first() -> None:
    loaded = with_solvers(
        f'pubkey = "{npub(ALICE)}"\npermission = "write"',
        f'pubkey = "{BOB}"',
        f'pubkey = "{ALICE}"',
        f'pubkey = "{BOB.upper()}"',
    )
    first, second = loaded.config.solvers
    assert (first.hex, first.permission, first.typed) == (ALICE, Permission.WRITE, npub(ALICE))
    assert second.hex == BOB
    alice, bob = loaded.warnings
    assert alice.where == "[[solvers]] #3.pubkey"
    assert "other settings are ignored" in alice.message
    assert bob.where == "[[solvers]] #4.pubkey"
    assert "other settings" not in bob.message


def test_a_second_entry_that_wants_another_road_is_told_so() -> None:
    loaded = with_solvers(f'pubkey = "{ALICE}"', f'pubkey = "{ALICE}"\nvia = "both"')
    assert [each.via for each in loaded.config.solvers] == [Via.NIP17]
    assert "other settings are ignored" in loaded.warnings[0].message


def test_without_a_solver_the_daemon_runs_and_says_so() -> None:
    loaded = with_solvers()
    assert loaded.config.solvers == ()
    (warning,) = loaded.warnings
    assert "nobody can be told" in warning.message
    loaded = with_solvers('pubkey = "x"')
    assert "nobody can be told" in loaded.warnings[-1].message


def test_a_solvers_relays_are_normal_and_bad_ones_dropped() -> None:
    loaded = with_solvers(
        f'pubkey = "{ALICE}"\n'
        'relays = ["WSS://Inbox.Example/", "wss://inbox.example", "http://x", "wss://u:p@y"]'
    )
    (solver,) = loaded.config.solvers
    assert solver.relays == ("wss://inbox.example", "wss://y")
    dropped, credentials = loaded.warnings
    assert dropped.where == credentials.where == "[[solvers]] #1.relays"
    assert "another scheme; ignored" in dropped.message
    assert "password" in credentials.message


# --- relays -------------------------------------------------------------------------------------


def test_relays_are_normal_and_each_once() -> None:
    loaded = with_relays("wss://a.example/", "ws://127.0.0.1:7777", "WSS://A.example:443")
    assert loaded.config.relay_urls == ("wss://a.example", "ws://127.0.0.1:7777")
    (warning,) = loaded.warnings
    assert warning.where == "[[relays]] #3.url"


def test_credentials_in_a_relay_address_are_dropped() -> None:
    loaded = with_relays("wss://user:geheim@a.example/x?token=abc")
    assert loaded.config.relay_urls == ("wss://a.example/x?token=abc",)
    assert "geheim" not in repr(loaded)
    assert "token=abc" not in str(loaded.config.describe())


@pytest.mark.parametrize(
    "url",
    ["", "relay.example", "https://a", "wss://", "wss://a b", "wss://a:99999", "wss://a:0", "://a"],
)
def test_a_relay_that_cannot_be_one_stops_the_daemon(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_relays("wss://a.example", url)
    (problem,) = caught.value.problems
    assert problem.where == "[[relays]] #2.url"
    assert problem.message.startswith("nostr error: failed to add relay: expected ")


@pytest.mark.parametrize(
    ("typed", "normal"),
    [
        ("wss://relay.x", "wss://relay.x"),
        (" wss://relay.x/ \n", "wss://relay.x"),
        ("WSS://Relay.X:443/", "wss://relay.x"),
        ("ws://relay.x:80", "ws://relay.x"),
        ("wss://relay.x/Path/", "wss://relay.x/Path/"),
        ("wss://relay.x/?a=b", "wss://relay.x?a=b"),
        ("wss://relay.x/#top", "wss://relay.x"),
        ("wss://[::1]:7777", "wss://[::1]:7777"),
        ("wss://bücher.example", "wss://xn--bcher-kva.example"),
        ("wss://u:p@relay.x", "wss://relay.x"),
    ],
)
def test_the_normal_form_of_a_relay(typed: str, normal: str) -> None:
    assert relay_address(typed) == normal
    assert relay_address(normal) == normal


@settings(deadline=None)
@given(st.text() | st.text().map("wss://{}".format) | st.from_regex(r"wss?://[!-~]{1,40}"))
@example("wss://[::1")
@example("wss://a@b@c")
@example(f"wss://relay.x/{NSEC}")
def test_any_text_has_a_stable_normal_form_or_none(text: str) -> None:
    try:
        normal = relay_address(text)
    except AddressProblem as problem:
        assert NSEC not in str(problem)  # noqa: PT017 - most texts are no address
        return
    assert relay_address(normal) == normal
    assert not carries_credentials(normal)
    assert normal.startswith(("ws://", "wss://"))
    assert loggable(normal).split("?", maxsplit=1)[0] == normal.split("?", maxsplit=1)[0]


# --- where the console listens ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("", None),
        ("  ", None),
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:9464", ("::1", 9464)),
        ("0.0.0.0:65535", ("0.0.0.0", 65535)),  # noqa: S104 - what an operator may type
    ],
)
def test_listen_addresses(typed: str, address: tuple[str, int] | None) -> None:
    assert listen_address(typed) == address


@pytest.mark.parametrize(
    "typed",
    [
        "9464",
        ":9464",
        "localhost",
        "localhost:",
        "localhost:x",
        "localhost:65536",
        "::1:80",
        "[]:1",
        "http://localhost:80",
        "a b:1",
        "localhost:-1",
        "localhost:1_0",
    ],
)
def test_no_listen_addresses(typed: str) -> None:
    with pytest.raises(AddressProblem, match="expected"):
        listen_address(typed)
