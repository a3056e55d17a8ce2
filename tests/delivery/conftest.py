"""A migrated database in a folder of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.store.rig import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "serbero.db")
    yield opened
    opened.close()
