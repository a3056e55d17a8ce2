"""What tests of commands stand on: a place of their own, a database, and one of years."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.large_database import make
from tests.store.rig import Database

MANY = 20_000
"""Disputes in every run; ten messages each. What is counted is the same with more."""
MOST = 100_000


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty directory, without what the developer's environment says of Serbero."""
    for name in [each for each in os.environ if each.startswith("SERBERO_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """``serbero.db`` of this version, with nothing in it yet."""
    opened = Database(tmp_path / "serbero.db")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def large_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A database of 20,000 disputes and 200,000 messages, to be read and never written."""
    yield from _shared(tmp_path_factory, MANY)


@pytest.fixture(scope="session")
def largest_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same of 100,000 and 1,000,000: 1.6 GB and 20 s, for the soak."""
    yield from _shared(tmp_path_factory, MOST)


def _shared(factory: pytest.TempPathFactory, many: int) -> Iterator[Path]:
    """Make it unless another worker of this run did; the last one to leave removes it."""
    base = factory.getbasetemp()
    run = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = run / f"large-{many}"
    mine = folder / f"used-by-{os.getpid()}"
    with _locked(run / f"large-{many}.lock"):
        folder.mkdir(exist_ok=True)
        path = folder / "serbero.db"
        if not path.exists():
            make(folder / "half-made.db", many).rename(path)
        mine.touch()
    yield path
    with _locked(run / f"large-{many}.lock"):
        mine.unlink()
        if not any(folder.glob("used-by-*")):
            shutil.rmtree(folder)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
