"""No call of ours logs a field whose name makes the log hide it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import serbero
from serbero.observe.redaction import names_a_secret

ROOT = Path(serbero.__file__).parent
LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    """Every ``_log.level(...)``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            holder = node.func.value
            if node.func.attr in LEVELS and isinstance(holder, ast.Name) and holder.id == "_log":
                yield node


def test_every_logged_field_can_be_read() -> None:
    found = 0
    hidden = []
    for path in ROOT.rglob("*.py"):
        for call in calls(ast.parse(path.read_text())):
            found += 1
            hidden += [
                f"{path.relative_to(ROOT)}:{call.lineno} {keyword.arg}"
                for keyword in call.keywords
                if keyword.arg is not None and names_a_secret(keyword.arg)
            ]
    assert hidden == []
    assert found > 40, "the calls are found at all"


def test_every_logger_has_the_same_name() -> None:
    """Otherwise the check above looks past it."""
    others = [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assign)
        and "get_logger" in ast.unparse(node.value)
        and ast.unparse(node.targets[0]) != "_log"
    ]
    assert others == []
