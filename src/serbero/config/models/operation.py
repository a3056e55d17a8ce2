"""``[observe]``, ``[[alerts]]`` and ``[retention]``: what the operator sees, hears and keeps."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StrictInt, StrictStr

from serbero.config.addresses import listen_address
from serbero.config.models.base import Section
from serbero.model.alerts import AlertEvent


def _checked_listen(text: str) -> str:
    listen_address(text)
    return text.strip()


class ObserveSection(Section):
    """``[observe]``: what the operator sees."""

    http_listen: Annotated[StrictStr, AfterValidator(_checked_listen)] = Field(
        default="", description="host:port for /healthz, /readyz and /metrics; empty: off"
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto", description="auto: console on a terminal, json elsewhere"
    )
    min_hearing_relays: StrictInt = Field(
        ge=0, le=1000, default=1, description="with fewer relays hearing, the state is degraded"
    )

    @property
    def http_address(self) -> tuple[str, int] | None:
        """Host and port to listen on, or None when off."""
        return listen_address(self.http_listen)


class AlertEntry(Section):
    """``[[alerts]]``: a channel of the operator's own; needs the extra ``serbero[alerts]``."""

    name: Annotated[StrictStr, Field(max_length=40)] = Field(
        default="", description="what logs call this channel; empty: alerts- and its number"
    )
    url: SecretStr | None = Field(
        default=None,
        strict=True,
        description="where it is, as Apprise writes it: ntfys://..., tgram://..., matrixs://...",
    )
    # Not in repr: people paste the address itself here.
    url_env: StrictStr = Field(
        default="",
        repr=False,
        description="name of an environment variable that holds the address, instead of url",
    )
    events: tuple[AlertEvent, ...] = Field(
        default=tuple(AlertEvent),
        description="what it is told of: "
        + ", ".join(each.value for each in AlertEvent)
        + "; all, if left out",
    )


class RetentionSection(Section):
    """``[retention]``: how long what people wrote is kept."""

    closed_days: StrictInt = Field(
        ge=0,
        le=36_500,
        default=0,
        description="days after a dispute's end at which what was written in it is emptied;"
        " 0: never",
    )
