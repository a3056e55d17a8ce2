"""What is odd about a bundle that can be loaded all the same. Pure."""

from dataclasses import dataclass
from typing import Final

from serbero.model.mediation import Trigger
from serbero.model.reasoning import Classification, Flag
from serbero.reasoning.bundle import KEYS, PromptBundle

LARGE_BYTES: Final = 32_768
"""Of one file: beyond it every call pays for thousands of tokens."""

_TOKENS: Final = {
    "classification": (*(each.value for each in Classification), *(each.value for each in Flag)),
    "escalation": tuple(each.value for each in Trigger),
}


@dataclass(frozen=True, slots=True)
class Oddity:
    """One thing to mend. ``part`` is the file's label, ``key`` its key in ``[prompts]``."""

    part: str
    message: str

    @property
    def key(self) -> str:
        """The key of ``[prompts]`` that names the file."""
        return KEYS[self.part]


def oddities(bundle: PromptBundle) -> list[Oddity]:
    """List what the model will miss or stumble over."""
    found: list[Oddity] = []
    for part, raw in bundle.parts():
        text = bundle.text(part)
        if not text.strip():
            found.append(Oddity(part, "it says nothing"))
        if len(raw) > LARGE_BYTES:
            found.append(Oddity(part, f"it has {len(raw)} bytes; every call pays for them"))
        if text.startswith("\ufeff"):
            found.append(Oddity(part, "it begins with a byte order mark, which the model sees"))
        missing = [each for each in _TOKENS.get(part, ()) if each not in text]
        if missing:
            found.append(Oddity(part, f"it does not mention {', '.join(missing)}"))
    return found
