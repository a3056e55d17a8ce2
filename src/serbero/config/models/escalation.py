"""``[escalation]`` and ``[[escalation.steps]]``: handing over, until a human has it."""

from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool, StrictInt, StrictStr

from serbero.config.models.base import DAY_SECONDS, Count, Section


def _positive_dispatch(value: int) -> int:
    """Refuse 0 in the reference's words, also when the section is off."""
    if value == 0:
        raise ValueError(
            "configuration error: [escalation].dispatch_interval_seconds"
            " must be a positive integer (got 0)"
        )
    return value


class EscalationSection(Section):
    """``[escalation]``: handing prepared disputes to humans."""

    enabled: StrictBool = Field(default=False, description="dispatch prepared hand-offs")
    dispatch_interval_seconds: Annotated[Count, AfterValidator(_positive_dispatch)] = Field(
        default=30, description="how often hand-offs are looked for; at least 1"
    )
    fallback_to_all_solvers: StrictBool = Field(
        default=False, description="without a write solver, hand over to every solver"
    )
    max_handoff_age_seconds: Count = Field(
        default=0, description="older hand-offs are not dispatched any more; 0: however old"
    )
    acknowledge: StrictBool = Field(
        default=False, description="remind until a solver says `ack` or somebody takes the dispute"
    )
    acknowledge_lease_seconds: StrictInt = Field(
        ge=60,
        le=DAY_SECONDS,
        default=900,
        description="how long an `ack` counts while nobody takes the dispute at the node",
    )
    deadline_warnings: StrictBool = Field(
        default=False, description="warn 12 h, 6 h, 2 h and 30 min before the escrow ends"
    )
    escrow_margin_blocks: StrictInt = Field(
        ge=0,
        le=10_000,
        default=24,
        description="blocks before the escrow's lock runs out at which it counts as over",
    )


class StepEntry(Section):
    """``[[escalation.steps]]``: who is reminded when; without any, a default ladder."""

    after_seconds: StrictInt = Field(
        ge=1, le=30 * DAY_SECONDS, description="from the hand-off to this reminder"
    )
    to: StrictStr = Field(
        description="assigned, writers, everyone, solver:NAME or group:NAME",
    )
