"""The prompt bundle: five files that say what the model is told, and the hash that names them.

Bytes are kept as they are: no trimming, no line-end or byte-order-mark handling, no placeholders.
What the model sees is what ``policy_hash`` stands for.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Final, Self

from serbero.config.models import PromptsSection
from serbero.model import reference_names

MAX_FILE_BYTES: Final = 262_144
"""Of one file. Far beyond any prompt; keeps a wrong path, such as a log, out of requests."""

_EXPLAINED: Final = {
    "system": "system_instructions_path",
    "classification": "classification_policy_path",
    "escalation": "escalation_policy_path",
    "mediation_style": "mediation_style_path",
    "message_templates": "message_templates_path",
}
PARTS: Final = tuple(_EXPLAINED)
"""Labels of the five files, in the order in which they are read and hashed."""

KEYS: Final[Mapping[str, str]] = _EXPLAINED
"""Label to its key in ``[prompts]``."""


class BundleProblem(Exception):  # noqa: N818 - named for what it says
    """The bundle cannot be used; the text says which file, where, and why.

    Attributes:
        key: the key of ``[prompts]`` that names the file.
        path: where it was looked for; empty for bytes that came from elsewhere.
    """

    def __init__(self, key: str, path: str, reason: str) -> None:
        self.key = key
        self.path = path
        super().__init__(
            "failed to load Phase 3 prompt bundle: failed to read prompt bundle file for"
            f" `{key}` at {path}: {reason}"
        )


@dataclass(frozen=True, slots=True)
class PromptBundle:
    """Five texts, each the exact bytes of its file, valid UTF-8 and free of NUL.

    Attributes:
        policy_hash: lower-case hex SHA-256 over labels and bytes; two bundles with one hash are
            the same bundle.
    """

    system: bytes = field(repr=False)
    classification: bytes = field(repr=False)
    escalation: bytes = field(repr=False)
    mediation_style: bytes = field(repr=False)
    message_templates: bytes = field(repr=False)
    policy_hash: str = field(init=False)

    def __post_init__(self) -> None:
        for label, raw in self.parts():
            if reason := _unusable(raw):
                raise BundleProblem(KEYS[label], "", reason)
        object.__setattr__(self, "policy_hash", policy_hash(dict(self.parts())))

    @property
    def bundle_id(self) -> str:
        """What ``prompt_bundle_id`` columns hold; the same for every bundle."""
        return reference_names.PROMPT_BUNDLE_ID

    @classmethod
    def of(cls, parts: Mapping[str, bytes]) -> Self:
        """Build a bundle from label to bytes, such as a stored one.

        Raises:
            BundleProblem: a part is missing, too large, no UTF-8, or holds a NUL.
        """
        for label in PARTS:
            if label not in parts:
                raise BundleProblem(KEYS[label], "", "missing")
        return cls(*(parts[label] for label in PARTS))

    def parts(self) -> Iterator[tuple[str, bytes]]:
        """Label and bytes of each file, in the order of :data:`PARTS`."""
        return ((label, getattr(self, label)) for label in PARTS)

    def text(self, label: str) -> str:
        """The text of one file; ``label`` is one of :data:`PARTS`."""
        raw: bytes = getattr(self, label)
        return raw.decode()


def policy_hash(parts: Mapping[str, bytes]) -> str:
    """Return the hash under which rows pin a bundle (``vectors/policy_hash.json``).

    The byte string has no lengths in it, so a NUL inside a file could make two bundles collide;
    :class:`PromptBundle` therefore takes no file with a NUL.
    """
    preimage = [reference_names.PROMPT_HASH_DOMAIN.encode()]
    for label in PARTS:
        preimage += (label.encode(), parts[label])
    return hashlib.sha256(b"\0".join(preimage)).hexdigest()


def load(section: PromptsSection) -> PromptBundle:
    """Read the bundle the configuration names. Blocking.

    Raises:
        BundleProblem: the first file, in the order of :data:`PARTS`, that cannot be used.
    """
    if section.source == "packaged":
        return packaged()
    return _read({label: Path(getattr(section, key)) for label, key in KEYS.items()})


def load_folder(folder: Path) -> PromptBundle:
    """Read the five files, under their default names, from one folder. Blocking.

    Raises:
        BundleProblem: as :func:`load`.
    """
    return _read({label: folder / name for label, name in file_names().items()})


def packaged() -> PromptBundle:
    """Return the bundle that comes with Serbero. Blocking."""
    folder = resources.files("serbero").joinpath("prompts")
    parts = {label: folder.joinpath(name).read_bytes() for label, name in file_names().items()}
    return PromptBundle.of(parts)


def file_names() -> dict[str, str]:
    """Label to the default name of its file."""
    fields = PromptsSection.model_fields
    return {label: Path(str(fields[key].default)).name for label, key in KEYS.items()}


def _read(paths: Mapping[str, Path]) -> PromptBundle:
    found: dict[str, bytes] = {}
    for label in PARTS:
        key, path = KEYS[label], paths[label]
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise BundleProblem(key, str(path), _os_reason(error)) from None
        except ValueError:
            raise BundleProblem(key, repr(str(path)), "this cannot be a path") from None
        if reason := _unusable(raw):
            raise BundleProblem(key, str(path), reason)
        found[label] = raw
    return PromptBundle.of(found)


def _unusable(raw: bytes) -> str | None:
    if len(raw) > MAX_FILE_BYTES:
        return f"larger than {MAX_FILE_BYTES} bytes"
    if b"\0" in raw:
        return "it holds a NUL byte"
    try:
        raw.decode()
    except UnicodeDecodeError:
        return "stream did not contain valid UTF-8"
    return None


def _os_reason(error: OSError) -> str:
    """In the reference's words: alerts look for them."""
    if error.errno is None:
        return type(error).__name__
    return f"{os.strerror(error.errno)} (os error {error.errno})"
