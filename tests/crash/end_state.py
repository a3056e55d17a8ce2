"""What a run leaves behind, in words that two runs share: random ids named, times set aside."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from serbero.store.schema import outbox, outbox_wraps

_ELAPSED = re.compile(r"(time_elapsed_seconds: )\d+")
_TIMES = re.compile(r"^(at|last_state_change|.*_(at|ms|timestamp))$")
_DATED = {("chat_cursors", "cursor"), ("node_info", "info_json")}
"""Columns that are a time, or hold one, by another name."""

Named = tuple[tuple[str, object], ...]
"""One row, column to value."""


@dataclass(frozen=True)
class EndState:
    """Everything two runs of one story must agree on.

    Attributes:
        tables: every table, its rows as a multiset.
        messages: (relay, recipient, channel, text), as the relays hold them.
    """

    tables: Mapping[str, Counter[Named]]
    messages: Counter[tuple[str, str, str, str]]

    def difference(self, other: "EndState") -> str:
        """What this one has more (+) or less (-) than the other; empty if they agree."""
        lines = []
        for table in sorted(self.tables.keys() | other.tables.keys()):
            ours, theirs = (each.tables.get(table, Counter()) for each in (self, other))
            lines += [f"+ {table}: {dict(row)}" for row in (ours - theirs).elements()]
            lines += [f"- {table}: {dict(row)}" for row in (theirs - ours).elements()]
        lines += [f"+ held: {each}" for each in (self.messages - other.messages).elements()]
        lines += [f"- held: {each}" for each in (other.messages - self.messages).elements()]
        return "\n".join(lines)


def without_times(text: str) -> str:
    """A message's text without the seconds it counts."""
    return _ELAPSED.sub(r"\1N", text)


class Names:
    """Gives every random string of a run the name it has in every run."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = dict(names)

    def learn(self, tx: sa.Connection) -> None:
        """Name rumors by purpose and recipient, wraps by their rumor and their order."""
        rumors = tx.execute(
            sa.select(outbox.c.id, outbox.c.rumor_id, outbox.c.purpose, outbox.c.recipient)
        )
        of = {}
        for row in rumors:
            of[row.id] = f"<{row.purpose} to {self.of(row.recipient)}>"
            self._names[row.rumor_id] = of[row.id]
        order: Counter[int] = Counter()
        wraps = tx.execute(
            sa.select(outbox_wraps.c.event_id, outbox_wraps.c.outbox_id).order_by(
                outbox_wraps.c.created_at
            )
        )
        for wrap in wraps:
            order[wrap.outbox_id] += 1
            self._names[wrap.event_id] = f"<wrap {order[wrap.outbox_id]} of {of[wrap.outbox_id]}>"

    def of(self, text: str) -> str:
        """``text`` with what is random named."""
        for random, name in self._names.items():
            text = text.replace(random, name)
        return text


def dump(tx: sa.Connection, names: Names) -> dict[str, Counter[Named]]:
    """Every row of every table, comparable between runs.

    Row numbers are left out, but rows that point at an outbox row name it, and the history's
    rows keep their order. A time counts as set or not set.
    """
    names.learn(tx)
    tables = tx.exec_driver_sql(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    messages = {
        row.id: names.of(row.dedupe_key)
        for row in tx.execute(sa.select(outbox.c.id, outbox.c.dedupe_key))
    }
    return {table: _dump_table(tx, table, names, messages) for (table,) in tables.all()}


def _dump_table(
    tx: sa.Connection, table: str, names: Names, messages: Mapping[int, str]
) -> Counter[Named]:
    rows = tx.exec_driver_sql(f"SELECT * FROM {table}").mappings().all()  # noqa: S608
    history = table == "dispute_state_transitions"
    if history:
        rows = sorted(rows, key=lambda row: row["id"])
    found: Counter[Named] = Counter()
    for place, row in enumerate(rows):
        values: dict[str, object] = {"place": place} if history else {}
        for column, value in row.items():
            if column == "id":
                continue
            if column == "outbox_id":
                values[column] = messages[value]
            elif table == "cursors" and column == "value":
                values[column] = value if row["name"] == "reference_transitions" else "set"
            elif (table, column) in _DATED or _TIMES.match(column):
                values[column] = value if value is None else "set"
            elif column == "event_json":
                values[column] = names.of(json.loads(value)["id"])
            elif column == "rumor_json":
                values[column] = _rumor(value, names)
            else:
                values[column] = names.of(value) if isinstance(value, str) else value
        found[tuple(values.items())] += 1
    return found


def _rumor(text: str, names: Names) -> str:
    rumor = json.loads(text)
    del rumor["created_at"]
    rumor["content"] = without_times(rumor["content"])
    # What a party is told is signed, and random in one tag so that its id is nobody's guess.
    rumor.pop("sig", None)
    rumor["tags"] = [tag for tag in rumor["tags"] if tag[0] != "u"]
    return names.of(json.dumps(rumor, sort_keys=True))
