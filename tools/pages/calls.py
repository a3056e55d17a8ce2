"""What the source can log and journal, read from its syntax trees: names, levels, fields.

Nothing is run. A name may be computed: by a condition, from a table of the module, from an
enumeration. What cannot be followed raises :class:`Unclear`, so that no name stays unseen.
"""

import ast
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).resolve().parents[2] / "src"
PACKAGE: Final = "serbero"

LEVELS: Final = ("debug", "info", "warning", "error", "critical")

_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Unclear(ValueError):  # noqa: N818 - named for what it says
    """An expression whose values cannot be told from the source."""


class Module:
    """One source file.

    Args:
        path: of the file.
        name: dotted.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.tree = ast.parse(path.read_text("utf-8"), str(path))

    @property
    def room(self) -> str:
        """The first part of the name below the package; the package itself for its own files."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else PACKAGE

    @cached_property
    def functions(self) -> dict[str, _FunctionNode]:
        """Functions and methods by name; names are unique enough for following a call."""
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return {each.name: each for each in ast.walk(self.tree) if isinstance(each, kinds)}

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """What the module assigns to names of its own."""
        return dict(_assigned(self.tree.body))

    @cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        """Local name to (module, name there)."""
        found: dict[str, tuple[str, str]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for each in node.names:
                    found[each.asname or each.name] = (node.module, each.name)
        return found

    def calls(self) -> Iterator[tuple[ast.Call, "Scope"]]:
        """Every call with the function it stands in."""
        yield from _calls(self.tree, Scope(self, None))


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an expression stands."""

    module: Module
    function: _FunctionNode | None


def _calls(node: ast.AST, scope: Scope) -> Iterator[tuple[ast.Call, Scope]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        scope = Scope(scope.module, node)
    if isinstance(node, ast.Call):
        yield node, scope
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, scope)


def _assigned(body: Sequence[ast.AST]) -> Iterator[tuple[str, ast.expr]]:
    """Names that statements and what stands in them assign, with the value; tuples by position."""
    for statement in body:
        for node in ast.walk(statement):
            targets: list[ast.expr] = []
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, ast.AnnAssign | ast.NamedExpr | ast.AugAssign):
                targets = [node.target]
            value = getattr(node, "value", None)
            for target in targets:
                if isinstance(target, ast.Name) and value is not None:
                    yield target.id, value
                elif isinstance(target, ast.Tuple) and value is not None:
                    for index, each in enumerate(target.elts):
                        if isinstance(each, ast.Name):
                            at = ast.Constant(index)
                            yield each.id, ast.Subscript(value, at, ast.Load())


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the package, in order of their names."""
    found = []
    for path in sorted((SOURCE / PACKAGE).rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(path, name))
    return tuple(found)


@cache
def _by_name() -> dict[str, Module]:
    return {each.name: each for each in modules()}


@dataclass(frozen=True, slots=True)
class Found:
    """An expression with the place it is to be read in."""

    node: ast.expr
    scope: Scope


_under_way: Final[set[int]] = set()


def values(node: ast.expr, scope: Scope) -> list[Found]:
    """Return what an expression may be, followed as far as the source tells."""
    if id(node) in _under_way:
        return []  # made from itself: its other values are found where this began
    _under_way.add(id(node))
    try:
        return _followed(node, scope)
    finally:
        _under_way.discard(id(node))


def _followed(node: ast.expr, scope: Scope) -> list[Found]:
    match node:
        case ast.IfExp():
            return values(node.body, scope) + values(node.orelse, scope)
        case ast.BoolOp():
            return [each for part in node.values for each in values(part, scope)]
        case ast.Name():
            return _named(node, scope)
        case ast.Subscript():
            return _part(node, scope)
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            module = _by_name().get(".".join(scope.module.imported.get(name, ())))
            if module is not None and attr in module.constants:
                return values(module.constants[attr], Scope(module, None))
        case ast.Call(func=ast.Attribute(attr="get", value=table), args=[_, *default]):
            found = _entries(table, scope)
            return found + [each for part in default for each in values(part, scope)]
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            if returned := _returned(name, scope):
                return [each for back in returned for each in values(back.node, back.scope)]
    return [Found(node, scope)]


def _returned(name: str, scope: Scope) -> list[Found]:
    """What a function of the module returns; nothing where it has none of this name."""
    called = scope.module.functions.get(name)
    nodes = () if called is None else ast.walk(called)
    return [
        Found(each.value, Scope(scope.module, called))
        for each in nodes
        if isinstance(each, ast.Return) and each.value is not None
    ]


def local_values(name: str, scope: Scope) -> list[Found]:
    """Return what a function assigns to a name of its own; nothing where it assigns none."""
    if scope.function is None:
        return []
    given = [value for own, value in _locals(scope.function) if own == name]
    return [each for value in given for each in values(value, scope)]


@cache
def _locals(function: _FunctionNode) -> tuple[tuple[str, ast.expr], ...]:
    return tuple(_assigned(function.body))


def _named(node: ast.Name, scope: Scope) -> list[Found]:
    if found := local_values(node.id, scope):
        return found
    if handed := list(_arguments(node.id, scope)):
        return [each for one in handed for each in values(one.node, one.scope)]
    if node.id in scope.module.constants:
        return values(scope.module.constants[node.id], Scope(scope.module, None))
    origin = scope.module.imported.get(node.id)
    if origin is not None and (module := _by_name().get(origin[0])) is not None:
        return values(ast.Name(origin[1], ast.Load()), Scope(module, None))
    return [Found(node, scope)]


def _arguments(name: str, scope: Scope) -> Iterator[Found]:
    """What callers hand over as a parameter of the function."""
    function = scope.function
    if function is None:
        return
    positions = [each.arg for each in function.args.args]
    if name not in [*positions, *(each.arg for each in function.args.kwonlyargs)]:
        return
    for call, caller in _calls_by_name().get(function.name, ()):
        if not _leads_to(call, caller.module, scope.module):
            continue
        for index, each in enumerate(call.args):
            if positions[index : index + 1] == [name]:
                yield Found(each, caller)
        for keyword in call.keywords:
            if keyword.arg == name:
                yield Found(keyword.value, caller)


@cache
def _calls_by_name() -> dict[str, list[tuple[ast.Call, "Scope"]]]:
    found: dict[str, list[tuple[ast.Call, Scope]]] = {}
    for module in modules():
        for call, scope in module.calls():
            match call.func:
                case ast.Name(id=name) | ast.Attribute(attr=name):
                    found.setdefault(name, []).append((call, scope))
    return found


def _leads_to(call: ast.Call, caller: Module, module: Module) -> bool:
    """Whether a call is of a function of ``module``, by what the caller imports."""
    match call.func:
        case ast.Name(id=name):
            return caller is module or caller.imported.get(name, ("", ""))[0] == module.name
        case ast.Attribute(value=ast.Name(id=name)):
            return ".".join(caller.imported.get(name, ("", ""))) == module.name
    return False


def _entries(table: ast.expr, scope: Scope) -> list[Found]:
    """The values of a table, as far as it stands in the source."""
    found = []
    for each in values(table, scope):
        entries = each.node.values if isinstance(each.node, ast.Dict) else [each.node]
        found += [Found(value, each.scope) for value in entries]
    return found


def _part(node: ast.Subscript, scope: Scope) -> list[Found]:
    """An entry of a table, or a place of a tuple that is unpacked."""
    found: list[Found] = []
    for each in values(node.value, scope):
        match each.node:
            case ast.Dict():
                found += _entries(each.node, each.scope)
            case ast.Tuple(elts=elts) if isinstance(node.slice, ast.Constant):
                found += values(elts[int(str(node.slice.value))], each.scope)
            case _:
                return [Found(node, scope)]
    return found


def texts(node: ast.expr, scope: Scope) -> set[str]:
    """Return the texts an expression may be; enumerations in an f-string are spelled out.

    Raises:
        Unclear: it may be one that the source does not tell.
    """
    found: set[str] = set()
    for each in values(node, scope):
        match each.node:
            case ast.Constant(value=str(text)):
                found.add(text)
            case ast.JoinedStr():
                found |= _spelled(each.node, each.scope)
            case ast.Constant(value=None):
                continue
            case _:
                raise Unclear(f"{scope.module.name}: {ast.unparse(node)}")
    return found


def _spelled(node: ast.JoinedStr, scope: Scope) -> set[str]:
    found = {""}
    for part in node.values:
        options = [str(part.value)] if isinstance(part, ast.Constant) else _members(part, scope)
        found = {f"{left}{right}" for left in found for right in options}
    return found


def _members(part: ast.expr, scope: Scope) -> list[str]:
    """What may stand in a gap: values of an enumeration, else the expression in braces."""
    match part:
        case ast.FormattedValue(value=ast.Attribute(value=ast.Name() as name, attr="value")):
            found = [_member(each) for each in values(name, scope)]
            if found and None not in found:
                return [str(each.value) for each in found if each is not None]
    if isinstance(part, ast.FormattedValue):
        return ["{" + ast.unparse(part.value) + "}"]
    raise Unclear(f"{scope.module.name}: {ast.unparse(part)}")


def _member(found: Found) -> Enum | None:
    """The member of an enumeration that an expression such as ``TakeState.TAKEN`` names."""
    match found.node:
        case ast.Attribute(value=ast.Name(id=name), attr=attr):
            module, there = found.scope.module.imported.get(name, ("", ""))
            kind = getattr(importlib.import_module(module), there) if module else None
            if isinstance(kind, type) and issubclass(kind, Enum):
                return kind[attr]
    return None


def keys(node: ast.expr, scope: Scope) -> set[str]:
    """Return the names a mapping may hold.

    Raises:
        Unclear: the source does not tell.
    """
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return keys(node.left, scope) | keys(node.right, scope)
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            if returned := _returned(name, scope):
                return {key for back in returned for key in keys(back.node, back.scope)}
    found = _set_later(node, scope)
    for each in values(node, scope):
        match each.node:
            case ast.Dict(keys=names, values=inner):
                for key, value in zip(names, inner, strict=True):
                    found |= keys(value, each.scope) if key is None else texts(key, each.scope)
            case ast.BinOp(op=ast.BitOr()):
                found |= keys(each.node, each.scope)
            case _:
                raise Unclear(f"{scope.module.name}: {ast.unparse(node)}")
    return found


def _set_later(node: ast.expr, scope: Scope) -> set[str]:
    """Keys that are given to a mapping by assignment after it was made."""
    found: set[str] = set()
    if isinstance(node, ast.Name) and scope.function is not None:
        for each in ast.walk(scope.function):
            match each:
                case ast.Subscript(value=ast.Name(id=name), slice=key, ctx=ast.Store()):
                    if name == node.id:
                        found |= texts(key, scope)
    return found
