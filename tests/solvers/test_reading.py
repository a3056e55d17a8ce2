"""What is believed of an event that may be a solver's message."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nostr_sdk import Event, Keys, Nip44Version, PublicKey, nip44_encrypt

from serbero.model.notification import Channel
from serbero.mostro import transport
from serbero.mostro.message import Action, Message, send_dm
from serbero.mostro.node_info import Transport
from serbero.nostr.rumor import direct_message, rumor_id
from serbero.nostr.signing import signed
from serbero.solvers.reading import (
    BEFORE_START_SECONDS,
    MAX_WRAP_CHARACTERS,
    OLDEST_SECONDS,
    Question,
    Rejection,
    age_fault,
    read,
)

T0 = 1_767_225_600
OWN, SOLVER, STRANGER, ONE_TIME = (Keys.parse(f"{number:064x}") for number in range(1, 5))


def hex_of(keys: Keys) -> str:
    return keys.public_key().to_hex()


SOLVERS = frozenset({hex_of(SOLVER)})


def rumor(keys: Keys = SOLVER, text: str = "ack 1a2b", **changed: Any) -> dict[str, Any]:
    made = direct_message(
        sender=hex_of(keys),
        recipient=hex_of(OWN),
        text=text,
        created_at=T0,
        subject="x",
        root=None,
    )
    return {**json.loads(made.json), **changed}


def encrypted(keys: Keys, text: str) -> str:
    return nip44_encrypt(keys.secret_key(), PublicKey.parse(hex_of(OWN)), text, Nip44Version.V2)


def sealed(inner: str, keys: Keys = SOLVER, kind: int = 13) -> str:
    return str(signed(keys, kind, encrypted(keys, inner), [], T0 - 5).as_json())


def wrapped(plaintext: str, *more: Sequence[str]) -> Event:
    tags = [["p", hex_of(OWN)], *map(list, more)]
    return signed(ONE_TIME, 1059, encrypted(ONE_TIME, plaintext), tags, T0 - 9)


def private(value: object, keys: Keys = SOLVER) -> Event:
    return wrapped(sealed(value if isinstance(value, str) else json.dumps(value), keys))


def look(event: Event) -> Question | Rejection:
    return read(event, OWN, SOLVERS, T0)


def direct(message: Message | str, keys: Keys = SOLVER, **more: Any) -> Event:
    how = {"created_at": T0, "expires_at": T0 + 60} | more
    return transport.wrap(Transport.NIP44, keys, hex_of(OWN), message, **how)


def test_a_private_message_is_read() -> None:
    value = rumor()
    found = look(private(value))
    assert found == Question(value["id"], hex_of(SOLVER), "ack 1a2b", T0, Channel.NIP17)
    assert "1a2b" not in repr(found)


def test_a_message_of_mostros_own_clients_is_read() -> None:
    event = direct(send_dm("ack 1a2b", None))
    found = look(event)
    assert found == Question(event.id().to_hex(), hex_of(SOLVER), "ack 1a2b", T0, Channel.MOSTRO)
    assert "1a2b" not in repr(found)


def test_a_rumor_may_leave_its_id_to_us_and_name_nobody() -> None:
    without = rumor()
    del without["id"]
    assert isinstance(look(private(without)), Question)
    nobody = rumor(tags=[])
    nobody["id"] = rumor_id(nobody["pubkey"], T0, 14, [], nobody["content"])
    assert isinstance(look(private(nobody)), Question)


FAULTS: dict[str, tuple[Event, Rejection]] = {
    "stranger": (private(rumor(STRANGER), STRANGER), Rejection.STRANGER),
    "stranger in a solver's name": (private(rumor(), STRANGER), Rejection.STRANGER),
    "solver in a stranger's name": (private(rumor(STRANGER)), Rejection.AUTHOR),
    "wrong id": (private(rumor(content="ack 9999")), Rejection.RUMOR_ID),
    "id of another type": (private(rumor(id=7)), Rejection.RUMOR_ID),
    "another kind": (private(rumor(kind=7)), Rejection.KIND),
    "true for a kind": (private(rumor(kind=True)), Rejection.KIND),
    "no time": (private(rumor(created_at="now")), Rejection.RUMOR),
    "huge time": (private(rumor(created_at=10**400)), Rejection.RUMOR),
    "negative time": (private(rumor(created_at=-1)), Rejection.RUMOR),
    "no text": (private(rumor(content=None)), Rejection.RUMOR),
    "tags of numbers": (private(rumor(tags=[[1]])), Rejection.RUMOR),
    "tags of nothing": (private(rumor(tags=None)), Rejection.RUMOR),
    "half a surrogate": (private(json.dumps(rumor(content="\ud800"))), Rejection.RUMOR),
    "twice the same key": (
        private(json.dumps(rumor())[:-1] + ',"content":"mute 1d"}'),
        Rejection.RUMOR,
    ),
    "deep": (private('{"kind":' + "[" * 500 + "]" * 500 + "}"), Rejection.RUMOR),
    "a list": (private([]), Rejection.RUMOR),
    "no json": (private("ack 1a2b"), Rejection.RUMOR),
    "no seal": (wrapped("{}"), Rejection.SEAL),
    "seal of another kind": (wrapped(sealed(json.dumps(rumor()), kind=14)), Rejection.SEAL),
    "seal changed": (
        wrapped(sealed(json.dumps(rumor())).replace(str(T0 - 5), str(T0 - 6))),
        Rejection.SEAL,
    ),
    "empty seal": (wrapped(str(signed(SOLVER, 13, "", [], T0).as_json())), Rejection.SEAL),
    "not encrypted": (
        signed(ONE_TIME, 1059, "ack 1a2b", [["p", hex_of(OWN)]], T0),
        Rejection.UNREADABLE,
    ),
    "expired": (wrapped(sealed(json.dumps(rumor())), ["expiration", str(T0)]), Rejection.EXPIRED),
    "too large": (private(rumor(text="x" * MAX_WRAP_CHARACTERS)), Rejection.TOO_LARGE),
    "of no kind we read": (
        signed(SOLVER, 4, encrypted(SOLVER, "ack 1a2b"), [["p", hex_of(OWN)]], T0),
        Rejection.KIND,
    ),
    "direct from a stranger": (direct(send_dm("open", None), STRANGER), Rejection.STRANGER),
    "direct with another identity": (
        direct(send_dm("open", None), identity=STRANGER),
        Rejection.AUTHOR,
    ),
    "direct and expired": (direct(send_dm("open", None), expires_at=T0), Rejection.EXPIRED),
    "direct without a text": (
        direct(replace(send_dm("x", None), payload=None)),
        Rejection.NOT_A_TEXT,
    ),
    "direct with another action": (
        direct(replace(send_dm("open", None), action=Action.ADMIN_TOOK_DISPUTE)),
        Rejection.NOT_A_TEXT,
    ),
    "direct and no message": (direct("[]"), Rejection.UNREADABLE),
    "direct to another": (
        transport.wrap(
            Transport.NIP44, SOLVER, hex_of(STRANGER), send_dm("open", None),
            created_at=T0, expires_at=None,
        ),
        Rejection.UNREADABLE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_else_is(name: str) -> None:
    event, why = FAULTS[name]
    assert look(event) is why


def test_a_message_to_others_is_not_for_us() -> None:
    value = rumor(tags=[["p", hex_of(STRANGER)]])
    value["id"] = rumor_id(value["pubkey"], T0, 14, value["tags"], value["content"])
    assert look(private(value)) is Rejection.RECEIVER


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(rumor())), JSON))
def test_no_rumor_raises(changed: dict[str, Any]) -> None:
    found = look(private(json.dumps(rumor() | changed)))
    assert isinstance(found, Rejection) or found.solver == hex_of(SOLVER)


@pytest.mark.parametrize(
    ("written", "started", "fault"),
    [
        (T0, T0, None),
        (T0 - BEFORE_START_SECONDS, T0, None),
        (T0 - BEFORE_START_SECONDS - 1, T0, Rejection.OLD),
        (T0 - OLDEST_SECONDS, T0 - 100_000, None),
        (T0 - OLDEST_SECONDS - 1, T0 - 100_000, Rejection.OLD),
        (T0 + OLDEST_SECONDS, T0, None),
        (T0 + OLDEST_SECONDS + 1, T0, Rejection.FUTURE),
        # Our clock was set back since we started.
        (T0 - 1, T0 + 100_000, None),
    ],
)
def test_what_is_too_old_is_history(written: int, started: int, fault: Rejection | None) -> None:
    assert age_fault(written, started, T0) is fault
