"""What holds for every test: no limit of time but the run's own, and nothing left for the next."""

import signal
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

# A busy machine is no fault of the code: Hypothesis counts examples here, not milliseconds.
settings.register_profile("serbero", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("serbero")

# A shell lets what it starts in the background ignore Ctrl-C, and so would every process that a
# test starts, and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command that is called in this process sets up logging for itself alone."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
