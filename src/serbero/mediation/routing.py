"""To which solvers a message about a mediated dispute goes.

What a solver may do at the node plays no part: whoever a dispute is assigned to is told about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from serbero.model.people import Solver
from serbero.nostr.keys import KeyProblem, parse_public_key


@dataclass(frozen=True, slots=True)
class Routed:
    """Who is told.

    Attributes:
        recipients: those who cannot be reached included; empty if nobody is configured.
        stranger: whether the dispute is assigned to a key that no configured solver has, so that
            everybody is told instead; the operator should hear of it.
    """

    recipients: tuple[Solver, ...]
    stranger: bool


def route(solvers: Sequence[Solver], assigned: str | None, own: str) -> Routed:
    """Choose who is told about a dispute.

    Args:
        solvers: everybody configured.
        assigned: who has the dispute, as it stands in the database: in whatever notation.
        own: our key in hex. What we hold is assigned to nobody who reads messages.
    """
    everybody = tuple(solvers)
    if assigned is None:
        return Routed(everybody, stranger=False)
    key = _hex(assigned)
    if key is not None and key == _hex(own):
        return Routed(everybody, stranger=False)
    chosen = tuple(each for each in everybody if key is not None and each.hex == key)
    if chosen:
        return Routed(chosen, stranger=False)
    return Routed(everybody, stranger=bool(everybody))


def _hex(key: str) -> str | None:
    """Return a key as 64 lower-case hex digits, None where it cannot be one.

    Hex digits are only compared here, so they need not be a point on the curve.
    """
    try:
        return parse_public_key(key)
    except KeyProblem:
        return key.strip().lower() or None
