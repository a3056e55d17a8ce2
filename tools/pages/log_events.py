"""``docs/log-events.md``: every line the code can log, from its source."""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeGuard

from tools.pages import calls, markdown, sentences
from tools.pages.calls import LEVELS, Module, Scope
from tools.pages.markdown import code

LOGGER: Final = "_log"
_SAME: Final = {"exception": "error"}
_FOREIGN: Final = ("serbero.observe.logging", "message")
"""Where lines of libraries are handed on: their words are not ours."""


@dataclass(slots=True)
class Event:
    """One event name.

    Attributes:
        levels: at which it is logged.
        fields: what it can carry beside the name.
        rooms: who logs it.
        open_fields: whether it carries fields the source does not name.
    """

    name: str
    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    rooms: set[str] = field(default_factory=set)
    open_fields: bool = False


def events() -> dict[str, Event]:
    """Every event the source can log, by name.

    Raises:
        Unclear: a name or level that cannot be told, or a logger that is used in another way.
    """
    found: dict[str, Event] = {}
    for module in calls.modules():
        unseen = _loggings(module)
        for call, scope in module.calls():
            methods = _methods(call, scope)
            unseen -= {id(each) for each in methods}
            if methods:
                for event in _of(call, [each.attr for each in methods], scope):
                    _merge(found.setdefault(event.name, Event(event.name)), event)
        if unseen:
            raise calls.Unclear(f"{module.name}: a logger is used where no call shows the event")
    return found


def _merge(into: Event, event: Event) -> None:
    into.levels |= event.levels
    into.fields |= event.fields
    into.rooms |= event.rooms
    into.open_fields |= event.open_fields


def _loggings(module: Module) -> set[int]:
    """Every place where a method of a logger is named.

    Raises:
        Unclear: the module's logger has another name than the one that is looked for.
    """
    for name, value in module.constants.items():
        if _is_get_logger(value) and name != LOGGER:
            raise calls.Unclear(f"{module.name}: a logger called {name}, not {LOGGER}")
    return {id(node) for node in ast.walk(module.tree) if _is_method(node)}


def _is_get_logger(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "structlog.get_logger"


def _is_method(node: ast.AST) -> TypeGuard[ast.Attribute]:
    match node:
        case ast.Attribute(value=ast.Name(id=name)):
            return name == LOGGER
        case ast.Attribute(value=value):
            return _is_get_logger(value)
    return False


def _methods(call: ast.Call, scope: Scope) -> list[ast.Attribute]:
    """The methods of a logger that a call may be of; a name may stand for one of several."""
    if isinstance(call.func, ast.Name):
        found = [each.node for each in calls.local_values(call.func.id, scope)]
        return [each for each in found if _is_method(each)]
    return [call.func] if _is_method(call.func) else []


def _of(call: ast.Call, methods: Sequence[str], scope: Scope) -> Iterator[Event]:
    given = methods == ["log"]
    name = call.args[1] if given else call.args[0]
    if (scope.module.name, ast.unparse(name)) == _FOREIGN:
        return
    levels = [_SAME.get(each, each) for each in methods]
    if given:
        levels = _levels(call.args[0], scope)
    names: set[str] = set()
    open_fields = False
    for each in call.keywords:
        if each.arg is not None:
            names.add(each.arg)
            continue
        try:
            names |= calls.keys(each.value, scope)
        except calls.Unclear:
            open_fields = True
    names.discard("exc_info")
    found = calls.values(name, scope)
    # Level and name that come from the same table belong together, row by row.
    paired = given and isinstance(name, ast.Name) and len(found) == len(levels)
    for index, one in enumerate(found):
        own = {levels[index]} if paired else set(levels)
        for text in calls.texts(one.node, one.scope):
            yield Event(text, own, set(names), {scope.module.room}, open_fields)


def _levels(node: ast.expr, scope: Scope) -> list[str]:
    found = []
    for each in calls.values(node, scope):
        match each.node:
            case ast.Attribute(value=ast.Name(id="logging"), attr=attr):
                found.append(attr.lower())
            case _:
                raise calls.Unclear(f"{scope.module.name}: level {ast.unparse(node)}")
    return found


def page() -> str:
    """Return the page."""
    told = sentences.read("log_events")
    found = events()
    sentences.matched("log events", found, told["events"])
    parts = [
        markdown.generated("the source and `tools/pages/words/log_events.toml`"),
        "# Log events",
        told["introduction"],
    ]
    rooms = sorted({room for each in found.values() for room in each.rooms})
    sentences.matched("rooms that log", rooms, told["rooms"])
    for room, about in told["rooms"].items():
        rows = [
            (code(name), _level(found[name]), _fields(found[name]), text)
            for name, text in told["events"].items()
            if min(found[name].rooms) == room
        ]
        if rows:
            head = ("event", "level", "fields", "meaning, and what to do")
            parts += [f"## {room}", about, markdown.table(head, rows)]
    return markdown.page(*parts)


def _level(event: Event) -> str:
    return " or ".join(sorted(event.levels, key=LEVELS.index))


def _fields(event: Event) -> str:
    shown = [code(each) for each in sorted(event.fields)]
    return ", ".join([*shown, "more"] if event.open_fields else shown)
