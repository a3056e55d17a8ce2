"""Attachments as parties send them, and as somebody might who wishes us ill; pasted keys."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serbero.mostro.attachments import AttachmentType, recognise

IMAGE = {
    "type": "image_encrypted",
    "blossom_url": "https://files.example/secret-place",
    "nonce": "00" * 12,
    "key": "c2VjcmV0IGtleSBvZiB0aGUgY2hhbm5lbA==",
    "mime_type": "image/JPEG",
    "original_size": 204_800,
    "encrypted_size": 204_828,
    "filename": "receipt.jpg",
}


def test_what_is_kept_and_what_is_not() -> None:
    attachment = recognise(json.dumps(IMAGE))
    assert attachment is not None
    assert attachment.type is AttachmentType.IMAGE
    assert (attachment.mime_type, attachment.file_type) == ("image/jpeg", None)
    assert attachment.description == "attachment: image/jpeg, receipt.jpg, 204800 bytes"
    shown = repr(attachment)
    assert "files.example" not in shown
    assert str(IMAGE["key"]) not in shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "receipt.jpg",
        " " + json.dumps(IMAGE),
        json.dumps([IMAGE]),
        json.dumps(IMAGE | {"type": "text"}),
        json.dumps(IMAGE | {"type": ["image_encrypted"]}),
        json.dumps(IMAGE | {"type": None}),
        "{}",
        "{",
        '{"type":' + "[" * 5_000,
        '{"type":' + "9" * 5_000 + "}",
        '{"type":"image_encrypted","filename":"' + "x" * 20_000 + '"}',
    ],
)
def test_ordinary_texts(text: str) -> None:
    assert recognise(text) is None


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("a\u202egpj.exe", "agpj.exe"),
        ("one\ntwo\r\u2028three\x00", "onetwothree"),
        ("x" * 5_000, "x" * 100),
        ("\ud800lone", "lone"),
        (7, ""),
        (None, ""),
        ("  spaced   out  ", "spaced out"),
    ],
)
def test_a_name_is_not_trusted(name: object, kept: str) -> None:
    attachment = recognise(json.dumps(IMAGE | {"filename": name}))
    assert attachment is not None
    assert attachment.filename == kept


@pytest.mark.parametrize("size", [-1, True, 1.5, "12", None, 2**60, float("nan"), []])
def test_sizes_that_are_none(size: object) -> None:
    attachment = recognise(json.dumps(IMAGE | {"original_size": size}))
    assert attachment is not None
    assert attachment.original_size is None
    assert "size unknown" in attachment.description


def test_odd_classes_are_dropped() -> None:
    odd = IMAGE | {"mime_type": "image/png; rm -rf", "file_type": "doc\nument", "filename": None}
    attachment = recognise(json.dumps(odd | {"type": "file_encrypted"}))
    assert attachment is not None
    assert (attachment.mime_type, attachment.file_type) == (None, None)
    assert attachment.description.startswith("attachment: file, no name")


@given(st.text(max_size=200))
def test_any_text_is_an_attachment_or_not(text: str) -> None:
    assert recognise(text) is None or text.startswith("{")
