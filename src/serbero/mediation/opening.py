"""The one transaction in which a session begins: its row, its verdict, its first two messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
import structlog
from nostr_sdk import Keys

from serbero.chat.opening import SharedTradeKeyError, close_in, open_in
from serbero.chat.speaking import CannotSayError, Speaker
from serbero.intake.announcing import Audience
from serbero.mediation.asking import framed, put
from serbero.mediation.escalating import escalate, escalate_unstarted, move_to
from serbero.mediation.policy import Ask
from serbero.messages.party import Language
from serbero.model.lifecycle import Lifecycle
from serbero.model.mediation import PARTY_UNREACHABLE, Trigger
from serbero.model.party import Party
from serbero.mostro.chat_keys import BadChatKeyError, derive
from serbero.store import eligibility, evaluations, sessions
from serbero.store.escalations import Handoff
from serbero.store.mediation_events import Label, Pins
from serbero.store.session_moves import NewSession, OpenRefusal, open_session

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A dispute that may be mediated, by a positive verdict that is on record.

    Attributes:
        session_id: the one it will have, a new UUID.
        ask: the first questions, vetted.
    """

    dispute_id: str
    session_id: str
    pins: Pins
    label: Label
    rationale_id: str
    ask: Ask = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opener:
    """Who opens sessions, and how.

    Attributes:
        keys: ours; messages are addressed by what they share with a party's.
        audience: the solvers.
        speaker: writes to parties.
        language: ``[mediation].language``.
    """

    keys: Keys = field(repr=False)
    audience: Audience
    speaker: Speaker
    language: Language

    def open(
        self,
        tx: sa.Connection,
        prepared: Prepared,
        trade_keys: Mapping[Party, str],
        answered_at: int,
        at_ms: int,
    ) -> bool:
        """Open the session of a dispute that we hold and put its first questions.

        What cannot be mediated after all goes to a human, in the same transaction.

        Args:
            tx: the transaction, usually that which records the take.
            prepared: the verdict.
            trade_keys: of the parties, hex.
            answered_at: Unix seconds at which the node gave us the dispute.
            at_ms: Unix milliseconds.

        Returns:
            Whether there is a session now that there was not.
        """
        addresses = self._addresses(trade_keys)
        if addresses is None or not self._listen(tx, prepared, trade_keys, answered_at, at_ms):
            handoff = Handoff(Trigger.NOTIFICATION_FAILED, reason=PARTY_UNREACHABLE)
            about = (prepared.dispute_id, handoff, prepared.pins, at_ms)
            escalate_unstarted(tx, self.audience, *about)
            return False
        now = at_ms // 1000
        new = NewSession(
            session_id=prepared.session_id,
            dispute_id=prepared.dispute_id,
            pins=prepared.pins,
            buyer_address=addresses[Party.BUYER],
            seller_address=addresses[Party.SELLER],
            assigned_solver=self.audience.sender,
        )
        refusal = open_session(tx, new, now)
        if isinstance(refusal, OpenRefusal):
            if refusal is not OpenRefusal.ALREADY_OPEN:
                # Nobody would read what a party writes there.
                close_in(tx, prepared.dispute_id, now)
            _log.warning(
                "mediation_session_not_opened",
                dispute_id=prepared.dispute_id,
                reason=refusal.value,
            )
            return False
        label, rationale_id = prepared.label, prepared.rationale_id
        evaluations.record_opening(tx, new.session_id, new.pins, label, rationale_id, now)
        move_to(tx, new.dispute_id, Lifecycle.WAITING, now, "session_opened")
        eligibility.forget_failed_starts(tx, new.dispute_id)
        self._ask(tx, prepared, at_ms)
        return True

    def _ask(self, tx: sa.Connection, prepared: Prepared, at_ms: int) -> None:
        session = sessions.load(tx, prepared.session_id)
        if session is None:
            return
        pair = framed(prepared.ask, self.language, {}, None)
        try:
            with tx.begin_nested():
                put(tx, self.speaker, session, pair, at_ms)
        except CannotSayError as error:
            _log.error("party_message_impossible", session_id=session.session_id, reason=str(error))
            handoff = Handoff(Trigger.NOTIFICATION_FAILED, reason=PARTY_UNREACHABLE)
            escalate(tx, self.audience, session.session_id, handoff, at_ms)

    def _addresses(self, trade_keys: Mapping[Party, str]) -> dict[Party, str] | None:
        """Where each party is addressed; None where one cannot be."""
        secret = self.keys.secret_key().to_hex()
        if set(trade_keys) != set(Party):
            return None
        try:
            return {
                party: derive(secret, trade_key).legacy_address
                for party, trade_key in trade_keys.items()
            }
        except BadChatKeyError:
            return None

    def _listen(
        self,
        tx: sa.Connection,
        prepared: Prepared,
        trade_keys: Mapping[Party, str],
        answered_at: int,
        at_ms: int,
    ) -> bool:
        try:
            with tx.begin_nested():
                open_in(
                    tx,
                    prepared.dispute_id,
                    trade_keys,
                    since=answered_at,
                    now=at_ms // 1000,
                )
        except SharedTradeKeyError:
            return False
        return True
