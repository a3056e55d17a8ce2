"""Putting a pair of questions: stored, signed and enqueued together, to both parties or to none."""

from collections.abc import Mapping

import sqlalchemy as sa

from serbero.chat.speaking import NoChannelError, Speaker, say
from serbero.mediation.policy import Ask
from serbero.messages.party import Language, language_of, question
from serbero.model.party import Party
from serbero.model.texts import Outgoing
from serbero.store import session_messages, sessions
from serbero.store.session_messages import Question
from serbero.store.sessions import Session


def framed(
    ask: Ask, language: Language, tags: Mapping[Party, str | None], number: int | None
) -> dict[Party, Outgoing]:
    """Return both texts as they are sent.

    Args:
        ask: the vetted questions.
        language: of who writes, for a party whose language is not known.
        tags: what the parties write in, where known.
        number: the follow-up's number, from 1; None for the opening.
    """
    words = {Party.BUYER: ask.buyer, Party.SELLER: ask.seller}
    return {
        party: question(party, words[party], language_of(tags.get(party), language), number)
        for party in Party
    }


def put(
    tx: sa.Connection,
    speaker: Speaker,
    session: Session,
    pair: Mapping[Party, Outgoing],
    at_ms: int,
) -> bool:
    """Put a pair of questions.

    Returns:
        False if the session does not speak (any more); nothing was written then.

    Raises:
        CannotSayError: one of them cannot go out; the caller undoes what it wrote.
    """
    if not sessions.may_speak(tx, session.session_id):
        return False
    questions = {}
    for party, outgoing in pair.items():
        inner = say(
            tx,
            speaker,
            session.dispute_id,
            party,
            outgoing.text,
            anchor=f"{session.session_id}:{session.pairs_put + 1}",
            at_ms=at_ms,
            session_id=session.session_id,
        )
        if inner is None:
            raise NoChannelError(f"the {party} was asked this before")
        questions[party] = Question(
            address=session.side(party).address or "",
            inner_id=inner.id().to_hex(),
            created_at=inner.created_at().as_secs(),
            text=outgoing.text,
        )
    session_messages.put_pair(tx, session.session_id, questions, at_ms // 1000)
    return True
