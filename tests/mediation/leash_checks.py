"""What must hold after every transaction, read from the database and from nothing of the engine's.

Only what is new since the last look is read; what may never change is guarded by the file's own
triggers (:mod:`leash_file`).
"""

import json
from collections import defaultdict
from typing import Any, Final

from tests.mediation.leash_file import LeashFile
from tests.mediation.leash_words import MARK, SAID_MARK
from tests.mediation.test_session_states import LEGAL

from serbero.messages.party import IDENTITY
from serbero.model.party import Party

_FIRST: Final = "awaiting_response"
_MOVED_TO: Final = {
    "escalation_recommended": "escalation_recommended",
    "superseded_by_human": "superseded_by_human",
    "session_closed": "closed",
}
_SPEAKING: Final = ("opening", "awaiting_response")
_LIVE: Final = (*_SPEAKING, "classified", "follow_up_pending", "summary_pending")
_OVER: Final = ("closed", "superseded_by_human")

_EVENTS: Final = (
    "SELECT e.id, e.session_id, e.kind, e.payload_json, e.rationale_id, d.dispute_id"
    " FROM mediation_events e LEFT JOIN dispute_events d ON d.event_id = e.id"
    " WHERE e.id > ? ORDER BY e.id"
)
_OUTBOX: Final = (
    "SELECT id, purpose, dispute_id, session_id, recipient, json_extract(rumor_json, '$.content')"
    " FROM outbox WHERE id > ? ORDER BY id"
)
_SESSIONS: Final = "SELECT session_id, dispute_id, state FROM mediation_sessions"
_LIFECYCLES: Final = (
    "SELECT d.dispute_id, d.lifecycle_state, d.dispute_status,"
    " p.dispute_id IS NOT NULL AND p.released_at IS NULL"
    " FROM disputes d LEFT JOIN parties p USING (dispute_id)"
)
_CLAIMABLE: Final = (
    "SELECT o.id, o.session_id, o.dispute_id FROM outbox o"
    " WHERE o.purpose = 'party_message' AND o.next_attempt_at IS NOT NULL"
)
_CALLS: Final = (
    "SELECT c.id, c.dispute_id, c.session_id, c.purpose, c.rationale_id, r.rationale_id,"
    " c.failure, (SELECT count(*) FROM mediation_events e WHERE e.rationale_id = c.rationale_id"
    "  AND e.session_id IS c.session_id"
    "  AND e.kind IN ('reasoning_verdict', 'classification_produced'))"
    " FROM reasoning_calls c LEFT JOIN reasoning_rationales r ON r.rationale_id = c.rationale_id"
    " WHERE c.id > ? ORDER BY c.id"
)
_SUMMARIES: Final = (
    "SELECT id, dispute_id, summary_text, suggested_next_step FROM mediation_summaries WHERE id > ?"
)
_SAID: Final = (
    "SELECT m.id, s.dispute_id, m.content FROM mediation_messages m JOIN mediation_sessions s"
    " USING (session_id) WHERE m.direction = 'outbound' AND m.id > ? ORDER BY m.id"
)
_TAKES: Final = "SELECT id, dispute_id FROM takes WHERE id > ? ORDER BY id"


class Checks:
    """The invariants, and what is needed to judge the next transaction by."""

    def __init__(self, file: LeashFile) -> None:
        self._file = file
        self._event, self._row, self._call, self._take = 0, 0, 0, 0
        self._summary, self._said = 0, 0
        self.paths: dict[str, str] = {}
        """Session to the state its own events lead to."""
        self.states: dict[str, str] = {}
        """Session to its state as stored, before the transaction that is looked at."""
        self.disputes: dict[str, str] = {}
        """Session to its dispute."""
        self._lifecycles: dict[str, str] = {}
        self._held: dict[str, bool] = {}
        self._events_of: dict[str, list[str]] = defaultdict(list)
        """Dispute to the kinds it has outside its sessions, verdicts with their decision."""
        self._escalations: dict[str, list[str]] = defaultdict(list)
        self._reported: set[str] = set()
        self._report_rows: set[tuple[str, str]] = set()
        self._to_party: dict[tuple[str, Party], set[str]] = defaultdict(set)
        self._to_solvers: dict[str, set[str]] = defaultdict(set)
        self._judged: dict[str, bool] = {}
        self._verdicts = 0
        self._recorded = 0
        self.opened = 0

    # --- told by the world -------------------------------------------------------------------

    def released(self, dispute_id: str, party: Party, words: str) -> None:
        """The policy let these words through to this party."""
        self._to_party[dispute_id, party].add(words)

    def released_summary(self, dispute_id: str, body: str, step: str) -> None:
        """The policy let a summary through."""
        self._to_solvers[dispute_id] |= {body, step}

    def judged(self, dispute_id: str, *, positive: bool) -> None:
        """An attempt has its verdict."""
        self._judged[dispute_id] = positive
        where = self._lifecycles[dispute_id]
        free = where in ("new", "notified") or self._held[dispute_id]
        assert free or not positive, f"cleared for a take in {where}"

    def claimed(self, ids: list[int]) -> None:
        """A pass of the outbox holds these."""
        self._speak_now(ids, "claimed")

    def going_out(self, ids: list[int]) -> None:
        """The bytes of these are about to be given to a relay."""
        self._speak_now(ids, "given to a relay")

    def _speak_now(self, ids: list[int], what: str) -> None:
        chosen = json.dumps(ids)
        found = self._file.rows(
            "SELECT id, session_id, dispute_id FROM outbox WHERE purpose = 'party_message'"
            " AND id IN (SELECT value FROM json_each(?))",
            chosen,
        )
        for row_id, session_id, dispute_id in found:
            where = self.states.get(session_id), self._lifecycles.get(dispute_id)
            assert where[0] in _SPEAKING, f"message {row_id} {what} in {where}"
            assert where[1] != "resolved", f"message {row_id} {what} in {where}"

    # --- after every transaction -------------------------------------------------------------

    def after_a_transaction(self) -> None:
        """Look at what one transaction left."""
        before = self.states
        stored = self._file.rows(_SESSIONS)
        self.states = {row[0]: row[2] for row in stored}
        self.disputes = {row[0]: row[1] for row in stored}
        self._read_events()
        self._history_is_what_is_stored()
        lifecycles = self._file.rows(_LIFECYCLES)
        self._lifecycles = {row[0]: row[1] for row in lifecycles}
        self._held = {row[0]: bool(row[3]) for row in lifecycles}
        self._lifecycle_agrees(lifecycles)
        self._read_outbox(before)
        self._read_what_is_kept()
        self._nothing_claimable_is_unsayable()
        self._read_calls()
        self._read_takes()

    def at_rest(self) -> None:
        """What costs more."""
        assert self._file.rows("PRAGMA foreign_key_check") == []

    def _read_events(self) -> None:
        for event_id, session_id, kind, payload, rationale_id, dispute_id in self._file.rows(
            _EVENTS, self._event
        ):
            self._event = event_id
            assert not MARK.search(payload), f"a model's words in the audit trail: {kind}"
            assert not SAID_MARK.search(payload), f"a party's words in the audit trail: {kind}"
            said = json.loads(payload)
            about = session_id or dispute_id or "daemon"
            if kind in {"escalation_recommended", "handoff_prepared"}:
                self._escalations[about].append(kind)
                pair = ["escalation_recommended", "handoff_prepared"]
                assert self._escalations[about] == pair[: len(self._escalations[about])], about
            if kind == "resolved_externally_reported":
                assert said["dispute_id"] not in self._reported, "reported twice"
                self._reported.add(said["dispute_id"])
            if kind in {"reasoning_verdict", "classification_produced", "summary_generated"}:
                assert rationale_id is not None, f"{kind} without its rationale"
                self._recorded += kind != "summary_generated"
            if session_id is None:
                self._before_a_session(about, kind, said)
            else:
                self._in_a_session(session_id, kind, said)
        for about, pair in self._escalations.items():
            assert len(pair) == 2, f"half an escalation of {about}"

    def _before_a_session(self, dispute_id: str, kind: str, said: dict[str, Any]) -> None:
        mark = kind
        if kind == "reasoning_verdict":
            mark = f"verdict:{said['decision']}"
        if kind == "take_dispute_issued":
            mark = f"take:{said['outcome']}"
            # A take may be answered when a later attempt with the dispute has ended otherwise.
            cleared = "verdict:ask_clarification" in self._events_of[dispute_id]
            assert cleared, f"a take on record without a positive verdict: {said}"
        self._events_of[dispute_id].append(mark)

    def _cleared(self, dispute_id: str) -> bool:
        """Whether the newest verdict about a dispute says that it may be mediated."""
        verdicts = [each for each in self._events_of[dispute_id] if each.startswith("verdict:")]
        return verdicts[-1:] == ["verdict:ask_clarification"]

    def _in_a_session(self, session_id: str, kind: str, said: dict[str, Any]) -> None:
        known = self.paths.get(session_id)
        if kind == "session_opened":
            assert known is None, "opened twice"
            dispute_id = self.disputes[session_id]
            assert self._events_of[dispute_id][-1] == "take:success" or (
                "take:success" in self._events_of[dispute_id]
            ), "a session without a take"
            assert self._cleared(dispute_id), "a session without a positive verdict"
            assert "escalation_recommended" not in self._events_of[dispute_id]
            self.paths[session_id] = _FIRST
            self.opened += 1
            return
        assert known is not None, f"{kind} before the session"
        wanted = _MOVED_TO.get(kind)
        if kind == "state_transition":
            assert said["from"] == known, f"{said} from {known}"
            wanted = said["to"]
        if wanted is not None:
            assert (known, wanted) in LEGAL, f"{known} -> {wanted}"
            self.paths[session_id] = wanted

    def _history_is_what_is_stored(self) -> None:
        assert self.paths == self.states
        of_dispute = defaultdict(list)
        for session_id, dispute_id in self.disputes.items():
            if self.states[session_id] not in _OVER:
                of_dispute[dispute_id].append(self.states[session_id])
        for dispute_id, several in of_dispute.items():
            assert len(several) == 1, f"{dispute_id} has {several}"

    def _lifecycle_agrees(self, lifecycles: list[tuple[Any, ...]]) -> None:
        state_of = {
            self.disputes[each]: state for each, state in self.states.items() if state not in _OVER
        }
        for dispute_id, lifecycle, status, held in lifecycles:
            state = state_of.get(dispute_id)
            where = f"{lifecycle} ({status}), held {held}, session {state}"
            if state in _LIVE:
                assert held, where
                assert lifecycle == "waiting", where
            elif state == "escalation_recommended":
                # Given up with our key, it is somebody's, and nobody knows whose.
                assert lifecycle == "escalated" or not held, where
            else:
                assert lifecycle != "waiting", where
            if held and "escalation_recommended" in self._events_of[dispute_id]:
                assert lifecycle == "escalated", f"handed over, and {where}"
            if lifecycle in ("resolved", "new", "notified"):
                assert state is None, where
            if lifecycle in ("waiting", "escalated"):
                assert status in ("initiated", "in-progress"), where

    # --- words -------------------------------------------------------------------------------

    def _read_outbox(self, before: dict[str, str]) -> None:
        for row_id, purpose, dispute_id, session_id, recipient, text in self._file.rows(
            _OUTBOX, self._row
        ):
            self._row = row_id
            if purpose == "party_message":
                was = before.get(session_id, _FIRST)  # one that is new was none
                assert was in _SPEAKING, f"said to a party in {was}"
                assert self.states[session_id] in _SPEAKING or not self._live_row(row_id)
                self._to_a_party(dispute_id, text)
                continue
            if purpose == "resolution_report":
                assert (dispute_id, f"{recipient}{row_id}") not in self._report_rows
                assert dispute_id in self._reported, "a report that is not on record"
            if purpose == "mediation_summary":
                assert before.get(session_id) == "summary_pending", "a summary after the end"
            self._to_a_solver(purpose, dispute_id, text)

    def _live_row(self, row_id: int) -> bool:
        query = "SELECT next_attempt_at IS NOT NULL FROM outbox WHERE id = ?"
        return bool(self._file.one(query, row_id))

    def _to_a_party(self, dispute_id: str, text: str) -> None:
        """A frame of ours around words that the policy let through to this party, and no more."""
        rest = text
        if rest.startswith("Round "):
            number, _, rest = rest.removeprefix("Round ").partition(". ")
            assert number.isdigit()
        party = next(each for each in Party if rest.startswith(f"{each.value.title()}: "))
        rest = rest.removeprefix(f"{party.value.title()}: ")
        ending = next(line for line in IDENTITY.values() if rest.endswith(f"\n\n{line}"))
        words = rest.removesuffix(f"\n\n{ending}")
        assert words in self._to_party[dispute_id, party], "words nobody let through to a party"

    def _to_a_solver(self, purpose: str, dispute_id: str, text: str) -> None:
        """No words of a model or a party but where they belong, as the policy let them through."""
        if purpose == "mediation_summary":
            head, _, rest = text.partition("\n\n")
            body, _, rest = rest.partition("\n\nSuggested next step: ")
            step, _, _ = rest.rpartition("\n\nSerbero assists")
            assert {body, step} <= self._to_solvers[dispute_id], "a summary nobody let through"
            assert not MARK.search(head)
        elif purpose == "mediation_brief":
            for line in text.split("\n"):
                quoted = line.startswith(">")
                assert quoted or not (MARK.search(line) or SAID_MARK.search(line)), "bare words"
                for found in MARK.findall(line):
                    assert any(
                        found in words
                        for party in Party
                        for words in self._to_party[dispute_id, party]
                    ), "a brief quotes what was never said"
        else:
            assert not MARK.search(text), f"a model's words in {purpose}"
            assert not SAID_MARK.search(text), f"a party's words in {purpose}"

    def _read_what_is_kept(self) -> None:
        """What is shown to people later is what was let through, too."""
        for row_id, dispute_id, *words in self._file.rows(_SUMMARIES, self._summary):
            self._summary = row_id
            assert set(words) <= self._to_solvers[dispute_id], "a summary nobody let through"
        for row_id, dispute_id, text in self._file.rows(_SAID, self._said):
            self._said = row_id
            self._to_a_party(dispute_id, text)

    def _nothing_claimable_is_unsayable(self) -> None:
        for row_id, session_id, dispute_id in self._file.rows(_CLAIMABLE):
            state, lifecycle = self.states[session_id], self._lifecycles[dispute_id]
            assert state in _SPEAKING, f"message {row_id} is claimable in {state}"
            assert lifecycle == "waiting", f"message {row_id} is claimable in {lifecycle}"

    # --- calls and takes ---------------------------------------------------------------------

    def _read_calls(self) -> None:
        for row in self._file.rows(_CALLS, self._call):
            call_id, dispute_id, _session_id, purpose, rationale_id, stored, failure, events = row
            self._call = call_id
            assert rationale_id == stored, "a call without the rationale it names"
            assert dispute_id is not None
            if purpose == "classify" and failure is None:
                self._verdicts += 1
                assert stored is not None, "a classification without its rationale"
                assert events > 0, "a classification without its event"
        # Each session records that of its opening once more.
        assert self._recorded == self._verdicts + self.opened, "classifications and their events"

    def _read_takes(self) -> None:
        for take_id, dispute_id in self._file.rows(_TAKES, self._take):
            self._take = take_id
            kinds = self._events_of[dispute_id]
            assert self._judged.get(dispute_id), "asked for a dispute without a positive verdict"
            assert self._cleared(dispute_id), "asked for a dispute without a positive verdict"
            assert "escalation_recommended" not in kinds, "asked for what went to a human"
