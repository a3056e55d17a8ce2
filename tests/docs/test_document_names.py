"""Names in the running text exist: settings, commands, variables, metrics, events, columns."""

import ast
import itertools
import re
from collections.abc import Iterator
from functools import cache
from typing import Final

import pytest
from tests.docs import reading, typed
from tools.pages import calls, metrics, settings

from serbero.config.models import LISTS, NESTED, TABLES

_SETTING: Final = re.compile(r"\[\[?([a-z]+(?:\.[a-z]+)?)\]\]?(?:[ .]([a-z_]+))?(?: = .*)?")
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+")

NOT_OURS: Final = frozenset({"serbero_pubkey", "dispute_days", "sd_notify", "secure_delete"})
"""Names of other programs: settings of the node, systemd's and SQLite's words."""


def inline(page: str) -> Iterator[str]:
    """What stands in code within the text of a page."""
    for token in reading.tokens(page):
        for child in token.children or []:
            if child.type == "code_inline":
                yield child.content


@cache
def vocabulary() -> frozenset[str]:
    """Every name that stands in the source: of settings and functions, and every fixed word."""
    found = {each.name for each in metrics.series()}
    for module in calls.modules():
        for node in ast.walk(module.tree):
            match node:
                case ast.Constant(value=str(text)):
                    found.add(text)
                case ast.AnnAssign(target=ast.Name(id=name)):
                    found.add(name)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    found.add(name)
                case ast.keyword(arg=str(name)):
                    found.add(name)
    return frozenset(found)


def spelled_out(words: list[str]) -> Iterator[list[str]]:
    """One command for each of the ways that ``list|show`` stands for."""
    yield from map(list, itertools.product(*(each.split("|") for each in words)))


def strange(code: str) -> Iterator[str]:
    """What is said in code that the program does not know."""
    if (found := _SETTING.fullmatch(code)) is not None:
        section, key = found.groups()
        model = (TABLES | LISTS | NESTED).get(section)
        if model is None:
            yield f"no section {section}"
        elif key is not None and key not in model.model_fields:
            yield f"no key {key} in {section}"
    elif code in vocabulary():
        return  # also a line that is logged and begins with our name
    elif code.startswith("serbero "):
        for words in spelled_out(code.split()[1:]):
            yield from typed.argument_faults(words)
    elif code.startswith("SERBERO_"):
        if code.partition("=")[0] not in settings.variables():
            yield f"no variable {code}"
    else:
        for name in _NAME.findall(code) if _NAME.fullmatch(code.partition("{")[0]) else ():
            known = vocabulary()
            bare = re.sub(r"_(bucket|sum|count)$", "", name)
            if name not in known and bare not in known and name not in NOT_OURS:
                yield f"no name {name}"


@pytest.mark.parametrize("page", reading.pages())
def test_every_name_in_the_text_exists(page: str) -> None:
    found = [f"{code}: {fault}" for code in inline(page) for fault in strange(code)]
    assert found == []


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("[mediation] enabeld", "no key enabeld in mediation"),
        ("[[solver]]", "no section solver"),
        ("serbero disputes lst", "disputes has no command lst"),
        ("serbero disputes show|lst", "disputes has no command lst"),
        ("serbero backup --hurry", "backup has no option --hurry"),
        ("SERBERO_KEY", "no variable SERBERO_KEY"),
        ("escalation_recomended", "no name escalation_recomended"),
        ('serbero_part_fine{part="store"}', "no name serbero_part_fine"),
    ],
)
def test_a_name_that_does_not_exist_is_noticed(code: str, fault: str) -> None:
    assert list(strange(code)) == [fault]
