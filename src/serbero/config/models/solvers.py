"""``[[solvers]]`` and ``[timeouts]``: who is told of disputes, and when again."""

from typing import Annotated

from pydantic import BeforeValidator, Field, Strict, StrictStr

from serbero.config.models.base import Count, Section, lower_case
from serbero.model.people import Permission, Via


class SolverEntry(Section):
    """``[[solvers]]``: one human to notify."""

    pubkey: StrictStr = Field(description="the solver's public key, hex or npub")
    permission: Annotated[Permission, BeforeValidator(lower_case)] = Field(
        default=Permission.READ, description="what the node lets this solver do: read or write"
    )
    relays: tuple[StrictStr, ...] = Field(
        default=(), description="the solver's inbox relays; empty: looked up (kind 10050)"
    )
    via: Annotated[Via, BeforeValidator(lower_case)] = Field(
        default=Via.NIP17,
        description="how messages reach this solver: nip17, mostro (Mostro's own clients) or both",
    )
    name: StrictStr = Field(default="", description="what the others call this solver")
    groups: tuple[StrictStr, ...] = Field(
        default=(), description="groups that a step of [[escalation.steps]] may name"
    )
    timezone: StrictStr = Field(
        default="UTC", description="of quiet and on_call, such as America/Buenos_Aires"
    )
    quiet: StrictStr = Field(
        default="",
        description="a daily span such as 22:00-07:00 in which what can wait waits; empty: none",
    )
    on_call: tuple[StrictStr, ...] = Field(
        default=(), description="ISO weeks such as 2026-W48 of this solver's duty; empty: always"
    )


class TimeoutsSection(Section):
    """``[timeouts]``: when what nobody took is told again."""

    renotification_seconds: Count = Field(
        default=300, description="how long a dispute may stay unattended before solvers hear again"
    )
    renotification_check_interval_seconds: Count = Field(
        default=60, description="how often that is looked at; 0 counts as 1"
    )
    renotification_backoff: Annotated[float, Strict(), Field(ge=1, le=100, allow_inf_nan=False)] = (
        Field(default=1.0, description="factor by which the interval grows with each reminder")
    )

    @property
    def check_seconds(self) -> int:
        """The interval of the check, at least one second."""
        return max(1, self.renotification_check_interval_seconds)
