"""``docs/events.md``: the vocabulary of the database, from the enumerations and the writers."""

import ast
import inspect
import itertools
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Final

from tools.pages import calls, markdown, sentences
from tools.pages.calls import Module, Scope
from tools.pages.markdown import code

from serbero.model.alerts import AlertEvent, AlertState
from serbero.model.lifecycle import TRANSITIONS, DisputeStatus, Lifecycle
from serbero.model.mediation import (
    SESSION_TRANSITIONS,
    AuditKind,
    EscalationReason,
    SessionState,
    StartTrigger,
    StopReason,
    Trigger,
    VerdictDecision,
)
from serbero.model.notification import (
    Channel,
    NotificationType,
    OutboxState,
    Purpose,
    TargetSource,
    TargetState,
)
from serbero.model.reasoning import Classification

LISTS: Final[Mapping[str, type[StrEnum]]] = {
    "lifecycle": Lifecycle,
    "dispute_status": DisputeStatus,
    "session": SessionState,
    "classification": Classification,
    "trigger": Trigger,
    "reason": EscalationReason,
    "start": StartTrigger,
    "stop": StopReason,
    "verdict": VerdictDecision,
    "notification": NotificationType,
    "purpose": Purpose,
    "channel": Channel,
    "outbox": OutboxState,
    "target": TargetState,
    "source": TargetSource,
    "alert": AlertEvent,
    "alert_state": AlertState,
}
"""Tables of ``words/events.toml`` that explain the members of an enumeration."""

_NOT_A_WRITER: Final = frozenset({"append", "compact"})
_JOURNAL: Final = "serbero.store.journal"


def remarks(enumeration: type[StrEnum]) -> dict[str, str]:
    """Return what stands below the members of an enumeration in its source, by value."""
    tree = ast.parse(inspect.getsource(enumeration).lstrip())
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found = {}
    for before, after in itertools.pairwise(body):
        match before, after:
            case (
                ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found[enumeration[name].value] = markdown.docstring(text)
    return found


def explained(name: str) -> dict[str, str]:
    """Return a sentence for each member of one of :data:`LISTS`, in their order.

    Raises:
        Mismatch: a member has none, or a sentence no member.
    """
    enumeration = LISTS[name]
    told = remarks(enumeration) | sentences.read("events").get(name, {})
    sentences.matched(name, [each.value for each in enumeration], told)
    return {each.value: told[each.value] for each in enumeration}


@cache
def audit_payloads() -> dict[str, set[str]]:
    """Return the keys that a payload of each kind of ``mediation_events`` may hold."""
    found: dict[str, set[str]] = {}
    for module in calls.modules():
        if module.imported.get("AuditKind") and module.name.startswith("serbero.store."):
            for function in module.functions.values():
                named = _kinds_in(function)
                if len(named) == 1 and _appends(function):
                    found.setdefault(named.pop(), set()).update(_literal_keys(function, module))
    return found


def _kinds_in(function: ast.AST) -> set[str]:
    return {
        AuditKind[node.attr].value
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "AuditKind"
    }


def _appends(function: ast.AST) -> bool:
    called = {
        node.func.id
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    return bool(called & {"append", "_append", "_labelled"})


def _literal_keys(function: ast.AST, module: Module) -> set[str]:
    """Keys of the mappings in a writer and in the functions of its module that it calls."""
    found = set()
    for node in ast.walk(function):
        match node:
            case ast.Dict(keys=names):
                found |= {each.value for each in names if isinstance(each, ast.Constant)}
            case ast.Subscript(slice=ast.Constant(value=str(name)), ctx=ast.Store()):
                found.add(name)
            case ast.Call(func=ast.Name(id=name)) if name not in _NOT_A_WRITER:
                if (called := module.functions.get(name)) is not None:
                    found |= _literal_keys(called, module)
    return {str(each) for each in found}


@cache
def journal_events() -> dict[str, set[str]]:
    """Return every kind of ``journal`` with the keys its payload may hold.

    Raises:
        Unclear: a kind or a payload that the source does not tell.
    """
    found: dict[str, set[str]] = {}
    for module in calls.modules():
        for call, scope in module.calls():
            if _writes_journal(call, module):
                kinds = calls.texts(call.args[1], scope)
                for kind in kinds:
                    found.setdefault(kind, set()).update(_payload(kind, call, scope))
    return dict(sorted(found.items()))


def _payload(kind: str, call: ast.Call, scope: Scope) -> set[str]:
    """Keys of what is journalled, by the source or, where it is computed, by hand."""
    given = next((each.value for each in call.keywords if each.arg == "payload"), None)
    if given is None:
        return set()
    by_hand: dict[str, list[str]] = sentences.read("events")["computed"]
    return set(by_hand[kind]) if kind in by_hand else calls.keys(given, scope)


def _writes_journal(call: ast.Call, module: Module) -> bool:
    match call.func:
        case ast.Attribute(value=ast.Name(id=name), attr="write"):
            return module.imported.get(name) == tuple(_JOURNAL.rsplit(".", 1))
        case ast.Name(id=name):
            return module.imported.get(name) == (_JOURNAL, "write")
    return False


def page() -> str:
    """Return the page."""
    told = sentences.read("events")
    keys = told["keys"]
    journal, audits = journal_events(), audit_payloads()
    sentences.matched("kinds of mediation_events", [each.value for each in AuditKind], audits)
    used = set().union(*journal.values(), *audits.values())
    sentences.matched("payload keys", used, keys)
    sentences.matched("kinds of mediation_events", audits, told["audit"])
    sentences.matched("kinds of journal", journal, told["journal"])
    return markdown.page(
        markdown.generated("the source and `tools/pages/words/events.toml`"),
        "# Events, states and messages",
        told["introduction"],
        *_states(told["text"]),
        *_trails(told, audits, journal),
        *_messages(told["text"]),
        "## Keys of payloads",
        told["text"]["keys"],
        markdown.table(("key", "meaning"), [(code(name), keys[name]) for name in sorted(keys)]),
    )


def _states(text: Mapping[str, str]) -> Iterator[str]:
    yield from ("## Lifecycle of a dispute", text["lifecycle"])
    yield _transitions("state", explained("lifecycle"), TRANSITIONS)
    yield from ("## Status at the node", text["dispute_status"], _plain("status", "dispute_status"))
    yield from ("## States of a mediation", text["session"])
    yield _transitions("state", explained("session"), SESSION_TRANSITIONS)


def _trails(
    told: Mapping[str, Any], audits: Mapping[str, set[str]], journal: Mapping[str, set[str]]
) -> Iterator[str]:
    text = told["text"]
    yield from ("## Audit trail of mediation", text["audit"])
    yield _kinds([each.value for each in AuditKind], told["audit"], audits)
    yield from ("## Journal", text["journal"], _kinds(journal, told["journal"], journal))
    yield from ("## Labels of the model", text["classification"])
    yield _plain("label", "classification")
    yield from ("## Why a human is asked", text["trigger"], _plain("trigger", "trigger"))
    yield from (text["reason"], _plain("reason", "reason"))
    yield from ("## Attempts to mediate", text["start"], _plain("trigger", "start"))
    yield from (text["stop"], _plain("reason", "stop"), text["verdict"])
    yield _plain("decision", "verdict")


def _messages(text: Mapping[str, str]) -> Iterator[str]:
    yield from ("## Notifications", text["notification"], _plain("type", "notification"))
    yield from ("## Outbox", text["purpose"], _plain("purpose", "purpose"))
    yield from (text["channel"], _plain("channel", "channel"))
    yield from (text["outbox"], _plain("state", "outbox"))
    yield from (text["target"], _plain("state", "target"))
    yield from (text["source"], _plain("source", "source"))
    yield from ("## Alerts", text["alert"], _plain("event", "alert"))
    yield from (text["alert_state"], _plain("state", "alert_state"))


def _plain(head: str, name: str) -> str:
    rows = [(code(value), text) for value, text in explained(name).items()]
    return markdown.table((head, "meaning"), rows)


def _transitions(head: str, told: Mapping[str, str], table: Mapping[Any, Any]) -> str:
    rows = [
        (code(state.value), told[state.value], ", ".join(code(each) for each in sorted(following)))
        for state, following in table.items()
    ]
    return markdown.table((head, "meaning", "may become"), rows)


def _kinds(order: Any, told: Mapping[str, str], payloads: Mapping[str, set[str]]) -> str:
    rows = [
        (code(kind), told[kind], ", ".join(code(each) for each in sorted(payloads[kind])))
        for kind in order
    ]
    return markdown.table(("kind", "meaning", "payload"), rows)
