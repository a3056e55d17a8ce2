"""What all sections share: the frozen base, the kinds of numbers, spans in seconds."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, Strict

LARGEST_INTEGER: Final = 2**63 - 1
"""TOML integers end here, so the reference's unsigned 64-bit keys do as well."""

DAY_SECONDS: Final = 86_400
YEAR_SECONDS: Final = 365 * DAY_SECONDS

Count = Annotated[int, Strict(), Field(ge=0, le=LARGEST_INTEGER)]
"""The reference's unsigned 64-bit integer."""

Count32 = Annotated[int, Strict(), Field(ge=0, le=2**32 - 1)]
"""The reference's unsigned 32-bit integer."""


class Section(BaseModel):
    """What all sections share: frozen, unknown keys left to the loader, which warns."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


def lower_case(value: object) -> object:
    """Take ``Write`` for ``write``: the reference's own documents show both."""
    return value.strip().lower() if isinstance(value, str) else value
