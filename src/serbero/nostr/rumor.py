"""The rumor of a private direct message (NIP-17): an unsigned kind 14 event with a fixed id.

The rumor is built once, when a message is decided, and stored: its id is what makes a message
the same message however often and by whichever road it is delivered. It is hashed here rather than
through the library's builder: a fan-out builds one a solver inside its transaction, and this takes
a fraction of the time.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

DIRECT_MESSAGE_KIND: Final = 14


@dataclass(frozen=True, slots=True)
class Rumor:
    """A finished rumor.

    Attributes:
        id: 64 lower-case hex digits, the NIP-01 hash of the rest.
        json: the unsigned event with that id.
    """

    id: str
    json: str


def direct_message(
    *, sender: str, recipient: str, text: str, created_at: int, subject: str, root: str | None
) -> Rumor:
    """Build the rumor of one private message.

    Args:
        sender: our key in hex.
        recipient: the receiver's key in hex.
        text: the plain text.
        created_at: Unix seconds; the time a client shows.
        subject: the conversation's title (NIP-17 ``subject`` tag).
        root: id of the first rumor of the same thread to the same receiver, or None if this is
            the first.
    """
    tags = [["p", recipient], ["subject", subject]]
    if root is not None:
        tags.append(["e", root, "", "root"])
    return _hashed(sender, created_at, DIRECT_MESSAGE_KIND, tags, text)


def reauthored(rumor_json: str, sender: str, renamed: Mapping[str, str]) -> Rumor:
    """Return the same message as ``sender`` would have written it.

    Args:
        rumor_json: a rumor that nobody has been given yet.
        sender: our key in hex.
        renamed: old to new ids of rumors that were rewritten already, for references to them.
    """
    old = json.loads(rumor_json)
    tags = [
        [tag[0], renamed.get(tag[1], tag[1]), *tag[2:]] if tag[0] == "e" and len(tag) > 1 else tag
        for tag in old["tags"]
    ]
    return _hashed(sender, old["created_at"], old["kind"], tags, old["content"])


def rumor_id(sender: str, created_at: int, kind: int, tags: list[list[str]], text: str) -> str:
    """Return the id such a rumor has, 64 lower-case hex digits (NIP-01).

    Raises:
        UnicodeEncodeError: a text holds half of a surrogate pair.
    """
    return hashlib.sha256(_compact([0, sender, created_at, kind, tags, text]).encode()).hexdigest()


def _hashed(sender: str, created_at: int, kind: int, tags: list[list[str]], text: str) -> Rumor:
    fields = (sender, created_at, kind, tags, text)
    identifier = rumor_id(*fields)
    event = dict(
        zip(("pubkey", "created_at", "kind", "tags", "content"), fields, strict=True),
        id=identifier,
    )
    return Rumor(id=identifier, json=_compact(event))


def _compact(value: object) -> str:
    """JSON as NIP-01 hashes it: no spaces, UTF-8 unescaped."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
