"""Daemons are begun by a nursery, where there is one."""

import sys
from collections.abc import Iterator

import pytest
from tests.crash import household, nursery


@pytest.fixture(scope="session", autouse=True)
def quick_starts() -> Iterator[None]:
    """Spare each life its imports; where Linux is missing, each pays for them."""
    if sys.platform != "linux":
        yield
        return
    with nursery.running() as place:
        household.NURSERY.append(place)
        yield
        household.NURSERY.clear()
