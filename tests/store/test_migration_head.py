"""A database that stands at the newest revision is opened without Alembic; others with it."""

import subprocess
import sys
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from serbero.store import migrations

_OPEN = """
import sys
from pathlib import Path
from serbero.store.engine import Store
Store.open(Path(sys.argv[1]), 1_700_000_000).close()
print("alembic" in sys.modules)
"""


def _open_elsewhere(path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _OPEN, str(path)], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_head_named_is_the_head_there_is() -> None:
    config = Config()
    config.set_main_option("script_location", "serbero.store:migrations")
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [migrations.HEAD]


def test_alembic_is_loaded_only_to_migrate(tmp_path: Path) -> None:
    path = tmp_path / "serbero.db"
    assert _open_elsewhere(path) == "True"
    assert _open_elsewhere(path) == "False"
