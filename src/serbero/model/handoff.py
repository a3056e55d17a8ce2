"""The package a human goes on from, and who gets it. Pure."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from serbero.model.people import Permission, Solver

UNKNOWN_DISPUTE: Final = "unknown"
"""Stands for the dispute of a package that does not say it."""


@dataclass(frozen=True, slots=True)
class HandoffPackage:
    """What ``handoff_prepared`` holds, in the reference's order of keys.

    Attributes:
        session_id: None for a dispute that had no session.
        assembled_at: Unix seconds.
    """

    dispute_id: str
    session_id: str | None
    trigger: str
    evidence_refs: tuple[str, ...]
    prompt_bundle_id: str
    policy_hash: str
    rationale_refs: tuple[str, ...]
    assembled_at: int


@dataclass(frozen=True, slots=True)
class BadPackage:
    """A payload that is no package.

    Attributes:
        dispute_id: as far as it can be read, else :data:`UNKNOWN_DISPUTE`.
        detail: why, without repeating what stands there.
    """

    dispute_id: str
    detail: str


def read_package(text: str) -> HandoffPackage | BadPackage:
    """Read a stored payload; another program or a hand may have written it.

    Unknown keys are ignored; an absent and a null ``session_id`` mean the same.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return BadPackage(UNKNOWN_DISPUTE, "expected JSON")
    if not isinstance(value, dict):
        return BadPackage(UNKNOWN_DISPUTE, "expected an object")
    named = value.get("dispute_id")
    dispute_id = named if isinstance(named, str) else UNKNOWN_DISPUTE
    for key in ("dispute_id", "trigger", "prompt_bundle_id", "policy_hash"):
        if not isinstance(value.get(key), str):
            return BadPackage(dispute_id, f"expected a string: {key}")
    session_id = value.get("session_id")
    if session_id is not None and not isinstance(session_id, str):
        return BadPackage(dispute_id, "expected a string or null: session_id")
    for key in ("evidence_refs", "rationale_refs"):
        refs = value.get(key)
        if not isinstance(refs, list) or not all(isinstance(each, str) for each in refs):
            return BadPackage(dispute_id, f"expected a list of strings: {key}")
    at = value.get("assembled_at")
    if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at < 2**63:
        return BadPackage(dispute_id, "expected Unix seconds: assembled_at")
    return HandoffPackage(
        dispute_id=dispute_id,
        session_id=session_id,
        trigger=value["trigger"],
        evidence_refs=tuple(value["evidence_refs"]),
        prompt_bundle_id=value["prompt_bundle_id"],
        policy_hash=value["policy_hash"],
        rationale_refs=tuple(value["rationale_refs"]),
        assembled_at=at,
    )


@dataclass(frozen=True, slots=True)
class HandoffRoute:
    """Who gets a hand-off.

    Attributes:
        recipients: in the order of the configuration; those who cannot be reached included.
        fallback: whether they are all solvers for want of one who may write.
    """

    recipients: tuple[Solver, ...]
    fallback: bool = False

    @property
    def routable(self) -> bool:
        """Whether there is anybody."""
        return bool(self.recipients)


def route_handoff(
    solvers: Sequence[Solver], assigned: str | None, *, fallback_to_all: bool
) -> HandoffRoute:
    """Return who gets a hand-off: the first rule that applies.

    The assigned solver if it may write; else every solver who may; else, where the configuration
    says so, every solver.

    Args:
        solvers: as configured.
        assigned: who holds the dispute, as hex; None where nobody knows.
        fallback_to_all: ``[escalation].fallback_to_all_solvers``.
    """
    writers = tuple(each for each in solvers if each.permission is Permission.WRITE)
    if assigned is not None:
        his = tuple(each for each in writers if each.hex == assigned.strip().lower())
        if his:
            return HandoffRoute(his)
    if writers:
        return HandoffRoute(writers)
    if fallback_to_all and solvers:
        return HandoffRoute(tuple(solvers), fallback=True)
    return HandoffRoute(())
