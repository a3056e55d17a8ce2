"""What every test leaves behind for the next one in its process: nothing."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A command that is called in this process sets up logging for itself alone."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
