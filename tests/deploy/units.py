"""Reads unit files and journald's, which have the same form."""

from collections import defaultdict
from pathlib import Path

Sections = dict[str, dict[str, list[str]]]
"""Section, directive, and every value it was given, in order."""


def read_unit(path: Path) -> Sections:
    """Return what ``path`` says; fails where a line is neither section, comment nor directive."""
    found: Sections = {}
    section = ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        # A value that goes on in the next line would need more than this; none of ours does.
        assert not text.endswith("\\"), f"{path.name}:{number}"
        if text.startswith("["):
            section = text.strip("[]")
            found.setdefault(section, defaultdict(list))
            continue
        name, equals, value = text.partition("=")
        assert equals, f"{path.name}:{number}: {text}"
        assert section, f"{path.name}:{number}: before any section"
        found[section][name.strip()].append(value.strip())
    return {name: dict(directives) for name, directives in found.items()}


def environment(directives: dict[str, list[str]]) -> dict[str, str]:
    """Return what ``Environment=`` sets; one variable a line, an empty one takes all back."""
    given: dict[str, str] = {}
    for each in directives.get("Environment", []):
        if not each:
            given.clear()
            continue
        name, _, value = each.partition("=")
        given[name] = value
    return given
