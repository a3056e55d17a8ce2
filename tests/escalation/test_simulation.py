"""A thousand disputes at random, every message of theirs judged; ten thousand in the soak."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.escalation import simulation
from tests.escalation.oracle import Objection
from tests.escalation.simulation import DISPUTES, live

from serbero.escalation import digest, ladder_records
from serbero.intake import announcing
from serbero.model.ladder import Policy
from serbero.store import acknowledgements, held, ladders

SEEDS = 1_000 // DISPUTES
SOAK = 10_000 // DISPUTES


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_seed(seed: int, tmp_path: Path) -> None:
    world = live(seed, tmp_path)
    assert len(world.stage.sent) > DISPUTES


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1_000, 1_000 + SOAK))
def test_a_seed_of_many(seed: int, tmp_path: Path) -> None:
    live(seed, tmp_path)


def _never(*_: object, **__: object) -> bool:
    return False


def _nothing(*_: object, **__: object) -> int:
    return 0


def _later(self: Policy, started_at: int, taken: int, now: int) -> int:
    del started_at, taken
    return now + 7200


def _all(solvers: Any, _now: int) -> tuple[Any, ...]:
    return tuple(solvers)


FAULTS: dict[str, tuple[object, str, Callable[..., Any]]] = {
    "sleepers are reminded": (ladder_records, "is_quiet", _never),
    "sleepers are told of everything": (announcing, "is_quiet", _never),
    "weeks are forgotten": (ladder_records, "on_duty", _all),
    "snoozes are forgotten": (ladders, "snoozing", lambda *_: frozenset()),
    "mutes are forgotten": (ladders, "muted", lambda *_: {}),
    "steps come late": (Policy, "next_at", _later),
    "what is untrue is told": (held, "settle", _nothing),
    "a digest is told again": (held, "take", _nothing),
    "a digest is lost": (digest, "announce", _nothing),
    "who has it is forgotten": (acknowledgements, "counting", lambda *_: None),
    "nothing runs out": (acknowledgements, "lapsed", lambda *_: None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, instead = FAULTS[fault]
    monkeypatch.setattr(where, name, instead)
    with pytest.raises(Objection, match=r"replay with: python -m tests\.escalation\.simulation \d"):
        some_seeds(tmp_path)


def some_seeds(folder: Path) -> None:
    for seed in range(12):
        place = folder / str(seed)
        place.mkdir()
        live(seed, place)


def test_the_same_seed_is_the_same_story(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    assert live(7, first, 5).stage.sent == live(7, second, 5).stage.sent


def test_a_sparing_look_is_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at every chance finds what looking when it matters finds."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    spared = live(3, tmp_path / "a", 4).stage.sent
    monkeypatch.delattr(simulation.Sparing, "next_sweep")
    assert live(3, tmp_path / "b", 4).stage.sent == spared
