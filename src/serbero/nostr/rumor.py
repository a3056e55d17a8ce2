"""The rumor of a private direct message (NIP-17): an unsigned kind 14 event with a fixed id.

The rumor is built once, when a message is decided, and stored: its id is what makes a message
the same message however often and by whichever road it is delivered. It is hashed here rather than
through the library's builder: a fan-out builds one a solver inside its transaction, and this takes
a fraction of the time.
"""

import hashlib
import json
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
    fields = (sender, created_at, DIRECT_MESSAGE_KIND, tags, text)
    identifier = hashlib.sha256(_compact([0, *fields]).encode()).hexdigest()
    event = dict(
        zip(("pubkey", "created_at", "kind", "tags", "content"), fields, strict=True),
        id=identifier,
    )
    return Rumor(id=identifier, json=_compact(event))


def _compact(value: object) -> str:
    """JSON as NIP-01 hashes it: no spaces, UTF-8 unescaped."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
