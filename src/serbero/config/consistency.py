"""Warnings of values that are fine alone and do nothing, or too little, together.

A section that is None did not validate: that was told already, and nothing is said here.
"""

from collections.abc import Iterator, Sequence, Sized

from serbero.config.models import (
    DeliverySection,
    EscalationSection,
    MediationSection,
    ObserveSection,
    ReasoningSection,
)
from serbero.config.problems import Problem
from serbero.model.ladder import Policy
from serbero.model.people import Permission, Solver


def of_delivery(section: DeliverySection | None) -> Iterator[Problem]:
    """Yield times of delivery that contradict each other."""
    if section is None:
        return
    if section.backoff_max_seconds < section.backoff_initial_seconds:
        message = "smaller than backoff_initial_seconds; every wait will be this long"
        yield Problem("delivery", "backoff_max_seconds", message, "raise it")
    if section.deadline_seconds > section.expiration_days * 86_400:
        message = "later than expiration_days; relays may delete what is still being sent"
        yield Problem("delivery", "deadline_seconds", message, "lower it")


def of_relays(section: ObserveSection | None, relays: Sized) -> Iterator[Problem]:
    """Yield a wish for more relays than there are."""
    if section and relays and section.min_hearing_relays > len(relays):
        message = f"more than the {len(relays)} configured; the state would stay degraded"
        yield Problem("observe", "min_hearing_relays", message, "lower it")


def of_escalation(
    section: EscalationSection | None, solvers: Sequence[Solver], ladder: Policy | None
) -> Iterator[Problem]:
    """Yield what keeps reminders from beginning, or from ending.

    Args:
        section: ``[escalation]``.
        solvers: everybody configured.
        ladder: ``[[escalation.steps]]``; None where there are none.
    """
    if section is None:
        return
    if section.acknowledge and not section.enabled:
        message = "reminders begin with a dispatched hand-off, and none is dispatched"
        remedy = "set [escalation].enabled = true as well"
        yield Problem("escalation", "acknowledge", message, remedy)
    if section.acknowledge and not any(
        each.reachable and each.permission is Permission.WRITE for each in solvers
    ):
        message = 'nobody may say `ack`: it takes a solver with permission = "write"'
        remedy = "give the permission to whoever has it at the node"
        yield Problem("escalation", "acknowledge", message, remedy)
    if ladder is not None and not section.acknowledge:
        message = "nobody is reminded while [escalation].acknowledge is off"
        yield Problem("escalation.steps", "", message, "switch it on")


def of_mediation(
    mediation: MediationSection | None, reasoning: ReasoningSection | None
) -> Iterator[Problem]:
    """Yield that one of the two is on without the other: mediation needs both."""
    if mediation is None or reasoning is None or mediation.enabled == reasoning.enabled:
        return
    if mediation.enabled:
        message = "mediation stays off: it needs [reasoning].enabled = true as well"
        remedy = "set that too, or this to false; disputes are told of anyway"
        yield Problem("mediation", "enabled", message, remedy)
    else:
        message = "the daemon asks no model: mediation is off ([mediation].enabled = false)"
        remedy = "set that to true, or this to false; disputes are told of anyway"
        yield Problem("reasoning", "enabled", message, remedy)
