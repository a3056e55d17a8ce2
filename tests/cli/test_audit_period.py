"""``serbero audit verify --since`` as an operator types it."""

import json
from pathlib import Path

import pytest
from tests.store.mediation_rig import hold
from tests.store.rig import Database
from typer.testing import CliRunner, Result

from serbero.cli.app import app
from serbero.clock import SystemClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    database = Database(tmp_path / "serbero.db")
    hold(database, 1, SystemClock().now() - 600)
    database.close()
    return tmp_path / "serbero.db"


def run(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", "verify", "--db", str(path), *arguments])


def test_a_period_is_named_with_what_it_touched(path: Path) -> None:
    now = SystemClock().now()
    for since, touched in (("2d", 1), ("2099-01-01", 0)):
        done = run(path, "--since", since, "--json")
        found = json.loads(done.stdout)
        assert found["disputes_touched"] == touched
        assert found["dispute_id"] is None
        assert "file" not in found["checked"]
        assert "row numbers" in found["checked"]
    found = json.loads(run(path, "--since", "2d", "--json").stdout)
    assert abs(found["since"] - (now - 2 * 86_400)) < 60
    assert "of the 1 dispute touched since 20" in run(path, "--since", "2d").stdout
    whole = json.loads(run(path, "--json").stdout)
    assert (whole["since"], whole["disputes_touched"]) == (None, None)


def test_a_period_of_one_dispute_is_refused(path: Path) -> None:
    done = run(path, "--since", "2d", "--dispute", "00000000")
    assert done.exit_code == 2
    assert "leave out --since or --dispute" in " ".join(done.stderr.split())
    assert run(path, "--since", "soon").exit_code == 2
