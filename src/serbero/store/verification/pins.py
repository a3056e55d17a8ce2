"""Under which prompts each row was made, and whether their bytes are what their hash says."""

import hashlib
from collections.abc import Iterator
from typing import Final

from serbero.model.reference_names import PROMPT_HASH_DOMAIN
from serbero.store.prompt_bundles import PARTS
from serbero.store.verification.finding import Check, Finding, Level, name_of, said
from serbero.store.verification.scope import Scope

_S: Final = "mediation_sessions"
_EDITED: Final = "the pins of this row, or of its session, were changed"


def policy_hash(parts: dict[str, bytes]) -> str:
    """Return what the bytes of a bundle hash to, by the definition that rows rest on.

    Written anew, beside the code that pins, so that a fault there is not repeated here.
    """
    pieces = [PROMPT_HASH_DOMAIN.encode()]
    for label in PARTS:
        pieces += [label.encode(), parts[label]]
    return hashlib.sha256(b"\0".join(pieces)).hexdigest()


def _rows(scope: Scope, query: str, table: str) -> Iterator[Finding]:
    for row, dispute, bundle, found_hash, wanted_bundle, wanted_hash in scope.rows(query):
        expected = f"{said(wanted_bundle)} / {said(wanted_hash)[:12]}, as its session"
        found = f"{said(bundle)} / {said(found_hash)[:12]}"
        yield Finding(table, name_of(row), name_of(dispute), expected, found, _EDITED)


def _events(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT e.id, s.dispute_id, e.prompt_bundle_id, e.policy_hash, s.prompt_bundle_id,
      s.policy_hash, s.assigned_solver IS NULL, {json e.payload_json loaded_hash} IS NOT NULL
    FROM mediation_events e JOIN mediation_sessions s ON s.session_id = e.session_id
    WHERE {session e.session_id} AND e.kind <> 'resolved_externally_reported'
      AND (e.prompt_bundle_id IS NOT s.prompt_bundle_id OR e.policy_hash IS NOT s.policy_hash)
    """
    for row, dispute, bundle, pinned, bundle_wanted, wanted, reference, changed in scope.rows(
        query
    ):
        # Of a changed bundle the reference pins the hash alone.
        known = reference and changed and bundle is None and pinned == wanted
        expected = f"{said(bundle_wanted)} / {said(wanted)[:12]}, as its session"
        found = f"{said(bundle)} / {said(pinned)[:12]}"
        level = Level.NOTE if known else Level.DAMAGE
        meaning = "the reference leaves the bundle out here" if known else _EDITED

        where = ("mediation_events", name_of(row), name_of(dispute))
        yield Finding(*where, expected, found, meaning, level)


def _messages(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT m.id, s.dispute_id, m.prompt_bundle_id, m.policy_hash, s.prompt_bundle_id, s.policy_hash
    FROM mediation_messages m JOIN mediation_sessions s ON s.session_id = m.session_id
    WHERE {session m.session_id} AND m.direction = 'outbound'
      AND (m.prompt_bundle_id IS NOT s.prompt_bundle_id OR m.policy_hash IS NOT s.policy_hash)
    """
    yield from _rows(scope, query, "mediation_messages")


def _summaries(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT m.id, s.dispute_id, m.prompt_bundle_id, m.policy_hash, s.prompt_bundle_id, s.policy_hash
    FROM mediation_summaries m JOIN mediation_sessions s ON s.session_id = m.session_id
    WHERE {session m.session_id} AND (m.prompt_bundle_id IS NOT s.prompt_bundle_id
      OR m.policy_hash IS NOT s.policy_hash OR m.dispute_id IS NOT s.dispute_id)
    """
    yield from _rows(scope, query, "mediation_summaries")


def _rationales(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT m.rationale_id, s.dispute_id, m.prompt_bundle_id, m.policy_hash, s.prompt_bundle_id,
      s.policy_hash
    FROM reasoning_rationales m JOIN mediation_sessions s ON s.session_id = m.session_id
    WHERE {session m.session_id}
      AND (m.prompt_bundle_id IS NOT s.prompt_bundle_id OR m.policy_hash IS NOT s.policy_hash)
    """
    yield from _rows(scope, query, "reasoning_rationales")


def _halves(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT e.id, {dispute_of e}, e.kind FROM mediation_events e
    WHERE {event e} AND e.session_id IS NULL AND (
      (e.kind IN ('reasoning_verdict', 'take_dispute_issued', 'escalation_recommended',
          'handoff_prepared', 'reasoning_call_failed')
        AND (e.prompt_bundle_id IS NULL OR e.policy_hash IS NULL))
      OR (e.prompt_bundle_id IS NULL) <> (e.policy_hash IS NULL))
    """
    for row, dispute, kind in scope.rows(query):
        expected = f"{said(kind)} with a bundle and its hash"
        found = "not both"
        yield Finding("mediation_events", name_of(row), name_of(dispute), expected, found, _EDITED)


def _bytes(scope: Scope) -> Iterator[Finding]:
    columns = ", ".join(PARTS)
    query = """
    SELECT b.policy_hash, {columns} FROM prompt_bundles b WHERE {scope}
    """.replace("{columns}", columns).replace(
        "{scope}",
        "1"
        if scope.whole
        else "b.policy_hash IN (SELECT s.policy_hash FROM mediation_sessions s"
        " WHERE {about s.dispute_id})",
    )
    for pinned, *parts in scope.rows(query):
        texts = [each if isinstance(each, bytes) else str(each).encode() for each in parts]
        made = policy_hash(dict(zip(PARTS, texts, strict=True)))
        if made != pinned:
            expected = f"bytes that hash to {said(pinned)[:12]}"
            meaning = "the prompts were changed: what the model was told is not known any more"
            found = f"{made[:12]}"
            yield Finding("prompt_bundles", name_of(pinned), None, expected, found, meaning)


def _missing(scope: Scope) -> Iterator[Finding]:
    query = """
    SELECT s.session_id, s.dispute_id, s.policy_hash, s.assigned_solver IS NULL
    FROM mediation_sessions s WHERE {about s.dispute_id}
      AND s.policy_hash NOT IN (SELECT b.policy_hash FROM prompt_bundles b)
    """
    for session, dispute, pinned, reference in scope.rows(query):
        level = Level.NOTE if reference else Level.DAMAGE
        meaning = (
            "the reference keeps no prompts"
            if reference
            else "the bundle was deleted, or the pin changed: the session cannot go on"
        )
        expected = f"the prompts of hash {said(pinned)[:12]}"
        row = name_of(session)
        yield Finding(_S, row, name_of(dispute), expected, "none", meaning, level)


_EVENTS: Final = frozenset({_S, "mediation_events"})
CHECKS: Final = (
    Check("pins of events", _EVENTS, _events),
    Check("pins before a session", _EVENTS, _halves),
    Check("pins of messages", frozenset({_S, "mediation_messages"}), _messages),
    Check("pins of summaries", frozenset({_S, "mediation_summaries"}), _summaries),
    Check("pins of rationales", frozenset({_S, "reasoning_rationales"}), _rationales),
    Check("bytes of prompts", frozenset({_S, "prompt_bundles"}), _bytes),
    Check("missing prompts", frozenset({_S, "prompt_bundles"}), _missing),
)
