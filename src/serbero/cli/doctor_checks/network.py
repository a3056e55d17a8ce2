"""From what relays said to findings: clock, relays, solvers. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from serbero.cli.doctor_checks.findings import (
    Finding,
    broken,
    counted,
    fine,
    note,
    warning,
)
from serbero.delivery.judgement import MAX_POW_BITS
from serbero.intake.reconcile import QUESTIONS_AT_ONCE
from serbero.model.people import Solver, Via
from serbero.node.announcements import MAX_EXTRA_RELAYS
from serbero.nostr.addresses import acceptable, loggable, normalise
from serbero.nostr.inbox_list import InboxList
from serbero.nostr.keys import npub
from serbero.nostr.replies import PublishOutcome, PublishReply
from serbero.nostr.wrap import BACKDATING_SECONDS
from serbero.relays.information import RelayInformation

MIN_MESSAGE_BYTES: Final = 16_384
"""The longest message of ours, wrapped: a long solver text of 4 kB grows about threefold."""

MIN_SUBSCRIPTIONS: Final = QUESTIONS_AT_ONCE + 3
"""The live one, its probe, a look-up of inbox relays, and the questions of a reconcile."""

CLOCK_WARNING_SECONDS: Final = 30.0
CLOCK_BROKEN_SECONDS: Final = 600.0
"""NIP-42 allows an AUTH event about ten minutes; relays refuse events from the future alike."""


def clock_findings(offsets: Mapping[str, float]) -> list[Finding]:
    """Findings of our clock against the relays'.

    Args:
        offsets: per relay, how many seconds our clock is ahead. The median decides: one relay
            may be wrong itself.
    """
    if not offsets:
        return [note("clock", "not compared: no relay told its time")]
    ahead = median(offsets.values())
    said = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the relays"
    remedy = "switch time synchronisation on (timedatectl set-ntp true)"
    if abs(ahead) >= CLOCK_BROKEN_SECONDS:
        return [broken("clock", f"{said}: they refuse what we sign", remedy)]
    if abs(ahead) >= CLOCK_WARNING_SECONDS:
        return [warning("clock", said, remedy)]
    return [fine("clock", f"agrees with {counted(len(offsets), 'relay')}")]


@dataclass(frozen=True, slots=True)
class RelayFacts:
    """What one configured relay did.

    Attributes:
        url: its address.
        connected: whether a connection stood.
        reason: why not, or the last fault.
        answered: whether a REQ ended with EOSE.
        answer_reason: why not.
        written: its answer to an ephemeral event; None if none was sent.
        information: its NIP-11 document, None if it gave none.
    """

    url: str
    connected: bool
    reason: str = ""
    answered: bool = False
    answer_reason: str = ""
    written: PublishReply | None = None
    information: RelayInformation | None = None

    @property
    def takes_writes(self) -> bool:
        """Whether it took our event."""
        return self.written is not None and self.written.outcome.delivered


def relay_findings(facts: RelayFacts) -> list[Finding]:
    """Findings of one relay. Alone it is never broken: see :func:`relays_findings`."""
    check = f"relay {loggable(facts.url)}"
    if not facts.connected:
        remedy = "check the address and this machine's way out; else configure another relay"
        return [warning(check, f"no connection: {facts.reason or 'no answer'}", remedy)]
    found = []
    if not facts.answered:
        found.append(
            warning(
                check,
                f"connected, but does not answer for disputes: {facts.answer_reason or 'silence'}",
                _subscription_remedy(facts.answer_reason),
            )
        )
    if facts.written is not None and not facts.takes_writes:
        said = f" ({facts.written.text})" if facts.written.text else ""
        found.append(
            warning(
                check,
                f"does not take our events: {facts.written.outcome.value}{said}",
                _WRITE_REMEDIES.get(facts.written.outcome, _WRITE_REMEDY),
            )
        )
    if not found:
        auth = facts.information is not None and facts.information.auth_required
        proof = ", after authentication" if auth else ""
        found.append(fine(check, f"answers and takes our events{proof}"))
    if facts.information is not None:
        found += limit_findings(facts.url, facts.information)
    return found


_WRITE_REMEDY: Final = "try again; if it stays, configure another relay beside it"
_WRITE_REMEDIES: Final[Mapping[PublishOutcome, str]] = {
    PublishOutcome.AUTH_REQUIRED: "ask the relay's operator to let Serbero's key authenticate",
    PublishOutcome.RESTRICTED: "ask the relay's operator to admit Serbero's key",
    PublishOutcome.BLOCKED: "ask the relay's operator why Serbero's key or address is blocked",
    PublishOutcome.POW: "configure another relay beside it, which wants no proof of work",
    PublishOutcome.RATE_LIMITED: "wait a minute and try again; if it stays, use another relay",
    PublishOutcome.INVALID: "check this machine's clock; the relay may refuse ephemeral events",
}


def _subscription_remedy(reason: str) -> str:
    refused = reason.startswith(("auth-required", "restricted", "blocked", "unsupported"))
    if refused:
        return "ask the relay's operator to let Serbero's key read, or configure another relay"
    return "try again; if it stays, configure another relay beside it"


def relays_findings(relays: Sequence[RelayFacts], wanted_hearing: int) -> list[Finding]:
    """Findings of all relays together; ``wanted_hearing`` as ``[observe].min_hearing_relays``."""
    total = len(relays)
    if not any(each.connected for each in relays):
        return [
            broken(
                "relays",
                f"none of {total} can be reached: no dispute is seen, nobody is told",
                "check this machine's way out, then the addresses below",
            )
        ]
    hearing = sum(each.connected and each.answered for each in relays)
    writing = sum(each.takes_writes for each in relays)
    needed = max(1, wanted_hearing)
    remedy = "mend the relays named below, or configure more of them"
    found = []
    if hearing < needed:
        said = f"{hearing} of {total} answer for disputes, {needed} needed"
        found.append(broken("relays", said, remedy))
    if not writing:
        found.append(broken("relays", f"none of {total} takes our events: nobody is told", remedy))
    if not found and total == 1:
        found.append(
            warning(
                "relays",
                "only one is configured: while it is down no dispute is seen",
                "add a second [[relays]] url that the node publishes to",
            )
        )
    return found or [fine("relays", f"{hearing} of {total} hear, {writing} take our events")]


def limit_findings(url: str, information: RelayInformation) -> list[Finding]:
    """Findings of a relay's own limits (NIP-11) that would refuse our traffic."""
    check = f"relay {loggable(url)}"
    remedy = "configure a relay without this limit beside it"
    found = []
    oldest = information.created_at_lower_limit
    if oldest is not None and oldest < BACKDATING_SECONDS:
        found.append(
            f"refuses events older than {oldest} s; private messages are dated back by up to "
            f"{BACKDATING_SECONDS} s"
        )
    bits = information.min_pow_difficulty or 0
    if bits:
        more = f", more than {MAX_POW_BITS}: no message will go there"
        found.append(f"wants {bits} bits of proof of work{more if bits > MAX_POW_BITS else ''}")
    size = information.max_message_length
    if size is not None and size < MIN_MESSAGE_BYTES:
        found.append(f"takes messages of {size} bytes; ours may need {MIN_MESSAGE_BYTES}")
    subscriptions = information.max_subscriptions
    if subscriptions is not None and subscriptions < MIN_SUBSCRIPTIONS:
        found.append(
            f"allows {subscriptions} subscriptions; up to {MIN_SUBSCRIPTIONS} are in use at once"
        )
    return [warning(check, each, remedy) for each in found]


def solver_findings(
    solver: Solver, inbox: InboxList | None, *, looked: bool, configured: Collection[str] = ()
) -> list[Finding]:
    """Findings of one solver.

    Args:
        solver: as configured.
        inbox: what the solver published, None if nothing.
        looked: whether any relay answered the question.
        configured: relays that get every message anyway.
    """
    if solver.hex is None or not solver.reachable:
        problem = solver.problem or "no usable key"
        remedy = "write the solver's npub; until then this solver is told nothing"
        return [broken(f"solver {solver.typed[:80]}", f"invalid pubkey: {problem}", remedy)]
    check = f"solver {npub(solver.hex)}"
    own = solver.relays or (() if inbox is None else inbox.usable)
    if solver.via is Via.MOSTRO:
        # Mostro's own clients read on the node's relays; those a solver names are used as well.
        roads = f"{_SHARED_ROADS} and {_list(own)}" if own else _SHARED_ROADS
        said = f"{solver.permission}, via {solver.via} (send-dm): messages go to {roads}"
        return [fine(check, said)]
    said = f"{solver.permission}"
    if solver.via is Via.BOTH:
        said += ", via both (private messages and send-dm)"
    if inbox is not None and not solver.relays and not inbox.usable:
        # We do not visit a private address because a solver published it, but where it is one of
        # our configured relays it is read there all the same.
        sound = (each for each in inbox.refused if acceptable(each, allow_private=True) is None)
        met = [each for each in sound if normalise(each) in configured]
        if met:
            return [fine(check, f"{said}, inbox relays published: {_list(met)}, configured here")]
    return [_inbox_finding(check, said, solver, inbox, looked=looked)]


_SHARED_ROADS: Final = f"the configured relays and the node's (at most {MAX_EXTRA_RELAYS})"
"""Where every message goes, whosever and in whatever envelope."""


def _inbox_finding(
    check: str, said: str, solver: Solver, inbox: InboxList | None, *, looked: bool
) -> Finding:
    """Where a solver reads private messages, as far as anybody knows."""
    if solver.relays:
        return fine(check, f"{said}, inbox relays configured: {_list(solver.relays)}")
    if inbox is not None and inbox.usable:
        return fine(check, f"{said}, inbox relays published: {_list(inbox.usable)}")
    if not looked:
        return warning(check, "inbox relays not looked up", "mend the relays first")
    why = "publishes no inbox relays (kind 10050)"
    if inbox is not None and inbox.refused:
        why = f"publishes only inbox relays that are not visited: {_list(inbox.refused)}"
    return warning(
        check,
        f"{said}, {why}: messages go only to {_SHARED_ROADS}",
        "write the relays this solver's client reads into [[solvers]] relays, or have the "
        "client publish them; `serbero doctor --dm-test` shows whether messages arrive",
    )


def solvers_findings(solvers: Sequence[Solver]) -> list[Finding]:
    """Findings of all solvers together: somebody must be there to tell."""
    if any(each.reachable for each in solvers):
        return []
    return [broken("solvers", "nobody can be told of disputes", "add [[solvers]] pubkey")]


def _list(urls: Sequence[str], most: int = 5) -> str:
    more = f" and {len(urls) - most} more" if len(urls) > most else ""
    return " ".join(map(loggable, urls[:most])) + more
