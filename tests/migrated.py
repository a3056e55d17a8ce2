"""A migrated database for tests that are not about migrating: climbed once, then copied."""

import functools
import tempfile
from pathlib import Path

from serbero.store import sqlite
from serbero.store.migrate import migrate


def provide(path: Path) -> None:
    """Let ``path`` be what a first start finds after migrating; a file that is there stays."""
    if not path.exists():
        sqlite.create_file(path)
        path.write_bytes(_template())


@functools.cache
def _template() -> bytes:
    """An empty database in the newest form, as its file."""
    with tempfile.TemporaryDirectory(prefix="migrated-") as folder:
        path = Path(folder) / "serbero.db"
        sqlite.create_file(path)
        engine = sqlite.connect_writer(path)
        with engine.begin() as tx:
            migrate(tx, path)
        engine.dispose()  # the last connection moves the log into the file
        assert [each.name for each in Path(folder).iterdir()] == [path.name]
        return path.read_bytes()
