"""Databases of stories that were played with everything real, once for all tests of a run."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

STORIES = ("escalation", "cooperative")


def play(factory: pytest.TempPathFactory) -> Path:
    """The folder with a database a story, played unless another worker of this run did."""
    base = factory.getbasetemp()
    run = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = run / "played"
    with (run / "played.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            half = run / "half-played"
            half.mkdir()
            _play_all(half)
            half.rename(folder)
    return folder


def _play_all(folder: Path) -> None:
    """All stories at once: they mostly wait."""
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SERBERO_")}
    running = {}
    for story in STORIES:
        kept = folder / f"kept-{story}"
        command = (sys.executable, "-m", "serbero", "demo", "--scenario", story)
        running[story] = subprocess.Popen(
            [*command, "--keep", str(kept)],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    for story, process in running.items():
        told, _ = process.communicate(timeout=100)
        assert process.returncode == 0, told
        shutil.copyfile(folder / f"kept-{story}" / "serbero.db", folder / f"{story}.db")
