"""SIGINT at ``serbero`` while it still loads: it leaves without a word, having begun nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HOOK = """
import os, signal, sys

class Interruption:
    def find_spec(self, name, path=None, target=None):
        if name == os.environ["INTERRUPTED_AT"]:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)

ignored = os.environ["INTERRUPTIONS"] == "ignored"
signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
sys.meta_path.insert(0, Interruption())
"""
"""The interpreter's own start hook: interrupts when a module is about to be loaded.

What SIGINT does is set as well, since the runner of the tests may have inherited either.
"""

OF_EVERY_COMMAND = ("typer", "serbero.cli.run")
OF_LONG_ONES = ("nostr_sdk", "sqlalchemy")
OF_THE_DEMO = ("serbero.cli.demo_screen", "serbero.simulator.demo_plan", "serbero.simulator.demo")


def interrupted_at(
    module: str, folder: Path, *arguments: str, interruptions: str = "heeded"
) -> subprocess.CompletedProcess[str]:
    """Run the command line, interrupted where ``module`` is loaded."""
    (site := folder / "site").mkdir()
    (scratch := folder / "scratch").mkdir()
    (site / "sitecustomize.py").write_text(HOOK)
    return subprocess.run(
        [sys.executable, "-m", "serbero", *arguments],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        env={
            **os.environ,
            "PYTHONPATH": str(site),
            "INTERRUPTED_AT": module,
            "INTERRUPTIONS": interruptions,
            "TMPDIR": str(scratch),
        },
    )


@pytest.mark.parametrize(
    ("command", "module"),
    [
        *((command, each) for command in ("demo", "doctor") for each in OF_EVERY_COMMAND),
        *((command, each) for command in ("demo", "doctor", "run") for each in OF_LONG_ONES),
        *(("--version", each) for each in OF_EVERY_COMMAND),
    ],
)
def test_nothing_is_said_and_the_code_tells(command: str, module: str, tmp_path: Path) -> None:
    done = interrupted_at(module, tmp_path, command)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("module", OF_THE_DEMO)
def test_a_demo_that_loads_its_stage_leaves_nothing_behind(module: str, tmp_path: Path) -> None:
    done = interrupted_at(module, tmp_path, "demo")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_who_ignores_interruptions_goes_on_ignoring_them(tmp_path: Path) -> None:
    """As a shell makes what it runs in the background."""
    done = interrupted_at("typer", tmp_path, "--version", interruptions="ignored")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("serbero ")
