"""The two sides of a trade."""

from enum import StrEnum


class Party(StrEnum):
    """A side; the value is what stands in databases and texts."""

    BUYER = "buyer"
    SELLER = "seller"

    @property
    def other(self) -> "Party":
        """The other side."""
        return Party.SELLER if self is Party.BUYER else Party.BUYER
