"""``[serbero]`` and ``[identity]``: who we are, here and to clients."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr, StrictBool, StrictStr

from serbero.config.models.base import Section

DEFAULT_DATABASE: Final = "serbero.db"
"""In the working directory."""


def _printable_path(text: str) -> str:
    path = text.strip()
    if not path or "\0" in path:
        raise ValueError("expected the path of a file, found nothing")
    return path


class SerberoSection(Section):
    """``[serbero]``: who we are and where we keep what we know."""

    private_key: SecretStr | None = Field(
        default=None,
        strict=True,
        description="Serbero's own secret key, hex or nsec; better given by the environment",
    )
    db_path: Annotated[StrictStr, AfterValidator(_printable_path)] = Field(
        default=DEFAULT_DATABASE, description="the SQLite file, created if missing"
    )
    log_level: StrictStr = Field(
        default="info",
        description="error, warn, info, debug or trace, or a filter such as serbero=debug",
    )


class IdentitySection(Section):
    """``[identity]``: how Serbero appears to clients."""

    publish: StrictBool = Field(
        default=False, description="publish a profile (kind 0) and inbox relays (kind 10050)"
    )
    name: Annotated[StrictStr, Field(max_length=100)] = Field(
        default="Serbero", description="the profile's name"
    )
    about: Annotated[StrictStr, Field(max_length=1000)] = Field(
        default="Automated dispute assistant of a Mostro node. Humans decide.",
        description="the profile's text",
    )
