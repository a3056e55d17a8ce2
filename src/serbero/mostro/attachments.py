"""Attachments in the dispute chat: recognised and described, never fetched.

Source: mobile, ``lib/services/encrypted_image_upload_service.dart`` and
``lib/features/chat/utils/message_type_helpers.dart``; mostrix, ``src/ui/helpers/attachments.rs``.
Where the file lies and with which key it opens is dropped here: the address is a party's choice,
and the key is the channel's own secret.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

MAX_FILENAME: Final = 100
"""Characters kept of a name a party chose."""
MAX_SIZE_BYTES: Final = 2**53
"""Sizes beyond it cannot be meant."""

_MAX_TEXT: Final = 16_384
"""Characters an attachment's JSON may have; real ones have some 400."""
_CLASS: Final = re.compile(r"[a-z0-9_-]{1,32}", re.ASCII)
_MIME: Final = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}/[a-z0-9][a-z0-9.+-]{0,63}", re.ASCII)


class AttachmentType(StrEnum):
    """The ``type`` field of the messages that are attachments."""

    IMAGE = "image_encrypted"
    FILE = "file_encrypted"


@dataclass(frozen=True, slots=True)
class Attachment:
    """What a person may be told of a file that a party sent. All of it is the party's claim.

    Attributes:
        type: image or file.
        file_type: a coarse class such as ``document``; None where absent or odd.
        mime_type: lower case; None where absent or odd.
        filename: without control characters, capped; empty where absent.
        original_size: bytes before encryption, or None.
        encrypted_size: bytes as stored, or None.
    """

    type: AttachmentType
    file_type: str | None
    mime_type: str | None
    filename: str
    original_size: int | None
    encrypted_size: int | None

    @property
    def description(self) -> str:
        """One line for a transcript: type, name and size."""
        kind = self.mime_type or self.file_type or self.type.value.removesuffix("_encrypted")
        size = "size unknown" if self.original_size is None else f"{self.original_size} bytes"
        return f"attachment: {kind}, {self.filename or 'no name'}, {size}"


def recognise(text: str) -> Attachment | None:
    """Return the attachment that a chat text is, or None for an ordinary text."""
    if not text.startswith("{") or len(text) > _MAX_TEXT:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    try:
        kind = AttachmentType(str(value.get("type")))
    except ValueError:
        return None
    return Attachment(
        type=kind,
        file_type=_matching(value, "file_type", _CLASS),
        mime_type=_matching(value, "mime_type", _MIME),
        filename=_filename(value.get("filename")),
        original_size=_size(value.get("original_size")),
        encrypted_size=_size(value.get("encrypted_size")),
    )


def _matching(value: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str | None:
    text = value.get(name)
    if not isinstance(text, str):
        return None
    lowered = text.lower()
    return lowered if form.fullmatch(lowered) else None


def _filename(value: object) -> str:
    """Without what could write elsewhere than in its place: controls, line ends, bidi marks."""
    if not isinstance(value, str):
        return ""
    kept = (each for each in value[: 4 * MAX_FILENAME] if _shows(each))
    return " ".join("".join(kept).split())[:MAX_FILENAME]


def _shows(character: str) -> bool:
    # C*: controls, formats (bidi overrides), surrogates, unassigned; Zl and Zp end lines.
    category = unicodedata.category(character)
    return not category.startswith("C") and category not in ("Zl", "Zp")


def _size(value: object) -> int | None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_SIZE_BYTES:
        return None
    return value
