"""Writes the pages of docs/ that are made from the code; with --check it only says which are stale.

Exit codes: 0 done, or nothing stale; 1 something is stale, or a name has no sentence.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
DOCS: Final = ROOT / "docs"


def pages() -> Mapping[str, Callable[[], str]]:
    """Return what makes each generated page, by file name."""
    from tools.pages import (  # noqa: PLC0415 - found only once the path is set, see below
        commands,
        events,
        log_events,
        metrics,
        settings,
    )

    return {
        "configuration.md": settings.page,
        "commands.md": commands.page,
        "events.md": events.page,
        "metrics.md": metrics.page,
        "log-events.md": log_events.page,
    }


def made() -> dict[str, str]:
    """Return every generated page as it should be."""
    return {name: make() for name, make in pages().items()}


def stale(wanted: Mapping[str, str], folder: Path = DOCS) -> dict[str, str]:
    """Return those of the pages that stand otherwise in ``folder``."""
    return {name: text for name, text in wanted.items() if _read(folder / name) != text}


def _read(path: Path) -> str | None:
    return path.read_text("utf-8") if path.is_file() else None


def main(arguments: list[str]) -> int:
    """Write what is stale, or name it."""
    from tools.pages.sentences import Mismatch  # noqa: PLC0415 - see above

    try:
        found = stale(made())
    except Mismatch as problem:
        print(problem)
        return 1
    checking = "--check" in arguments
    for name, text in found.items():
        if not checking:
            (DOCS / name).write_text(text, "utf-8")
        print(f"docs/{name} {'is stale: run python tools/reference.py' if checking else 'written'}")
    return 1 if checking and found else 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(sys.argv[1:]))
