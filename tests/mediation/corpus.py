"""The corpora of texts that must pass, and of texts that must not."""

import tomllib
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent


def lists(name: str) -> dict[str, list[str]]:
    """Return a file's lists by language, without its ``trigger``."""
    found = _read(name)
    return {language: texts for language, texts in found.items() if language != "trigger"}


def trigger(name: str) -> str:
    """Return what every text of a file must escalate as."""
    return str(_read(name)["trigger"])


def cases(name: str) -> list[dict[str, Any]]:
    """Return a file's cases."""
    found = _read(name)["case"]
    assert isinstance(found, list)
    return found


def texts(name: str) -> list[str]:
    """Return all texts of a file."""
    return [text for several in lists(name).values() for text in several]


def hostile() -> list[str]:
    """Return the names of the files whose texts a model must never get through."""
    return sorted(f"redteam/{path.stem}" for path in (HERE / "redteam").glob("says_*.toml"))


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / f"{name}.toml").read_text(encoding="utf-8"))
