"""What the tests of this room share: a fixed clock and process-wide logging put back."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from serbero.simulator.clock import FakeClock

START = 1_793_000_000.25
"""2026-10-26T07:33:20.250Z."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture(autouse=True)
def _logging_put_back() -> Iterator[None]:
    """Logging is configured for the whole process; no test may leave its own behind."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    structlog.reset_defaults()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
