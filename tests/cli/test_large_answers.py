"""Limits, long texts and terminals that can do little: no command fails or floods on them."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from tests.migrated import provide

from serbero.cli.audit.verify import Progress
from serbero.cli.page import word


class Terminal(io.StringIO):
    """A stream that somebody watches."""

    def isatty(self) -> bool:
        return True


def test_a_limit_no_database_can_count_to_is_refused(tmp_path: Path) -> None:
    provide(tmp_path / "serbero.db")
    command = [sys.executable, "-m", "serbero", "disputes", "list", "--limit", "9" * 20]
    done = subprocess.run(
        [*command, "--db", str(tmp_path / "serbero.db")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--limit" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("key", ["ab" * 32, "npub1" + "q" * 58, "nsec1" + "q" * 58])
def test_of_a_long_text_the_beginning_is_shown_and_never_half_a_key(key: str) -> None:
    assert word("w" * 1_000_000) == "w" * 120 + "…"
    for blanks in range(4096 - len(key), 4100):
        assert key[:14] not in word(" " * blanks + key + " w" * 1000)


@pytest.mark.parametrize(("kind", "controls"), [("dumb", False), ("xterm", True)])
def test_progress_drives_no_dumb_terminal(
    monkeypatch: pytest.MonkeyPatch, kind: str, controls: bool
) -> None:
    monkeypatch.setenv("TERM", kind)
    stream = Terminal()
    progress = Progress(stream)
    progress.tell("references", 1, 2)
    progress.end()
    assert ("\x1b" in stream.getvalue()) is controls
