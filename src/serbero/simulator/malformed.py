"""Dispute events that are wrong in one way each, as JSON text.

A relay can store what a careless or hostile author signed, and can send what nobody signed.
:func:`badly_signed` holds the second sort, which no honest relay stores;
:func:`wrongly_tagged` the first, valid signatures over tags that are no dispute's.
:func:`odd_but_valid` holds shapes that look wrong and must be accepted. An honest client
counts and logs the first two and stores nothing of them.
"""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from nostr_sdk import Keys

from serbero.simulator.events import KIND_DISPUTE, dispute_event, dispute_tags, signed

_STRANGE = {
    "empty": "",
    "blank": "   ",
    "nul": "a\x00b",
    "quote": "'; DROP TABLE disputes; --",
    "long": "x" * 20_000,
    "rtl": "\u202einitiated",
}


def wrongly_tagged(keys: Keys, created_at: int) -> dict[str, str]:
    """Events with a valid id and signature of ``keys`` that are not usable dispute revisions."""
    shapes = {
        **_identifiers(created_at),
        **_statuses(created_at),
        **_marks(created_at),
        **_expirations(created_at),
    }
    return {
        name: signed(keys, KIND_DISPUTE, "", tags, created_at).as_json()
        for name, tags in shapes.items()
    }


def badly_signed(keys: Keys, created_at: int) -> dict[str, str]:
    """Event objects that fail before any tag counts: structure, id, signature or author."""
    good: dict[str, Any] = json.loads(
        dispute_event(keys, str(uuid4()), "initiated", created_at).as_json()
    )
    stranger = Keys.generate()
    forged = [tag if tag[0] != "s" else ["s", "settled"] for tag in good["tags"]]
    changed: dict[str, Mapping[str, Any]] = {
        "id: of another event": {"id": "0" * 64},
        "id: too short": {"id": good["id"][:-1]},
        "id: not hex": {"id": "z" * 64},
        "id: number": {"id": 7},
        "id: null": {"id": None},
        "sig: zeros": {"sig": "0" * 128},
        "sig: too short": {"sig": good["sig"][:-2]},
        "sig: not hex": {"sig": "x" * 128},
        "sig: number": {"sig": 1},
        "sig: null": {"sig": None},
        "author: somebody else": {"pubkey": stranger.public_key().to_hex()},
        "author: not on the curve": {"pubkey": "f" * 64},
        "author: null": {"pubkey": None},
        "tags: another status": {"tags": forged},
        "tags: one more": {"tags": [*good["tags"], ["x", "y"]]},
        "tags: none": {"tags": []},
        "tags: null": {"tags": None},
        "tags: object": {"tags": {"d": "x"}},
        "tags: strings": {"tags": ["d", "s"]},
        "tags: numbers": {"tags": [[1, 2]]},
        "tags: nested": {"tags": [[["d"]]]},
        "content: another": {"content": "hello"},
        "content: number": {"content": 1},
        "content: null": {"content": None},
        "kind: another": {"kind": 1},
        "kind: text": {"kind": "38386"},
        "kind: too large": {"kind": 2**40},
        "kind: negative": {"kind": -1},
        "created_at: another": {"created_at": created_at + 3_600},
        "created_at: negative": {"created_at": -1},
        "created_at: fraction": {"created_at": created_at + 0.5},
        "created_at: text": {"created_at": str(created_at)},
        "created_at: huge": {"created_at": 2**70},
    }
    shapes = {name: json.dumps(good | dict(change)) for name, change in changed.items()}
    for field in ("id", "pubkey", "created_at", "kind", "tags", "content", "sig"):
        shapes[f"{field}: missing"] = json.dumps({k: v for k, v in good.items() if k != field})
    shapes |= {"array": "[]", "text": '"event"', "null": "null", "empty object": "{}"}
    return shapes


def odd_but_valid(keys: Keys, created_at: int) -> dict[str, str]:
    """Unusual revisions that are disputes all the same."""
    base = dispute_tags(str(uuid4()), "initiated", created_at)
    upper = dispute_tags(str(uuid4()).upper(), "initiated", created_at)
    shapes = {
        "tags reversed": list(reversed(dispute_tags(str(uuid4()), "initiated", created_at))),
        "id in capitals": upper,
        "unknown tags": [*base, ["future", "a", "b", "c"], ["d2"], [""]],
        "initiator unknown": _with(created_at, "initiator", ["initiator", "unknown"]),
        "initiator strange": _with(created_at, "initiator", ["initiator", "\u2603 both"]),
        "no initiator": _with(created_at, "initiator", None),
        "no expiration": _with(created_at, "expiration", None),
        "no opening time": _with(created_at, "created_at", None),
        "opening time no number": _with(created_at, "created_at", ["created_at", "yesterday"]),
        "newer opening tag": _with(created_at, "created_at", ["published_at", str(created_at)]),
        "instance name long": _with(created_at, "y", ["y", "mostro", "n" * 5_000]),
        "no instance name": _with(created_at, "y", ["y", "mostro"]),
    }
    return {
        name: signed(keys, KIND_DISPUTE, "", tags, created_at).as_json()
        for name, tags in shapes.items()
    }


def _with(created_at: int, name: str, tag: list[str] | None) -> list[list[str]]:
    """A dispute's tags with the tag ``name`` replaced, or dropped for None."""
    tags = dispute_tags(str(uuid4()), "initiated", created_at)
    replaced = [tag if each[0] == name else each for each in tags]
    return [each for each in replaced if each is not None]


def _identifiers(at: int) -> dict[str, list[list[str]]]:
    shapes = {f"d: {name}": _with(at, "d", ["d", text]) for name, text in _STRANGE.items()}
    whole = str(uuid4())
    return shapes | {
        "d: missing": _with(at, "d", None),
        "d: no value": _with(at, "d", ["d"]),
        "d: not a uuid": _with(at, "d", ["d", "dispute-1"]),
        "d: one digit short": _with(at, "d", ["d", whole[:-1]]),
        "d: one digit more": _with(at, "d", ["d", whole + "0"]),
        "d: not hex": _with(at, "d", ["d", "g" + whole[1:]]),
        "d: path": _with(at, "d", ["d", "../../etc/passwd"]),
        "d: in the wrong case": _with(at, "d", ["D", whole]),
    }


def _statuses(at: int) -> dict[str, list[list[str]]]:
    shapes = {f"s: {name}": _with(at, "s", ["s", text]) for name, text in _STRANGE.items()}
    return shapes | {
        "s: missing": _with(at, "s", None),
        "s: no value": _with(at, "s", ["s"]),
        "s: unknown": _with(at, "s", ["s", "appealed"]),
        "s: in capitals": _with(at, "s", ["s", "INITIATED"]),
        "s: snake case": _with(at, "s", ["s", "in_progress"]),
        "s: with a space": _with(at, "s", ["s", "initiated "]),
        "s: upper case name": _with(at, "s", ["S", "initiated"]),
        "s: number": _with(at, "s", ["s", "0"]),
    }


def _marks(at: int) -> dict[str, list[list[str]]]:
    return {
        "z: missing": _with(at, "z", None),
        "z: no value": _with(at, "z", ["z"]),
        "z: empty": _with(at, "z", ["z", ""]),
        "z: order": _with(at, "z", ["z", "order"]),
        "z: info": _with(at, "z", ["z", "info"]),
        "z: in capitals": _with(at, "z", ["z", "DISPUTE"]),
        "no tags": [],
        "only d": [["d", str(uuid4())]],
        "a thousand strangers": [["t", str(number)] for number in range(1_000)],
    }


def _expirations(at: int) -> dict[str, list[list[str]]]:
    return {
        "expired long ago": _with(at, "expiration", ["expiration", "1000000000"]),
        "expired before it was made": _with(at, "expiration", ["expiration", str(at - 86_400)]),
        "expires at zero": _with(at, "expiration", ["expiration", "0"]),
    }
