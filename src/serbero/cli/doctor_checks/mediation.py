"""Whether mediation can do its work: settings, texts, models, standing at the node, open sessions.

Nothing here is ever broken: without mediation every solver is told of every dispute all the same.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from serbero.cli.doctor_checks.dm_test import Progress
from serbero.cli.doctor_checks.findings import (
    Finding,
    Level,
    counted,
    duration,
    fine,
    note,
    warning,
)
from serbero.cli.doctor_checks.models import examine_models
from serbero.clock import Clock
from serbero.config.models import MediationSection, PromptsSection
from serbero.config.settings import Config
from serbero.mediation.standing import registration
from serbero.model.mediation import SessionState
from serbero.model.people import Permission, Solver
from serbero.mostro.node_info import NodeInfo
from serbero.reasoning.bundle import BundleProblem, PromptBundle, load
from serbero.reasoning.bundle_check import oddities
from serbero.store import prompt_bundles, sessions, start_faults
from serbero.store import standing as standings
from serbero.store.engine import run_once
from serbero.store.errors import StoreRejected, StoreUnavailable
from serbero.store.mediation_schema import session_facts, standing
from serbero.store.standing import Standing, StandingState
from serbero.store.start_faults import Lately

FAULTS_SECONDS: Final = 7 * 86_400
"""Starts that failed longer ago are no news."""

_TURN: Final[Mapping[SessionState, str]] = {
    SessionState.OPENING: "being opened",
    SessionState.AWAITING_RESPONSE: "talking with the parties",
    SessionState.CLASSIFIED: "about to be summarised",
    SessionState.FOLLOW_UP_PENDING: "about to ask again",
    SessionState.SUMMARY_PENDING: "with a summary on its way",
}


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A mediation that is not over.

    Attributes:
        policy_hash: of the texts it was begun with.
        kept: whether the database has these texts.
        started_at: Unix seconds.
    """

    state: SessionState
    policy_hash: str
    kept: bool
    started_at: int


@dataclass(frozen=True, slots=True)
class MediationFacts:
    """What the database tells of mediation; nothing where there is none or an older one."""

    standing: Standing | None = None
    open: tuple[OpenSession, ...] = ()
    faults: Lately | None = None


def read_mediation(path: Path, node: str, now: int) -> MediationFacts:
    """Read the database, if it can be read; its troubles are told by another check. Blocking.

    Args:
        path: the file.
        node: the node's key in hex.
        now: Unix seconds.
    """
    if not path.exists():
        return MediationFacts()
    try:
        return run_once(path, lambda tx: _read(tx, node, now))
    except (StoreUnavailable, StoreRejected):
        return MediationFacts()


def _read(tx: sa.Connection, node: str, now: int) -> MediationFacts:
    there = sa.inspect(tx)
    if not all(there.has_table(each.name) for each in (standing, session_facts)):
        return MediationFacts()
    live = sessions.live(tx)
    hashes = {each.pins.policy_hash for each in live}
    kept = {each for each in hashes if _is_kept(tx, each)}
    found = (
        OpenSession(
            each.state, each.pins.policy_hash, each.pins.policy_hash in kept, each.started_at
        )
        for each in live
    )
    faults = start_faults.lately(tx, now - FAULTS_SECONDS)
    return MediationFacts(standings.load(tx, node), tuple(found), faults)


def _is_kept(tx: sa.Connection, policy_hash: str) -> bool:
    """Whether the texts are there and still are what their hash says."""
    parts = prompt_bundles.load(tx, policy_hash)
    try:
        return parts is not None and PromptBundle.of(parts).policy_hash == policy_hash
    except BundleProblem:
        return False


async def examine_mediation(
    config: Config,
    facts: MediationFacts,
    info: NodeInfo | None,
    clock: Clock,
    progress: Progress,
) -> list[Finding]:
    """Look at everything mediation needs; silent where it is off and nothing is open.

    The first model that answers is sent one ``ping``, which costs a few tokens.

    Args:
        config: the configuration.
        facts: what the database tells.
        info: what the node says of itself, None if nothing is known.
        clock: time.
        progress: told before a model is asked.
    """
    if not config.mediation.enabled:
        return session_findings(facts.open, None, clock.now(), mediating=False)
    found = setting_findings(config.mediation, config.solvers)
    if not config.model_endpoints:
        off = warning(
            "mediation",
            "stays off: there is no model to ask",
            "mend [reasoning] as `config` says above; disputes are told of meanwhile",
        )
        found = [off, *(each for each in found if each.level is not Level.OK)]
    bundle, said = await asyncio.to_thread(examine_bundle, config.prompts)
    found += said
    found += await examine_models(config, clock, progress)
    found += fault_findings(facts.faults, clock.now())
    found += standing_findings(facts.standing, info, config.public_key, clock.now())
    in_use = None if bundle is None else bundle.policy_hash
    mediating = bool(config.model_endpoints)
    return found + session_findings(facts.open, in_use, clock.now(), mediating=mediating)


def setting_findings(section: MediationSection, solvers: Sequence[Solver]) -> list[Finding]:
    """Whether a mediation that is begun like this can come to an end. Pure."""
    check = "mediation"
    silence, whole = section.party_response_timeout_seconds, section.session_deadline_seconds
    patience = f"a silent party is waited for {_spell(silence)}" if silence else ""
    limit = f"none takes longer than {_spell(whole)}" if whole else ""
    pairs = f"at most {counted(section.max_rounds, 'pair')} of questions"
    found = [fine(check, ", ".join(each for each in ("on", pairs, patience, limit) if each))]
    if not section.max_rounds:
        found = [
            warning(
                check,
                "max_rounds = 0: no party is ever asked, every dispute goes to a human as "
                "`round_limit` and none is taken",
                "set [mediation].max_rounds to 1 or more, or [mediation].enabled to false",
            )
        ]
    elif not silence and not whole:
        found = [
            warning(
                check,
                "without any limit of time: a party who stays silent holds the dispute for ever",
                "set [mediation].party_response_timeout_seconds (1800 is usual) or "
                "session_deadline_seconds (43200)",
            )
        ]
    elif 0 < whole <= silence:
        found.append(
            note(
                check,
                f"session_deadline_seconds ({whole}) ends every mediation before a party counts "
                f"as silent ({silence}): solvers read `mediation_timeout`, not who was silent",
            )
        )
    return found + _audience_findings(solvers)


def _audience_findings(solvers: Sequence[Solver]) -> list[Finding]:
    """Whether somebody is there to hand over to."""
    heard = [each for each in solvers if each.reachable]
    if not heard:
        return [
            warning(
                "mediation",
                "nobody to hand over to: every summary ends as `notification_failed`, and no "
                "escalation is read",
                "add [[solvers]] pubkey",
            )
        ]
    if any(each.permission is Permission.WRITE for each in heard):
        return []
    return [
        warning(
            "mediation",
            f"none of {counted(len(heard), 'solver')} has write permission here: when a human "
            "takes over from Serbero, nobody is sent what the parties have answered",
            'write permission = "write" below the [[solvers]] whom the node lets settle',
        )
    ]


def examine_bundle(section: PromptsSection) -> tuple[PromptBundle | None, list[Finding]]:
    """Load the texts the model is told, and say what is odd about them. Blocking."""
    try:
        bundle = load(section)
    except BundleProblem as problem:
        remedy = (
            'set [prompts].source = "packaged" for the texts that come with Serbero, or write them '
            "out with `serbero prompts export` and name the files in [prompts]"
        )
        return None, [warning("prompts", f"{problem}: mediation stays off", remedy)]
    size = sum(len(raw) for _, raw in bundle.parts())
    said = f"{section.source} bundle {bundle.policy_hash}, {size} bytes"
    found = [fine("prompts", said)]
    found += [
        warning(
            "prompts",
            f"[prompts].{each.key}: {each.message}",
            "mend the file; `serbero prompts export DIR` writes ours out to compare with",
        )
        for each in oddities(bundle)
    ]
    return bundle, found


def standing_findings(
    known: Standing | None, info: NodeInfo | None, own_key: str, now: int
) -> list[Finding]:
    """Whether the node lets us take disputes. Pure.

    Args:
        known: what was learned so far.
        info: what the node says of itself; it may name its assistant (since 0.19.1).
        own_key: ours, in hex.
        now: Unix seconds.
    """
    check = "standing"
    named = None if info is None else info.serbero
    if named == own_key:
        said = "the node names this key as its assistant: it may take disputes and settle none"
        return [fine(check, said)]
    if named is not None:
        said = "the node names another key as its assistant, so mediation starts nothing"
        return [warning(check, said, registration(own_key))]
    if known is not None and known.own_key not in (None, own_key):
        known = None  # what another key of ours earned
    if known is None or known.state is StandingState.UNKNOWN:
        said = (
            "not known: the node tells nobody whom it registered, the first dispute will show. "
            f"If it was not done: {registration(own_key)}"
        )
        return [note(check, said)]
    since = _spell(max(0, now - known.since))
    if known.state is StandingState.AUTHORIZED:
        said = f"the node lets us take disputes, for {since}; whether it lets us settle too, "
        return [fine(check, said + "because :read was left out, cannot be seen from here")]
    tried = f"{counted(known.attempts, 'attempt')} refused"
    then = "no further one for a day, or until the node says something new of itself"
    if known.state is StandingState.REFUSED:
        wait = 0 if known.next_probe_at is None else max(0, known.next_probe_at - now)
        then = f"the next with the first dispute {f'after {_spell(wait)}' if wait else 'from now'}"
    said = f"the node refuses this key, for {since}, so mediation starts nothing: {tried}, {then}"
    return [warning(check, said, f"{registration(own_key)}; no restart is needed")]


def fault_findings(faults: Lately | None, now: int) -> list[Finding]:
    """Whether mediations could not begin lately because of a fault of our own. Pure."""
    if faults is None:
        return []
    return [
        warning(
            "starts",
            f"a fault of Serbero's own kept {counted(faults.disputes, 'dispute')} from being "
            f"mediated in the last week, {faults.last_dispute} last, "
            f"{_spell(max(0, now - faults.last_at))} ago; after five tries a human is asked",
            "look in the log for start_attempt_failed and report its traceback",
        )
    ]


def session_findings(
    open_now: Sequence[OpenSession], in_use: str | None, now: int, *, mediating: bool
) -> list[Finding]:
    """What is under way, and whether it can go on. Pure.

    Args:
        open_now: mediations that are not over.
        in_use: hash of the texts that new ones begin with; None where none can.
        now: Unix seconds.
        mediating: whether a daemon with this configuration has a model to ask.
    """
    if not open_now:
        return []
    check = "sessions"
    number = counted(len(open_now), "mediation")
    age = _spell(max(0, now - min(each.started_at for each in open_now)))
    said = f"{number} open: {_turns(each.state for each in open_now)}; the oldest for {age}"
    if not mediating:
        fate = "without a model each goes to a human, at the next answer or when its time is up"
        remedy = (
            "switch mediation on again until they have ended, or let a solver with write "
            "permission take these disputes over"
        )
        return [warning(check, f"{said}; {fate}", remedy)]
    gone = [each for each in open_now if not each.kept and each.policy_hash != in_use]
    earlier = sum(each.policy_hash != in_use for each in open_now) - len(gone)
    found = [note(check, said + (f"; {earlier} with earlier texts" if earlier else ""))]
    if gone:
        hashes = " ".join(sorted({each.policy_hash for each in gone}))
        found.append(
            warning(
                check,
                f"the texts that {counted(len(gone), 'mediation')} began with are gone: it is "
                "handed to a human (`policy_bundle_missing`) instead of going on",
                f"restore the prompt files whose `serbero prompts hash` is {hashes}",
            )
        )
    return found


def _turns(states: Iterable[SessionState]) -> str:
    counts = Counter(states)
    return ", ".join(f"{counts[each]} {_TURN[each]}" for each in _TURN if counts[each])


def _spell(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else duration(seconds)
