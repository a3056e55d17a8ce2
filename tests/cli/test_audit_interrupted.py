"""Ctrl-C at a long look into the database ends it at once, though SQLite is at work."""

import signal
import sys
from pathlib import Path

import pexpect
import pytest

# From Python 3.12 a fork beside threads warns; the test runner has threads, pexpect forks.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def test_an_interruption_ends_a_look_at_once(large_database: Path) -> None:
    command = ["-m", "serbero", "audit", "verify", "--db", str(large_database)]
    child = pexpect.spawn(sys.executable, command, timeout=100)
    child.expect("1 of ")
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    # By the signal itself: Python's own handler runs only when SQLite has finished.
    assert (child.signalstatus, child.exitstatus) == (signal.SIGINT, None)
    assert b"Traceback" not in child.before
