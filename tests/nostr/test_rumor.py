"""The rumor's id is what the library, and every client, computes for the same event."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from nostr_sdk import EventBuilder, Keys, Kind, Tag, Timestamp, UnsignedEvent

from serbero.nostr.rumor import Rumor, direct_message

OURS = Keys.parse("11" * 32)
THEIRS = Keys.parse("22" * 32).public_key()
ROOT = "cd" * 32


def ours(text: str, subject: str, root: str | None, at: int = 1_767_225_600) -> Rumor:
    return direct_message(
        sender=OURS.public_key().to_hex(),
        recipient=THEIRS.to_hex(),
        text=text,
        created_at=at,
        subject=subject,
        root=root,
    )


def id_by_the_library(text: str, subject: str, root: str | None, at: int = 1_767_225_600) -> str:
    tags = [["p", THEIRS.to_hex()], ["subject", subject]]
    if root is not None:
        tags.append(["e", root, "", "root"])
    rumor = (
        EventBuilder(Kind(14), text)
        .tags([Tag.parse(tag) for tag in tags])
        .custom_created_at(Timestamp.from_secs(at))
        .finalize_unsigned(OURS.public_key())
        .ensure_id()
    )
    return str(json.loads(rumor.as_json())["id"])


def test_first_message_of_a_thread() -> None:
    rumor = ours("hello", "Dispute 0f9c2b51", None)
    assert rumor.id == id_by_the_library("hello", "Dispute 0f9c2b51", None)
    assert json.loads(rumor.json)["tags"] == [
        ["p", THEIRS.to_hex()],
        ["subject", "Dispute 0f9c2b51"],
    ]


def test_later_message_names_the_root() -> None:
    rumor = ours("again", "Dispute 0f9c2b51", ROOT)
    assert rumor.id == id_by_the_library("again", "Dispute 0f9c2b51", ROOT)
    assert json.loads(rumor.json)["tags"][-1] == ["e", ROOT, "", "root"]


@given(
    text=st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    subject=st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20),
    at=st.integers(0, 2**40),
)
@settings(deadline=None, max_examples=200)
def test_any_text_hashes_as_the_library_hashes_it(text: str, subject: str, at: int) -> None:
    """Escapes, control characters and astral planes: NIP-01's JSON is one exact string."""
    assert ours(text, subject, None, at).id == id_by_the_library(text, subject, None, at)


def test_the_stored_json_is_one_the_library_reads_back_unchanged() -> None:
    rumor = ours('quote " backslash \\ tab \t newline \n é ☃ 🦀', "s", ROOT)
    again = UnsignedEvent.from_json(rumor.json).ensure_id()
    assert json.loads(again.as_json()) == json.loads(rumor.json)


def test_same_inputs_same_bytes() -> None:
    assert ours("x", "s", None) == ours("x", "s", None)
    assert ours("x", "s", None).id != ours("x", "s", None, at=1).id
