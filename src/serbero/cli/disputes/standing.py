"""Where a dispute stands, in plain words: what happens next, and who is awaited."""

from dataclasses import dataclass

from serbero.cli.disputes.words import STATES, STATUSES, because
from serbero.cli.page import counted, moment, span, word
from serbero.cli.solver_keys import solver_name
from serbero.model.lifecycle import UNATTENDED, Lifecycle
from serbero.model.mediation import LIVE
from serbero.model.notification import OutboxState
from serbero.store.dispute_story import LadderRecord, Story
from serbero.store.session_record import Record


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands.

    Attributes:
        words: the state.
        next: what Serbero does next.
        awaited: whose turn it is.
    """

    words: str
    next: str
    awaited: str


def standing(story: Story, now: int) -> Standing:
    """Return where a dispute stands at Unix second ``now``."""
    state = story.dispute.state
    if state == Lifecycle.RESOLVED:
        status = story.dispute.status
        # The reference does not keep how a dispute was closed.
        how = "how is not on record"
        if status not in ("initiated", "in-progress"):
            how = f"{because(STATUSES, status)} ({word(status)})"
        words = f"{STATES[Lifecycle.RESOLVED]}: {how}"
        return Standing(words, "Nothing, unless it is opened anew.", "nobody")
    words = STATES.get(state, "")
    if not words:
        return Standing(f"{word(state)}, a state this version does not know", "unknown", "unknown")
    if state in UNATTENDED:
        return Standing(words, _until_taken(story), "any solver, to take it")
    if state == Lifecycle.WAITING:
        return Standing(words, *_mediation(story))
    if state == Lifecycle.ESCALATED:
        return Standing(words, *_human(story, now))
    if story.dispute.held and _summarised(story):
        return Standing(
            f"{words}: Serbero, whose summary a solver has",
            "Nothing, until a human takes it over at the node.",
            "a human, to decide by the summary",
        )
    return Standing(
        f"{words}: {_who(story)}", "Nothing, until its outcome at the node.", _who(story)
    )


def _until_taken(story: Story) -> str:
    pending = sum(each.state == OutboxState.PENDING for each in story.deliveries)
    said = "Solvers are reminded until somebody takes it."
    if pending:
        said = f"{counted(pending, 'message')} still on the way. {said}"
    if story.reminders:
        said += f" {counted(story.reminders, 'round')} so far."
    return said


def _mediation(story: Story) -> tuple[str, str]:
    live = _live(story)
    if live is None:
        return "No session of it goes on: look with `serbero sessions list`.", "a human"
    waits = [each.party.value for each in live.sides if each.waits]
    if not waits:
        return "What was answered is looked at.", "Serbero"
    return "Serbero looks at what they answer.", " and the ".join(("the " + waits[0], *waits[1:]))


def _live(story: Story) -> Record | None:
    states = {each.value for each in LIVE}
    return next((each for each in story.sessions if each.session.state in states), None)


def _summarised(story: Story) -> bool:
    """Whether mediation came to its end and a solver was given what it found."""
    return any(each.trigger == "mediation:summary_delivered" for each in story.changes[-1:])


def _human(story: Story, now: int) -> tuple[str, str]:
    said = next((a for a in reversed(story.acknowledgements) if a.ended_at is None), None)
    if said is not None and said.expires_at is not None and said.expires_at > now:
        left = span(said.expires_at - now)
        return (
            f"Reminders go on in {left}, unless it is taken at the node.",
            f"{solver_name(said.solver)}, who said to have it",
        )
    ladder = _running(story)
    if ladder is None or ladder.next_at is None:
        return "Nothing by itself: no reminder is planned.", "a human, to take it"
    if ladder.next_at <= now:
        return "A reminder is due now.", "a human, to take it"
    at = f"{moment(ladder.next_at)} UTC, in {span(ladder.next_at - now)}"
    return f"The next reminder is at {at}.", "a human, to take it"


def _running(story: Story) -> LadderRecord | None:
    return next((each for each in reversed(story.ladders) if each.ended_at is None), None)


def _who(story: Story) -> str:
    dispute = story.dispute
    if dispute.acknowledged_by is not None:
        return f"{solver_name(dispute.acknowledged_by)}, who said to have it"
    if dispute.held:
        return "Serbero"
    if dispute.assigned is not None:
        return solver_name(dispute.assigned)
    return "the solver who took it; the node does not say who"
