"""Each kind of damage is found by the check it belongs to, and by its row; a clean one has none."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store import played
from tests.store.damage import DAMAGES, Damage

from serbero.clock import SystemClock
from serbero.store import sqlite
from serbero.store.engine import run_once
from serbero.store.verification import CHECKS, Level, Verified, verify

T = TypeVar("T")


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return played.play(tmp_path_factory)


def look(path: Path, **how: Any) -> Verified:
    now = SystemClock().now()
    return run_once(path, lambda tx: verify(tx, now, **how))


def tamper(path: Path, harm: Callable[[Any], T]) -> T:
    raw = sqlite.driver.connect(str(path), isolation_level=None)
    try:
        raw.execute("PRAGMA foreign_keys = OFF").close()
        return harm(raw)
    finally:
        raw.close()


@pytest.mark.parametrize("story", played.STORIES)
def test_a_played_story_is_without_a_fault(stories: Path, tmp_path: Path, story: str) -> None:
    path = Path(shutil.copyfile(stories / f"{story}.db", tmp_path / "serbero.db"))
    found = look(path, deep=True)
    assert (found.findings, found.damage, found.notes) == ((), 0, 0)
    assert set(found.checked) == {each.name for each in CHECKS}
    [[dispute]] = tamper(
        path, lambda raw: raw.execute("SELECT dispute_id FROM disputes").fetchall()
    )
    one = look(path, dispute=dispute)
    assert (one.findings, one.skipped) == ((), ())
    assert set(one.checked) == {each.name for each in CHECKS if not each.whole}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda each: each.name)
def test_damage_is_found(stories: Path, tmp_path: Path, damage: Damage) -> None:
    path = Path(shutil.copyfile(stories / f"{damage.story}.db", tmp_path / "serbero.db"))
    row = tamper(path, damage.harm)
    named = None if row is None else str(row)
    found = look(path, deep=True)
    hits = [each for each in found.findings if (each.check, each.row) == (damage.check, named)]
    assert [each.level for each in hits] == [Level.DAMAGE], found.findings
    recent = look(path, deep=True, since=1)
    assert set(recent.findings) == {each for each in found.findings if each.check != "file"}
    [check] = [each for each in CHECKS if each.name == damage.check]
    if check.whole or hits[0].dispute_id is None:
        return
    dispute = hits[0].dispute_id
    alone = look(path, dispute=dispute).findings
    assert (damage.check, named) in [(each.check, each.row) for each in alone]


def test_there_is_damage_for_nearly_every_check() -> None:
    assert len(DAMAGES) >= 40
    untested = {each.name for each in CHECKS} - {each.check for each in DAMAGES}
    assert untested == {"file", "arrivals without events"}


def test_pages_that_were_overwritten_are_found(stories: Path, tmp_path: Path) -> None:
    path = Path(shutil.copyfile(stories / "escalation.db", tmp_path / "serbero.db"))
    query = "SELECT rootpage FROM sqlite_master WHERE name = 'idx_notifications_dispute_id'"
    [[page]] = tamper(path, lambda raw: raw.execute(query).fetchall())
    [[size]] = tamper(path, lambda raw: raw.execute("PRAGMA page_size").fetchall())
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    found = look(path)
    assert "file" in {each.check for each in found.findings}
    assert found.damage >= len(found.findings) > 0


TABLES = (
    "disputes",
    "notifications",
    "dispute_state_transitions",
    "mediation_sessions",
    "mediation_messages",
    "mediation_events",
    "reasoning_rationales",
    "escalation_dispatches",
    "journal",
    "outbox",
    "revisions",
    "takes",
    "ladders",
    "prompt_bundles",
    "schema_version",
)
CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=12),
    st.text(max_size=12),
    st.sampled_from(["{", "[]", '{"a":' * 2000, '{"dispute_id": 5}', "[[1]]", "1e999", "\x1b[2J"]),
    # A text that is not UTF-8, as another program may leave it.
    st.just(b"\xff\xfe{"),
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    table=st.sampled_from(TABLES),
    pick=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
    cell=CELLS,
    as_text=st.booleans(),
)
def test_any_value_in_any_cell_is_survived(
    stories: Path,
    tmp_path: Path,
    table: str,
    pick: tuple[int, int],
    cell: object,
    as_text: bool,
) -> None:
    """Rows may be written by hand: verifying ends with a report, whatever stands in them."""
    path = Path(shutil.copyfile(stories / "escalation.db", tmp_path / "serbero.db"))

    def harm(raw: Any) -> None:
        names = [name for _, name, *_ in raw.execute(f"PRAGMA table_info({table})")]
        column = names[pick[0] % len(names)]
        value = "CAST(? AS TEXT)" if as_text and isinstance(cell, bytes) else "?"
        [[many]] = raw.execute(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608
        try:
            raw.execute(
                f"UPDATE {table} SET {column} = {value} WHERE rowid ="  # noqa: S608
                f" (SELECT rowid FROM {table} LIMIT 1 OFFSET {pick[1] % max(1, many)})",
                (cell,),
            )
        except sqlite.driver.IntegrityError:
            return  # the table refuses it: nothing to find

    tamper(path, harm)
    found = look(path, deep=True)
    assert found.damage + found.notes >= len(found.findings)
    assert all(len(each.found) < 200 for each in found.findings)
    disputes = tamper(path, lambda raw: raw.execute("SELECT dispute_id FROM journal").fetchall())
    [dispute, *_] = [each for (each,) in disputes if isinstance(each, str)]
    look(path, dispute=dispute)
