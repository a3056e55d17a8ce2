"""Relays and solvers: from what was typed to what can be used.

A relay that cannot be one stops the daemon. A solver that cannot be one does not: it stays in
the list with its problem, so that every message it misses is on record.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from nostr_sdk import Keys

from serbero.config.addresses import AddressProblem, carries_credentials, relay_address
from serbero.config.models import RelayEntry, SolverEntry
from serbero.config.problems import Problem
from serbero.model.duty import is_week, zone
from serbero.model.people import Quiet, Solver
from serbero.nostr.keys import KeyProblem, looks_secret, parse_public_key, shortened

WITHHELD: Final = "(secret key, not repeated)"
"""Stands for a secret key that somebody typed where a solver's public key belongs: what was
typed goes into the database, and a secret must not."""

_RELAY_REMEDY: Final = "write the address of a relay, such as wss://relay.example"


@dataclass(frozen=True, slots=True)
class Own:
    """Serbero's own key, for telling it from others. Not shown in ``repr``."""

    public_hex: str
    secret_hex: str

    def __repr__(self) -> str:
        return f"Own({self.public_hex})"

    @classmethod
    def of(cls, keys: Keys) -> "Own":
        """Both halves of a key pair in hex."""
        return cls(keys.public_key().to_hex(), keys.secret_key().to_hex())


def relay_urls(
    entries: Sequence[RelayEntry | None], problems: list[Problem], warnings: list[Problem]
) -> tuple[str, ...]:
    """Return the configured relays in normal form, each once, in the order typed."""
    found: dict[str, None] = {}
    for number, entry in enumerate(entries, 1):
        if entry is None:
            continue
        place = f"relays #{number}"
        try:
            address = relay_address(entry.url)
        except AddressProblem as exc:
            message = f"nostr error: failed to add relay: {exc}"
            problems.append(Problem(place, "url", message, _RELAY_REMEDY))
            continue
        if carries_credentials(entry.url):
            warnings.append(_credentials(place, "url"))
        if address in found:
            warnings.append(Problem(place, "url", "the same relay again, ignored", "remove it"))
        found[address] = None
    if not entries:
        problems.append(
            Problem("relays", "", "expected at least one relay, found none", "add [[relays]] url")
        )
    return tuple(found)


def solvers(
    entries: Sequence[SolverEntry | None], own: Own | None, warnings: list[Problem]
) -> tuple[Solver, ...]:
    """Return every solver once, unusable ones included; their problems are warnings as well.

    Args:
        entries: as validated; None entries are skipped.
        own: Serbero's own key, None when it is not known.
        warnings: extended by what the operator should mend.
    """
    found: dict[str, Solver] = {}
    for number, entry in enumerate(entries, 1):
        if entry is None:
            continue
        place = f"solvers #{number}"
        solver = _solver(entry, own, place, warnings)
        if solver.problem is not None:
            remedy = "write the solver's npub; until then this solver is told nothing"
            warnings.append(Problem(place, "pubkey", solver.problem, remedy))
        same = found.setdefault(solver.hex or solver.typed, solver)
        if same is not solver and solver.reachable:
            warnings.append(_duplicate(place, same, solver))
    if not any(each.reachable for each in found.values()):
        warnings.append(
            Problem("solvers", "", "nobody can be told of disputes", "add [[solvers]] pubkey")
        )
    return tuple(found.values())


def _solver(entry: SolverEntry, own: Own | None, place: str, warnings: list[Problem]) -> Solver:
    relays = tuple(_inbox_relays(entry.relays, place, warnings))
    typed = WITHHELD if looks_secret(entry.pubkey) else entry.pubkey
    value: str | None = None
    problem: str | None = None
    try:
        value = parse_public_key(entry.pubkey)
    except KeyProblem as exc:
        problem = str(exc)
    if own is not None and own.secret_hex in entry.pubkey.lower():
        typed, value = WITHHELD, None
        problem = "Serbero's own secret key stands here, not repeated"
    elif own is not None and value == own.public_hex:
        value, problem = None, "this is Serbero's own key"
    return Solver(
        typed=typed,
        hex=value,
        problem=problem,
        permission=entry.permission,
        relays=relays,
        via=entry.via,
        name=entry.name.strip(),
        groups=frozenset(each.strip().lower() for each in entry.groups if each.strip()),
        timezone=_zone(entry, place, warnings),
        quiet=_quiet(entry, place, warnings),
        on_call=frozenset(_weeks(entry, place, warnings)),
    )


def _zone(entry: SolverEntry, place: str, warnings: list[Problem]) -> str:
    name = entry.timezone.strip()
    if zone(name) is not None:
        return name
    message = "no time zone of this name is known; UTC is used"
    remedy = "write a name such as Europe/Madrid or America/Sao_Paulo"
    warnings.append(Problem(place, "timezone", message, remedy))
    return "UTC"


def _quiet(entry: SolverEntry, place: str, warnings: list[Problem]) -> Quiet | None:
    if not entry.quiet.strip():
        return None
    span = Quiet.of(entry.quiet)
    if span is None:
        message = "expected a span such as 22:00-07:00; nothing is held back for this solver"
        warnings.append(Problem(place, "quiet", message, "write two different times of the day"))
    return span


def _weeks(entry: SolverEntry, place: str, warnings: list[Problem]) -> Iterable[str]:
    for typed in entry.on_call:
        week = typed.strip().upper()
        if is_week(week):
            yield week
        else:
            message = "expected ISO weeks such as 2026-W48; this one is ignored"
            warnings.append(Problem(place, "on_call", message, "write year-Wweek, two digits"))


def _inbox_relays(typed: Sequence[str], place: str, warnings: list[Problem]) -> Iterable[str]:
    """Normal forms, each once. A bad one costs this solver one road, not everybody the daemon."""
    seen: set[str] = set()
    for text in typed:
        try:
            address = relay_address(text)
        except AddressProblem as exc:
            warnings.append(Problem(place, "relays", f"{exc}; ignored", _RELAY_REMEDY))
            continue
        if carries_credentials(text):
            warnings.append(_credentials(place, "relays"))
        if address not in seen:
            seen.add(address)
            yield address


def _credentials(place: str, key: str) -> Problem:
    message = "user name and password are ignored: relays take none in their address"
    return Problem(place, key, message, "remove them from the address")


def _duplicate(place: str, first: Solver, again: Solver) -> Problem:
    differs = "; its other settings are ignored" if _settings(first) != _settings(again) else ""
    name = shortened(again.hex or "")
    message = f"the solver {name} again, ignored{differs}"
    return Problem(place, "pubkey", message, "keep one entry a solver")


def _settings(solver: Solver) -> tuple[object, ...]:
    return solver.permission, solver.relays, solver.via
