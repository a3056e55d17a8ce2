"""``docs/configuration.md``: every section and key, from the models that read them."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, Final, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from tools.pages import calls, markdown, sentences
from tools.pages.markdown import code

from serbero.config import template
from serbero.config.models import LARGEST_INTEGER, LISTS, NESTED, TABLES, Section

_VARIABLE: Final = re.compile(r"SERBERO_[A-Z_]+")
_NOTHING: Final = "none"
_LARGEST_32: Final = 2**32 - 1


def models() -> Iterator[tuple[str, type[Section]]]:
    """Every section with its heading, lists of a section after it."""
    for name, model in TABLES.items():
        yield f"[{name}]", model
        for nested, entry in NESTED.items():
            if nested.partition(".")[0] == name:
                yield f"[[{nested}]]", entry
        if name == "mostro":
            yield from _lists("relays", "solvers")
    yield from _lists(*(each for each in LISTS if each not in {"relays", "solvers"}))


def _lists(*names: str) -> Iterator[tuple[str, type[Section]]]:
    for name in names:
        yield f"[[{name}]]", LISTS[name]


def page() -> str:
    """Return the page."""
    told = sentences.read("settings")
    sentences.matched("environment variables", variables(), told["variables"])
    written = _by_init()
    parts = [
        markdown.generated("`src/serbero/config/models/`"),
        "# Configuration",
        told["introduction"],
        markdown.table(
            ("section", "about"),
            [
                (f"[`{head}`](#{_anchor(head)})", markdown.sentence(_about(model)))
                for head, model in models()
            ],
        ),
    ]
    for head, model in models():
        parts += [f"## `{head}`", markdown.sentence(_about(model)), _keys(head, model, written)]
    parts += [
        "## Environment",
        told["environment"],
        markdown.table(
            ("variable", "effect"), [(code(name), text) for name, text in told["variables"].items()]
        ),
    ]
    return markdown.page(*parts)


def _anchor(head: str) -> str:
    return re.sub(r"[^\w-]", "", head).lower()


def _about(model: type[Section]) -> str:
    """What the docstring says behind the section's name."""
    text = markdown.docstring(model.__doc__)
    return text.partition(": ")[2] or text


def _keys(head: str, model: type[Section], written: Mapping[str, Any]) -> str:
    given = written.get(head.strip("[]"), {})
    by_init = given if isinstance(given, dict) else {}  # lists are examples
    rows = []
    for key, field in model.model_fields.items():
        default = _default(field)
        other = by_init.get(key)
        if other is not None and _typed(other) != default:
            default += f" (`serbero init`: {code(_typed(other))})" if default else ""
        meaning = markdown.plain(field.description or "")
        rows.append((code(key), _kind(field), _halves(default), meaning))
    return markdown.table(("key", "value", "default", "meaning"), rows)


def _halves(default: str) -> str:
    """A default in code, with what follows it as it is."""
    first, space, rest = default.partition(" (")
    shown = first if first == _NOTHING else code(first)
    return f"{shown}{space}{rest}" if first else "required"


def _default(field: FieldInfo) -> str:
    """The default as TOML; empty where there is none to write."""
    if field.is_required() or field.default is PydanticUndefined:
        return ""
    return _typed(field.default)


def _typed(value: object) -> str:
    if value is None:
        return _NOTHING
    if isinstance(value, tuple | list):
        return f"[{', '.join(_typed(each) for each in value)}]"
    if isinstance(value, Enum):
        value = value.value
    return json.dumps(value, ensure_ascii=False)


def _kind(field: FieldInfo) -> str:
    """What may stand there, with its range."""
    kind = _kind_of(field.annotation)
    limits = _limits(field.metadata)
    return f"{kind}, {limits}" if limits else kind


def _kind_of(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return _one_of(arguments)
    if origin is tuple:
        return f"list of: {_kind_of(arguments[0])}"
    if origin is Union or type(annotation).__name__ == "UnionType":
        return _kind_of(next(each for each in arguments if each is not type(None)))
    if hasattr(annotation, "__metadata__"):
        return _kind_of(arguments[0])
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _one_of([each.value for each in annotation])
    known = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    if annotation is SecretStr:
        return "text, a secret"
    return known[annotation]


def _one_of(options: Any) -> str:
    return ", ".join(code(_typed(each)) for each in options)


def _limits(metadata: list[Any]) -> str:
    found: dict[str, Any] = {}
    for each in _flat(metadata):
        for name in ("ge", "le", "max_length"):
            value = getattr(each, name, None)
            if value is not None:
                found[name] = value
    if "max_length" in found:
        return f"at most {found['max_length']} characters"
    if found.get("le") in (LARGEST_INTEGER, _LARGEST_32):
        del found["le"]
    match found:
        case {"ge": least, "le": most}:
            return f"{_plain(least)} to {_plain(most)}"
        case {"ge": least}:
            return f"{_plain(least)} or more"
    return ""


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _flat(metadata: list[Any]) -> Iterator[Any]:
    for each in metadata:
        yield each
        yield from getattr(each, "metadata", ())


def _by_init() -> dict[str, Any]:
    """What ``serbero init`` writes into a new file."""
    answers = template.Answers(
        node="0" * 63 + "1", relays=("wss://relay.example",), solvers=(), db_path="", private_key=""
    )
    document = tomllib.loads(template.render(answers))
    del document["serbero"]
    return document


def variables() -> set[str]:
    """Every environment variable of ours that the source names."""
    found: set[str] = set()
    for module in calls.modules():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                whole = _VARIABLE.fullmatch(node.value)
                found |= {node.value} if whole else set()
    with_files = {"SERBERO_PRIVATE_KEY", "SERBERO_REASONING_API_KEY"}
    return found | {f"{each}_FILE" for each in with_files & found}
