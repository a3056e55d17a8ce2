"""Whatever is tried in whatever order, the history of every session is a legal path.

Each move leaves one event that names it, an escalation's two events stand together, and counters
tell the truth.
"""

import json
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.store.mediation_rig import (
    BUYER,
    LABEL,
    PINS,
    SELLER,
    SETTLE,
    Talk,
    new_session,
    pair,
    rationale,
    session_id,
    take,
)
from tests.store.rig import T0, Database, audience, dispute_id, revision

from serbero.model.mediation import (
    FIRST_STATE,
    LIVE,
    SESSION_TRANSITIONS,
    SPEAKING,
    SessionState,
    Trigger,
)
from serbero.model.party import Party
from serbero.model.taking import Release
from serbero.store import (
    escalations,
    evaluations,
    parties,
    session_messages,
    session_moves,
    sessions,
    summaries,
)
from serbero.store.escalations import Escalated, Handoff
from serbero.store.session_messages import Intake
from serbero.store.session_moves import EndCause, Moved, MoveRefused, OpenRefusal, Step

DISPUTES: Final = (1, 2, 3)
S = SessionState
STEPS: Final[tuple[Step, ...]] = (
    S.AWAITING_RESPONSE,
    S.CLASSIFIED,
    S.FOLLOW_UP_PENDING,
    S.SUMMARY_PENDING,
)
SOME_DISPUTE: Final = st.sampled_from(DISPUTES)
SOME_PARTY: Final = st.sampled_from(Party)


def path_of(rows: list[tuple[str, str]]) -> list[SessionState]:
    """The states a session went through, as its trail tells."""
    states = []
    for kind, payload in rows:
        match kind:
            case "session_opened":
                states.append(FIRST_STATE)
            case "state_transition":
                move = json.loads(payload)
                assert states[-1] == move["from"]
                states.append(S(move["to"]))
            case "escalation_recommended":
                states.append(S.ESCALATION_RECOMMENDED)
            case "superseded_by_human":
                states.append(S.SUPERSEDED_BY_HUMAN)
            case "session_closed":
                states.append(S.CLOSED)
    return states


class Mediation(RuleBasedStateMachine):
    """Three disputes, and sessions of them, driven blindly."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.database = Database(Path(self.folder.name) / "serbero.db")
        self.now = T0
        self.begun: dict[str, Talk] = {}
        self.revisions = 0

    @initialize()
    def somebody_waits(self) -> None:
        """One session is open and another may be: what follows is mostly about them."""
        for number in (1, 2):
            self.open_anew(number)
            self.take(number)
        self.begin(1)
        [(first, _)] = self.begun.items()
        questions = pair(first, 1, self.tick())
        self.database.run(session_messages.put_pair, first, questions, self.now)

    def teardown(self) -> None:
        self.database.close()
        self.folder.cleanup()

    def tick(self) -> int:
        self.now += 1
        return self.now

    def state_of(self, session: str) -> SessionState:
        found = self.database.run(sessions.load, session)
        assert found is not None
        return found.state

    def newest_of(self, number: int) -> str | None:
        found = self.database.run(sessions.of_dispute, dispute_id(number))
        return found[0].session_id if found else None

    @rule(number=SOME_DISPUTE)
    def open_anew(self, number: int) -> None:
        self.database.record(revision(number, at=self.tick()), audience=audience(1), now=self.now)

    @rule(number=SOME_DISPUTE)
    def take(self, number: int) -> None:
        if self.database.rows("SELECT 1 FROM disputes WHERE dispute_id = ?", dispute_id(number)):
            self.database.run(take, dispute_id(number), self.tick())

    @rule(number=SOME_DISPUTE, why=st.sampled_from(Release))
    def lose(self, number: int, why: Release) -> None:
        self.database.run(parties.release, dispute_id(number), why, self.tick())

    @rule(number=SOME_DISPUTE)
    def begin(self, number: int) -> None:
        new = new_session(dispute_id(number), len(self.begun) + 1)
        before = self.database.run(sessions.of_dispute, new.dispute_id)
        held = self.database.run(parties.holding, new.dispute_id)
        said = self.database.run(session_moves.open_session, new, self.tick())
        if said is FIRST_STATE:
            assert held is not None
            assert all(each.state in (S.CLOSED, S.SUPERSEDED_BY_HUMAN) for each in before)
            self.begun[new.session_id] = Talk(self.database, new.session_id)
        elif held is None:
            assert said is OpenRefusal.NOT_HELD
        elif said is OpenRefusal.ESCALATED:
            assert self.database.rows(
                "SELECT 1 FROM dispute_events WHERE dispute_id = ? AND"
                " kind = 'escalation_recommended'",
                new.dispute_id,
            )
        else:
            assert said is OpenRefusal.ALREADY_OPEN
            assert before

    @precondition(lambda self: self.begun)
    @rule(data=st.data(), wanted=st.sampled_from(STEPS))
    def step(self, data: Any, wanted: Step) -> None:
        session = data.draw(st.sampled_from(sorted(self.begun)))
        before = self.state_of(session)
        said = self.database.run(session_moves.advance, session, wanted, self.tick())
        assert isinstance(said, Moved) == (wanted in SESSION_TRANSITIONS[before])
        assert self.state_of(session) == (wanted if isinstance(said, Moved) else before)

    @precondition(lambda self: self.begun)
    @rule(data=st.data(), evaluated=st.booleans())
    def ask(self, data: Any, *, evaluated: bool) -> None:
        session = data.draw(st.sampled_from(sorted(self.begun)))
        before = self.database.run(sessions.load, session)
        assert before is not None
        questions = pair(session, before.pairs_put + 1, self.tick())
        put = self.database.run(session_messages.put_pair, session, questions, self.now)
        assert (put is not None) == (before.state in SPEAKING)
        if put is not None and evaluated:
            self.database.run(evaluations.settle, session, before.fresh)
            after = self.database.run(sessions.load, session)
            assert after is not None
            assert (after.evaluated, after.evaluate_at) == (before.fresh, None)

    @precondition(lambda self: self.begun)
    @rule(data=st.data(), party=SOME_PARTY, again=st.booleans(), before_take=st.booleans())
    def answer(self, data: Any, party: Party, *, again: bool, before_take: bool) -> None:
        talk = self.begun[data.draw(st.sampled_from(sorted(self.begun)))]
        live = self.state_of(talk.session) in LIVE
        said = talk.message(party, self.tick(), at=T0 - 5_000 if before_take else None)
        known = self.database.rows(
            "SELECT 1 FROM mediation_messages WHERE session_id = ? AND inner_event_id = ?",
            talk.session,
            said.inner_id,
        )
        took = self.database.run(session_messages.take_in, said, self.now, SETTLE)
        if known:
            assert took is Intake.DUPLICATE
        else:
            assert took is (Intake.FRESH if live and not before_take else Intake.STALE)
        if not again:
            talk.said += 1

    @precondition(lambda self: self.begun)
    @rule(data=st.data(), fails=st.booleans())
    def evaluate(self, data: Any, *, fails: bool) -> None:
        session = data.draw(st.sampled_from(sorted(self.begun)))
        if fails:
            self.database.run(evaluations.fail, session, self.tick() + 30)
        else:
            why = rationale(dispute_id(1), session, "the same words")
            self.database.run(evaluations.record, session, LABEL, why, self.tick())

    @precondition(lambda self: self.begun)
    @rule(data=st.data())
    def summarize(self, data: Any) -> None:
        session = data.draw(st.sampled_from(sorted(self.begun)))
        before = self.state_of(session)
        why = rationale(dispute_id(1), session, "a summary")
        args = (session, LABEL, "body", "step", why, self.tick())
        stored = self.database.run(summaries.save, *args)
        assert (stored is not None) == (before is S.SUMMARY_PENDING)

    @precondition(lambda self: self.begun)
    @rule(data=st.data())
    def deliver(self, data: Any) -> None:
        session = data.draw(st.sampled_from(sorted(self.begun)))
        before = self.state_of(session)
        said = self.database.run(session_moves.finish_summary, session, self.tick())
        assert isinstance(said, Moved) == (before is S.SUMMARY_PENDING)
        assert self.state_of(session) == (S.CLOSED if isinstance(said, Moved) else before)

    @precondition(lambda self: self.begun)
    @rule(data=st.data(), trigger=st.sampled_from(Trigger))
    def escalate(self, data: Any, trigger: Trigger) -> None:
        session = data.draw(st.sampled_from(sorted(self.begun)))
        before = self.state_of(session)
        said = self.database.run(
            escalations.escalate_session, session, Handoff(trigger), self.tick()
        )
        if before in LIVE:
            assert isinstance(said, Escalated)
            assert said.was is before
        else:
            assert said == MoveRefused(before, S.ESCALATION_RECOMMENDED)

    @rule(number=st.sampled_from((2, 3)), trigger=st.sampled_from(Trigger))
    def escalate_before(self, number: int, trigger: Trigger) -> None:
        args = (dispute_id(number), Handoff(trigger), PINS, self.tick())
        left = self.database.run(sessions.of_dispute, dispute_id(number))
        escalated = self.database.run(escalations.escalate_dispute, *args)
        if escalated is not None:
            assert all(each.state is S.CLOSED for each in left)

    @rule(number=SOME_DISPUTE, cause=st.sampled_from(EndCause))
    def end(self, number: int, cause: EndCause) -> None:
        self.database.run(
            session_moves.end_sessions,
            dispute_id(number),
            cause,
            self.tick(),
            event_id="e",
            status="settled",
        )
        left = self.database.run(sessions.of_dispute, dispute_id(number))
        assert all(each.state is S.CLOSED for each in left)

    @rule()
    def restart(self) -> None:
        before = self.database.run(sessions.live)
        self.database.reopen(self.now)
        assert self.database.run(sessions.live) == before

    @invariant()
    def every_history_is_a_legal_path(self) -> None:
        for session in self.begun:
            rows = self.database.rows(
                "SELECT kind, payload_json FROM mediation_events WHERE session_id = ? ORDER BY id",
                session,
            )
            went = path_of(rows)
            assert went[0] is FIRST_STATE
            for current, wanted in pairwise(went):
                assert wanted in SESSION_TRANSITIONS[current]
            assert went[-1] is self.state_of(session)
            kinds = [kind for kind, _ in rows]
            recommended = [at for at, kind in enumerate(kinds) if kind == "escalation_recommended"]
            prepared = [at for at, kind in enumerate(kinds) if kind == "handoff_prepared"]
            assert [at + 1 for at in recommended] == prepared
            assert len(prepared) <= 1
            assert kinds.count("session_closed") <= 1

    @invariant()
    def one_pair_a_dispute(self) -> None:
        pairs = self.database.rows(
            "SELECT dispute_id, kind, count(*) FROM dispute_events WHERE kind IN"
            " ('escalation_recommended', 'handoff_prepared') GROUP BY dispute_id, kind"
        )
        assert all(number == 1 for _, _, number in pairs)
        assert len(pairs) % 2 == 0

    @invariant()
    def at_most_one_session_of_a_dispute_is_not_over(self) -> None:
        counted = self.database.rows(
            "SELECT count(*) FROM mediation_sessions WHERE state NOT IN ('closed',"
            " 'superseded_by_human') GROUP BY dispute_id"
        )
        assert all(number == 1 for (number,) in counted)

    @invariant()
    def every_session_comes_after_its_take(self) -> None:
        for dispute, first in self.database.rows(
            "SELECT s.dispute_id, min(e.id) FROM mediation_sessions s JOIN mediation_events e"
            " USING (session_id) WHERE e.kind = 'session_opened' GROUP BY s.dispute_id"
        ):
            before = self.database.rows(
                "SELECT kind, min(event_id) FROM dispute_events WHERE dispute_id = ? AND kind IN"
                " ('reasoning_verdict', 'take_dispute_issued') GROUP BY kind ORDER BY kind",
                dispute,
            )
            [(_, verdict), (_, taken)] = before
            assert verdict < taken < first

    @invariant()
    def counters_are_what_the_rows_say(self) -> None:
        for session in self.begun:
            found = self.database.run(sessions.load, session)
            assert found is not None
            counted = {
                (str(direction), str(party)): int(number)
                for direction, party, number in self.database.rows(
                    "SELECT direction, party, count(*) FROM mediation_messages WHERE"
                    " session_id = ? AND stale = 0 GROUP BY direction, party",
                    session,
                )
            }
            fresh = {party: counted.get(("inbound", party.value), 0) for party in Party}
            assert {party: found.side(party).fresh for party in Party} == fresh
            assert found.round_count == min(fresh.values())
            assert found.evaluated <= found.fresh
            for party in (BUYER, SELLER):
                assert counted.get(("outbound", party.value), 0) == found.pairs_put
            if found.state not in SPEAKING:
                assert found.evaluate_at is None

    @invariant()
    def everything_is_pinned(self) -> None:
        for table, where in (
            ("mediation_sessions", "1"),
            ("mediation_messages", "direction = 'outbound'"),
            ("mediation_summaries", "1"),
            ("reasoning_rationales", "1"),
        ):
            query = (
                f"SELECT count(*) FROM {table} WHERE {where} AND"  # noqa: S608
                " (prompt_bundle_id IS NOT ? OR policy_hash IS NOT ?)"
            )
            assert self.database.one(query, PINS.bundle_id, PINS.policy_hash) == 0


Mediation.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestMediation = Mediation.TestCase


def test_the_reader_of_trails_sees_an_illegal_path() -> None:
    went = path_of([("session_opened", "{}"), ("session_closed", "{}")])
    assert went[1] not in SESSION_TRANSITIONS[went[0]]
    assert session_id(1) != session_id(2)
