"""From parsed TOML to validated sections: what is wrong in each table, and what is unknown."""

import difflib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from serbero.config.models import LISTS, NESTED, TABLES, Section
from serbero.config.problems import Problem, echo, kind_of

S = TypeVar("S", bound=Section)

_NEAR: Final = 0.6
"""Similarity (0 to 1) from which an unknown name is taken for a misspelt known one."""

_EXPECTED: Final[Mapping[str, str]] = {
    "int_type": "an integer",
    "string_type": "a text in quotes",
    "bool_type": "true or false",
    "float_type": "a number",
    "tuple_type": "an array",
    "model_type": "a table",
    "finite_number": "a finite number",
}
"""What pydantic's error types mean, in the words of TOML."""


def table(model: type[S], name: str, raw: object, problems: list[Problem]) -> S | None:
    """Validate one table; None, with ``problems`` extended, when it cannot be used."""
    if not isinstance(raw, dict):
        problems.append(_wrong_shape(name, raw))
        return None
    try:
        return model.model_validate(raw)
    except ValidationError as exc:
        # Neither input nor pydantic's own text is used: both may repeat a secret.
        errors = exc.errors(include_url=False)
    problems.extend(_problem(model, name, each) for each in errors)
    return None


def entries(model: type[S], name: str, raw: object, problems: list[Problem]) -> list[S | None]:
    """Validate every entry of an array of tables; None stands for an unusable one."""
    if not isinstance(raw, list):
        problems.append(_wrong_shape(name, raw))
        return []
    return [table(model, f"{name} #{number}", each, problems) for number, each in enumerate(raw, 1)]


def unknown_names(document: Mapping[str, Any]) -> list[Problem]:
    """List the sections and keys nobody reads, each with the nearest name that is read."""
    found: list[Problem] = []
    for name, raw in document.items():
        model = TABLES.get(name) or LISTS.get(name)
        if model is None:
            found.append(_unknown_section(name, raw))
        elif isinstance(raw, list):
            for number, each in enumerate(raw, 1):
                found.extend(_unknown_keys(model, f"{name} #{number}", each))
        else:
            found.extend(_unknown_keys(model, name, raw))
    for name, model in NESTED.items():
        raw = nested(document, name)
        for number, each in enumerate(raw if isinstance(raw, list) else (), 1):
            found.extend(_unknown_keys(model, f"{name} #{number}", each))
    return found


def nested(document: Mapping[str, Any], name: str) -> object:
    """What stands under ``section.key``; an empty list when nothing does."""
    section, _, key = name.partition(".")
    table = document.get(section)
    return table.get(key, []) if isinstance(table, dict) else []


def _unknown_section(name: str, raw: object) -> Problem:
    if not isinstance(raw, dict | list):
        homes = [section for section, model in TABLES.items() if name in model.model_fields]
        remedy = f"keys stand below a section; move it below [{homes[0]}]" if homes else "remove it"
        return Problem("", echo(name), "unknown key outside of any section, ignored", remedy)
    near = _nearest(name, (*TABLES, *LISTS))
    remedy = f"did you mean {_heading(near)}?" if near else "remove it"
    return Problem(echo(name), "", "unknown section, ignored", remedy)


def _unknown_keys(model: type[Section], section: str, raw: object) -> Iterable[Problem]:
    if not isinstance(raw, dict):
        return
    for key in raw:
        if key not in model.model_fields and f"{section}.{key}" not in NESTED:
            yield Problem(section, echo(key), "unknown key, ignored", _suggest(model, key))


def _suggest(model: type[Section], key: str) -> str:
    """The section that has this very key, else the nearest key of the same section or of others."""
    elsewhere = (*TABLES.items(), *LISTS.items())
    for section, other in elsewhere:
        if key in other.model_fields:
            return f"did you mean {key} in {_heading(section)}?"
    if near := _nearest(key, model.model_fields):
        return f"did you mean {near}?"
    for section, other in elsewhere:
        if near := _nearest(key, other.model_fields):
            return f"did you mean {near} in {_heading(section)}?"
    return "remove it"


def _nearest(name: str, known: Iterable[str]) -> str | None:
    matches = difflib.get_close_matches(name.lower()[:64], list(known), n=1, cutoff=_NEAR)
    return matches[0] if matches else None


def _heading(section: str) -> str:
    listed = section in LISTS or section in NESTED
    return f"[[{section}]]" if listed else f"[{section}]"


def _wrong_shape(name: str, raw: object) -> Problem:
    heading = _heading(name.partition(" #")[0])
    wanted = "an array of tables" if name in LISTS or name in NESTED else "a table"
    message = f"toml parse error: expected {wanted}, found {kind_of(raw)}"
    return Problem(name, "", message, f"write {heading} on a line of its own and its keys below")


def _problem(model: type[Section], section: str, error: Any) -> Problem:
    """Word one of pydantic's errors; ``error`` is its ``ErrorDetails``."""
    key = str(error["loc"][0])
    remedy = _remedy(model, key)
    raised = error.get("ctx", {}).get("error")
    if isinstance(raised, ValueError):
        return Problem(section, key, str(raised), remedy)
    kind = error["type"]
    if kind == "missing":
        return Problem(section, key, f"toml parse error: missing field `{key}`", remedy)
    found = _found(kind, error)
    return Problem(
        section, key, f"toml parse error: expected {_expected(kind, error)}, found {found}", remedy
    )


def _expected(kind: str, error: Any) -> str:
    context = error.get("ctx", {})
    if kind in {"literal_error", "enum"}:
        return str(context["expected"]).replace("'", "`")
    if kind == "greater_than_equal":
        return f"{context['ge']} or more"
    if kind == "less_than_equal":
        return f"{context['le']} or less"
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters"
    return _EXPECTED.get(kind, "another kind of value")


def _found(kind: str, error: Any) -> str:
    value = error["input"]
    if kind in {"literal_error", "enum"} and isinstance(value, str):
        return "another text"
    if kind in {"greater_than_equal", "less_than_equal"} and abs(value) < 10**20:
        return str(value)
    if kind == "string_too_long":
        return f"{len(value)}"
    return kind_of(value)


def _remedy(model: type[Section], key: str) -> str:
    field = model.model_fields.get(key)
    if field is None:
        return ""
    purpose = field.description or key
    if field.is_required() or field.default is None:
        return f"set it to {purpose}"
    default = json.dumps(field.default, default=str)
    return f"correct or remove it: {purpose}; default {default}"
