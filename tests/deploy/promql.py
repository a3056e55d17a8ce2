"""Reads PromQL as far as ours goes: which metric is asked for, with which labels, in what."""

import re
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.metrics import MetricWrapperBase

from serbero.observe.metrics import Metrics

_TOKEN = re.compile(
    r"""\s+|(?P<text>"(?:[^"\\]|\\.)*")|(?P<range>\[[^\]]*\])|(?P<number>\d[\d.]*[a-z]*)"""
    r"""|(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)|(?P<mark>=~|!~|!=|==|>=|<=|[-+*/%^(){},=<>])"""
)
_FUNCTIONS = frozenset(
    {"sum", "min", "max", "count", "rate", "increase", "changes", "time", "vector", "absent"}
    | {"histogram_quantile"}
)
_GROUPING = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_WORDS = frozenset({"and", "or", "unless", "offset", "bool"})

TARGET = frozenset({"job", "instance"})
"""The labels that Prometheus adds to every series."""


@dataclass
class Asked:
    """One metric in an expression."""

    name: str
    inside: str
    matchers: list[tuple[str, str, str]] = field(default_factory=list)
    ranged: bool = False
    shifted: bool = False


@dataclass
class Query:
    """What an expression asks for, and the labels it groups by."""

    metrics: list[Asked]
    grouped: set[str]


class _Reader:
    def __init__(self, expression: str) -> None:
        self._tokens = _tokens(expression)
        self._at = 0
        self.query = Query([], set())

    def read(self) -> Query:
        calls = [""]
        called = ""
        while self._at < len(self._tokens):
            token = self._next()
            if token in _FUNCTIONS:
                called = token
                continue
            if token in _GROUPING:
                self.query.grouped |= set(self._list("(", ")"))
                continue
            if token == "(":
                calls.append(called)
            elif token == ")":
                calls.pop()
                assert calls, "a parenthesis too many"
            elif token not in _WORDS and re.fullmatch(r"[A-Za-z_:].*", token):
                self._metric(token, calls[-1])
            elif token == "offset":
                self.query.metrics[-1].shifted = True
            called = ""
        assert calls == [""], "a parenthesis is missing"
        return self.query

    def _metric(self, name: str, inside: str) -> None:
        asked = Asked(name, inside)
        if self._peek() == "{":
            parts = self._list("{", "}")
            for label, sign, value in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
                asked.matchers.append((label, sign, value[1:-1]))
        asked.ranged = self._peek().startswith("[")
        if asked.ranged:
            self._at += 1
        asked.shifted = self._peek() == "offset"
        self.query.metrics.append(asked)

    def _list(self, opening: str, closing: str) -> list[str]:
        assert self._next() == opening
        found = []
        while (token := self._next()) != closing:
            if token != ",":
                found.append(token)
        return found

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""


def read_query(expression: str) -> Query:
    """Return what ``expression`` asks for; fails on what this reader does not know."""
    return _Reader(expression).read()


def _tokens(expression: str) -> list[str]:
    found, at = [], 0
    while at < len(expression):
        match = _TOKEN.match(expression, at)
        assert match, f"unknown here: {expression[at : at + 20]!r}"
        if match.lastgroup:
            found.append(match.group())
        at = match.end()
    return found


def families() -> dict[str, tuple[str, frozenset[str]]]:
    """Kind and labels of each metric of ours, by the name it has without a suffix."""
    ours: list[Any] = [
        each for each in vars(Metrics()).values() if isinstance(each, MetricWrapperBase)
    ]
    found = {each._name: (each._type, frozenset(each._labelnames)) for each in ours}
    found["serbero_build"] = ("info", frozenset({"version", "python"}))
    return found


def exposed() -> dict[str, tuple[str, str, frozenset[str]]]:
    """Every name that a scrape shows: its family, its kind, its labels."""
    found: dict[str, tuple[str, str, frozenset[str]]] = {}
    for family, (kind, labels) in families().items():
        match kind:
            case "counter":
                found[f"{family}_total"] = (family, kind, labels)
            case "histogram":
                found[f"{family}_bucket"] = (family, kind, labels | {"le"})
                found[f"{family}_sum"] = found[f"{family}_count"] = (family, kind, labels)
            case "info":
                found[f"{family}_info"] = (family, kind, labels)
            case _:
                found[family] = (family, kind, labels)
    for sample in Metrics().registry.collect():
        if sample.name.startswith("process_"):
            name = f"{sample.name}_total" if sample.type == "counter" else sample.name
            found[name] = (sample.name, sample.type, frozenset())
    found["up"] = ("up", "gauge", frozenset())
    return found


def check(expression: str) -> Query:
    """Fail where an expression asks for what is not there, or in a way that means nothing."""
    known = exposed()
    query = read_query(expression)
    assert query.metrics
    labels = set(TARGET)
    for asked in query.metrics:
        assert asked.name in known, f"no such metric: {asked.name}"
        _, kind, own = known[asked.name]
        labels |= own
        for label, _, _ in asked.matchers:
            assert label in own | TARGET, f"{asked.name} has no label {label}"
        over_time = asked.inside in {"rate", "increase"}
        assert asked.ranged == (over_time or asked.inside == "changes"), asked
        if over_time:
            assert kind in {"counter", "histogram"}, f"{asked.name} is no counter"
        if kind == "histogram":
            assert over_time, f"{asked.name} since the start says nothing of now"
    assert query.grouped <= labels, f"grouped by {query.grouped - labels}"
    if any(asked.name.endswith("_bucket") for asked in query.metrics):
        assert "le" in query.grouped
        assert "histogram_quantile(" in expression
    return query
