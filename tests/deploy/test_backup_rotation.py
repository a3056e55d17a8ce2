"""The nightly backup's program, with the real command and a real database."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.deploy.places import SYSTEMD

from serbero.store.engine import Store

SCRIPT = SYSTEMD / "serbero-backup"
SERBERO = Path(sys.executable).with_name("serbero")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "SERBERO": str(SERBERO), "SERBERO_DB_PATH": str(folder / "serbero.db")}
    return subprocess.run(
        [SCRIPT, *arguments], env=environ, cwd=folder, capture_output=True, text=True, check=False
    )


def earlier(folder: Path, count: int) -> list[str]:
    """Make so many backups of earlier nights; return their names, oldest first."""
    folder.mkdir()
    names = [f"serbero-2026-01-{day:02}T033000Z.db" for day in range(1, count + 1)]
    for name in names:
        (folder / name).write_bytes(b"a night's")
    return names


def test_a_night_adds_one_and_removes_the_oldest(tmp_path: Path) -> None:
    Store.open(tmp_path / "serbero.db", 1_700_000_000).close()
    kept = tmp_path / "backups"
    names = earlier(kept, 14)
    (kept / "serbero-before-upgrade.db").write_bytes(b"somebody's own")
    done = run(tmp_path, str(kept))
    assert done.returncode == 0, done.stderr
    there = sorted(each.name for each in kept.iterdir())
    [new] = set(there) - {*names, "serbero-before-upgrade.db"}
    assert there == sorted([*names[1:], "serbero-before-upgrade.db", new])
    Store.open(kept / new, 1_700_000_000).close()
    assert (kept / new).stat().st_mode & 0o777 == 0o600


def test_a_failure_removes_nothing(tmp_path: Path) -> None:
    """No database: the last good backups are worth the more."""
    kept = tmp_path / "backups"
    names = earlier(kept, 3)
    done = run(tmp_path, str(kept), "1")
    assert done.returncode == 1
    assert "serbero.db" in done.stderr
    assert sorted(each.name for each in kept.iterdir()) == names


@pytest.mark.parametrize(
    "arguments", [(), ("",), ("kept", "0"), ("kept", "two"), ("kept", "-1"), ("kept", "1", "more")]
)
def test_wrong_usage_touches_nothing(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert "expected DIRECTORY" in done.stderr
    assert not list(tmp_path.iterdir())
