"""Solvers as values."""

from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """What a solver may do at the node (``[[solvers]] permission``)."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Solver:
    """One configured solver.

    Attributes:
        typed: the key exactly as the operator typed it; what the reference's tables hold.
        hex: the same key as 64 lower-case hex digits, or None if it cannot be one.
        problem: why ``hex`` is None or the solver is skipped (``None`` when usable); the text
            after ``invalid pubkey: `` in a ``failed`` row.
        permission: what the node allows this solver to do.
        relays: the solver's own inbox relays from the configuration; when empty, kind 10050
            is looked up.
    """

    typed: str
    hex: str | None
    problem: str | None = None
    permission: Permission = Permission.READ
    relays: tuple[str, ...] = ()

    @property
    def reachable(self) -> bool:
        """Whether messages can be addressed to this solver at all."""
        return self.hex is not None and self.problem is None
