"""The hand-written half of the generated pages: one sentence for each name the code knows."""

import tomllib
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "words"


class Mismatch(ValueError):  # noqa: N818 - named for what it says
    """Names the code knows and nobody explained, or the other way round."""


@cache
def read(name: str) -> dict[str, Any]:
    """Return the tables of ``words/{name}.toml``."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))


def matched(what: str, known: Collection[str], told: Mapping[str, object]) -> None:
    """Do nothing if both hold the same names.

    Raises:
        Mismatch: they do not; the message says what to add or remove.
    """
    missing, vanished = sorted(set(known) - set(told)), sorted(set(told) - set(known))
    faults = []
    if missing:
        faults.append(f"{what}: no sentence for {', '.join(missing)}")
    if vanished:
        faults.append(f"{what}: a sentence for {', '.join(vanished)}, which the code has no more")
    if faults:
        raise Mismatch(f"{'; '.join(faults)} (tools/pages/words)")
