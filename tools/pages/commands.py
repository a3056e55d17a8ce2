"""``docs/commands.md``: every command, its options and exit codes, from the Typer application."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer
from tools.pages import markdown, sentences
from tools.pages.markdown import code

from serbero.cli.app import app


@dataclass(frozen=True, slots=True)
class Command:
    """One command as it can be typed.

    Attributes:
        path: its words, ``serbero`` first.
        object: Typer's own.
        group: whether commands follow it.
    """

    path: tuple[str, ...]
    object: Any
    group: bool

    @property
    def name(self) -> str:
        """As it is typed."""
        return " ".join(self.path)

    @property
    def context(self) -> typer.Context:
        """What Typer words its help in."""
        return typer.Context(self.object, info_name=self.name)


def commands() -> Iterator[Command]:
    """Every command, groups before what is in them."""
    yield from _below(("serbero",), typer.main.get_command(app))


def _below(path: tuple[str, ...], command: Any) -> Iterator[Command]:
    inner = getattr(command, "commands", None) or {}
    yield Command(path, command, bool(inner))
    for name, each in inner.items():
        if not each.hidden:
            yield from _below((*path, name), each)


def page() -> str:
    """Return the page."""
    told = sentences.read("commands")
    parts = [
        markdown.generated("the commands' own help"),
        "# Commands",
        told["introduction"],
        markdown.table(
            ("command", "does"),
            [(f"[`{each.name}`](#{anchor(each)})", _first(each)) for each in commands()],
        ),
    ]
    for each in commands():
        parts += [f"## `{each.name}`", f"```text\n{_usage(each)}\n```", _help(each)]
        parts += [_parameters(each, "argument"), _parameters(each, "option")]
    return markdown.page(*parts)


def anchor(command: Command) -> str:
    """Where the page tells of it."""
    return "-".join(command.path)


def _usage(command: Command) -> str:
    usage = str(command.object.get_usage(command.context))
    return " ".join(usage.removeprefix("Usage: ").split())


def _help(command: Command) -> str:
    return markdown.plain(markdown.docstring(command.object.help))


def _first(command: Command) -> str:
    return _help(command).partition("\n")[0]


def _parameters(command: Command, kind: str) -> str:
    rows = []
    for each in command.object.params:
        record = each.get_help_record(command.context)
        if each.param_type_name == kind and record is not None:
            name = each.metavar if kind == "argument" and each.metavar else record[0]
            text = markdown.sentence(record[1].removesuffix("  [required]"))
            rows.append((code(name), markdown.plain(text)))
    return markdown.table((kind, "meaning"), rows) if rows else ""
