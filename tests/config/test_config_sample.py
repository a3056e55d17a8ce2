"""The sample documents every key there is, with its true default."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import PydanticUndefined

from serbero.config.loader import loads
from serbero.config.models import LISTS, NESTED, TABLES, Section

SAMPLE = (Path(__file__).parents[2] / "config.sample.toml").read_text()
ENVIRON = {"SERBERO_PRIVATE_KEY": "0" * 63 + "5"}
ALL = {**TABLES, **LISTS, **NESTED}

# "#key" shows a default; "# Prose" explains.
UNCOMMENTED = re.sub(r"^#(?=[a-z\[])", "", SAMPLE, flags=re.MULTILINE)


def shown(section: str) -> dict[str, object]:
    found: Any = tomllib.loads(UNCOMMENTED)
    for key in section.split("."):
        found = found[key]
    table = found[-1] if isinstance(found, list) else found
    assert isinstance(table, dict)
    return {key: value for key, value in table.items() if f"{section}.{key}" not in NESTED}


def test_it_loads_as_it_stands() -> None:
    loaded = loads(SAMPLE, ENVIRON)
    assert [each.section for each in loaded.warnings] == ["solvers"]


def test_it_shows_every_section_and_nothing_else() -> None:
    assert set(tomllib.loads(UNCOMMENTED)) == {*TABLES, *LISTS}


@pytest.mark.parametrize(("section", "model"), ALL.items())
def test_it_shows_every_key_and_nothing_else(section: str, model: type[Section]) -> None:
    assert set(shown(section)) == set(model.model_fields)


@pytest.mark.parametrize(("section", "model"), ALL.items())
def test_what_it_shows_is_the_default(section: str, model: type[Section]) -> None:
    for key, value in shown(section).items():
        default = model.model_fields[key].default
        if default is PydanticUndefined or default is None:
            continue
        assert value == json.loads(json.dumps(default)), f"[{section}].{key}"


def test_every_key_is_explained() -> None:
    for section, model in ALL.items():
        for key, field in model.model_fields.items():
            assert field.description, f"[{section}].{key}"


def test_it_names_every_variable() -> None:
    for name in (
        "SERBERO_CONFIG",
        "SERBERO_PRIVATE_KEY",
        "SERBERO_PRIVATE_KEY_FILE",
        "SERBERO_DB_PATH",
        "SERBERO_LOG",
        "SERBERO_REASONING_API_KEY",
    ):
        assert re.search(rf"\b{name}\b", SAMPLE)
