"""To whom a message about a mediated dispute goes."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nostr_sdk import PublicKey

from serbero.config.models import SolverEntry
from serbero.config.people import Own, solvers
from serbero.mediation.routing import Routed, route
from serbero.model.people import Permission, Solver
from serbero.nostr.keys import npub

OWN = "bb" * 32
# The x coordinates of 1·G, 2·G and 3·G: real keys, which other notations need.
ONE = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
TWO = "c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5"
THREE = "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"

WRITER = Solver(typed=npub(ONE), hex=ONE, permission=Permission.WRITE)
READER = Solver(typed=TWO.upper(), hex=TWO)
BROKEN = Solver(typed="npub1nonsense", hex=None, problem="expected a key")
ALL = (WRITER, READER, BROKEN)


@pytest.mark.parametrize(
    ("assigned", "recipients", "stranger"),
    [
        (None, ALL, False),
        (OWN, ALL, False),
        (OWN.upper(), ALL, False),
        (ONE, (WRITER,), False),
        (ONE.upper(), (WRITER,), False),
        (npub(ONE), (WRITER,), False),
        (f" nostr:{npub(ONE)} ", (WRITER,), False),
        (TWO, (READER,), False),
        (npub(TWO), (READER,), False),
        (THREE, ALL, True),
        (npub(THREE), ALL, True),
        ("", ALL, True),
        ("npub1nonsense", ALL, True),
        ("00" * 32, ALL, True),
        ("\ud800é", ALL, True),
    ],
)
def test_routes(assigned: str | None, recipients: tuple[Solver, ...], stranger: bool) -> None:
    assert route(ALL, assigned, OWN) == Routed(recipients, stranger)


@pytest.mark.parametrize("assigned", [None, OWN, ONE, "nonsense"])
def test_nobody_is_configured(assigned: str | None) -> None:
    assert route((), assigned, OWN) == Routed((), stranger=False)


def test_our_own_key_typed_among_the_solvers_changes_nothing() -> None:
    own = Own(ONE, "11" * 32)
    people = solvers(
        [SolverEntry(pubkey=npub(ONE)), SolverEntry(pubkey=PublicKey.parse(TWO).to_bech32())],
        own,
        [],
    )
    assert route(people, ONE, ONE) == Routed(people, stranger=False)
    assert route(people, TWO, ONE).recipients == (people[1],)


@given(
    st.lists(st.sampled_from([*ALL, Solver(typed=THREE, hex=THREE)]), unique=True),
    st.sampled_from([ONE, TWO, THREE]),
    st.sampled_from([str, str.upper, npub]),
)
def test_one_is_told_or_everybody(
    people: list[Solver], assigned: str, notation: Callable[[str], str]
) -> None:
    routed = route(people, notation(assigned), OWN)
    theirs = tuple(each for each in people if each.hex == assigned)
    assert routed.recipients == (theirs or tuple(people))
    assert routed.stranger == (bool(people) and not theirs)


@given(st.lists(st.sampled_from(ALL), unique=True), st.text())
def test_no_words_in_the_place_of_a_key_leave_anybody_untold(
    people: list[Solver], assigned: str
) -> None:
    assert route(people, assigned, OWN).recipients == tuple(people)
