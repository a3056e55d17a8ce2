"""``serbero sessions replay``: what was said then beside what is said now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from serbero.cli.page import Page, columns, counted, moment, short, word
from serbero.cli.sessions.asking import Replayed
from serbero.cli.sessions.words import label_words, outcome_words
from serbero.mediation.hindsight import Done, Judgement
from serbero.mediation.replay import Answer, Obstacle

_ROOM: Final = 150
"""Columns that then and now take beside each other."""

_OBSTACLES: Final[Mapping[Obstacle, str]] = {
    Obstacle.NOT_RECORDED: "what the model was shown is not on record",
    Obstacle.PURGED: "the words of the transcript were emptied by a purge",
    Obstacle.BUNDLE_MISSING: "its prompts are not kept here; --prompts DIR names others",
    Obstacle.INITIATOR_UNKNOWN: "who opened the dispute is not known",
}


def document(done: Replayed) -> dict[str, object]:
    """The comparison as JSON."""
    session = done.record.session
    differing = [each for each in done.answers if each.asked and not each.same]
    rows: list[tuple[int, dict[str, object]]] = [
        *((each.step.judgement.number, _answer_document(each)) for each in done.answers),
        *(
            (each.judgement.number, _then(each.judgement) | {"not_asked": each.obstacle.value})
            for each in done.left
        ),
        *(
            (each.judgement.number, _then(each.judgement) | {"not_asked": "model_unavailable"})
            for each in done.unasked
        ),
    ]
    return {
        "ok": done.ok,
        "session_id": session.session_id or None,
        "dispute_id": session.dispute_id,
        "provider": done.provider,
        "model": done.model,
        "policy_hash": None if done.prompts is None else done.prompts.policy_hash,
        "asked": sum(each.asked for each in done.answers),
        "different": len(differing),
        "classifications": [row for _, row in sorted(rows, key=lambda row: row[0])],
    }


def _then(judgement: Judgement) -> dict[str, object]:
    return {
        "number": judgement.number,
        "at": judgement.at,
        "opening": judgement.opening,
        "recorded": _said(judgement.label, judgement.confidence, judgement.done),
    }


def _said(label: str | None, confidence: float | None, done: Done) -> dict[str, object]:
    return {
        "classification": label,
        "confidence": confidence,
        "decision": done.outcome.value,
        "trigger": done.trigger,
        "reason": done.reason,
        "findings": list(done.findings),
    }


def _answer_document(answer: Answer) -> dict[str, object]:
    call = answer.call
    replayed = _said(answer.label, answer.confidence, answer.done) | {
        "failure": answer.failure,
        "policy_hash": answer.step.request.bundle.policy_hash,
        "latency_ms": call.latency_ms,
        "input_tokens": call.input_tokens,
        "output_tokens": call.output_tokens,
    }
    if not answer.asked:
        return _then(answer.step.judgement) | {
            "not_asked": "model_unavailable",
            "failure": answer.failure,
        }
    return _then(answer.step.judgement) | {"replayed": replayed, "same": answer.same}


def show(done: Replayed, page: Page) -> None:
    """Print then and now: beside each other where there is room, else under one another."""
    session = done.record.session
    told = (
        "its own prompts" if done.prompts is None else f"prompts {short(done.prompts.policy_hash)}"
    )
    asked = f"{word(done.provider)}/{word(done.model)}, {told}"
    which = f"dispute {short(session.dispute_id)}, which has no session,"
    if session.session_id:
        which = f"session {short(session.session_id)}"
    page.paragraph(f"Replay of {which} with {asked}")
    rows = sorted(_rows(done), key=lambda row: row.number)
    page.line()
    if page.room >= _ROOM:
        _side_by_side(rows, page)
    else:
        _stacked(rows, page)
    page.line()
    page.paragraph(_tally(done))


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    when: str
    then: str
    now: str
    verdict: str


_STYLES: Final[Mapping[str, str]] = {"same": "green", "differs": "bold yellow", "failed": "red"}


def _rows(done: Replayed) -> list[_Row]:
    rows = [_row(each.judgement, _OBSTACLES[each.obstacle], "not asked") for each in done.left]
    rows += [
        _row(each.judgement, "the model could not be had", "not asked") for each in done.unasked
    ]
    for each in done.answers:
        judgement = each.step.judgement
        if not each.asked:
            rows.append(_row(judgement, word(each.failure), "failed"))
            continue
        said = f"{label_words(each.label, each.confidence)}: {outcome_words(each.done)}"
        if each.failure is not None:
            said = f"no usable answer ({word(each.failure)}): {outcome_words(each.done)}"
        rows.append(_row(judgement, said, "same" if each.same else "differs"))
    return rows


def _row(judgement: Judgement, now: str, verdict: str) -> _Row:
    label = label_words(judgement.label, judgement.confidence)
    when = f"{moment(judgement.at)}{' opening' if judgement.opening else ''}"
    then = f"{label}: {outcome_words(judgement.done)}"
    return _Row(judgement.number, when, then, now, verdict)


def _side_by_side(rows: Sequence[_Row], page: Page) -> None:
    cells = [("", "#", "WHEN (UTC)", "THEN", "NOW")]
    cells += [(each.verdict, str(each.number), each.when, each.then, each.now) for each in rows]
    for number, line in enumerate(columns(cells)):
        page.line(line, _STYLES.get(rows[number - 1].verdict, "") if number else "dim")


def _stacked(rows: Sequence[_Row], page: Page) -> None:
    for each in rows:
        page.pieces(
            (f"{each.number}  {each.when}  ", "dim"),
            (each.verdict, _STYLES.get(each.verdict, "dim")),
        )
        page.hanging("   then  ", each.then)
        page.hanging("   now   ", each.now)


def _tally(done: Replayed) -> str:
    answered = [each for each in done.answers if each.asked]
    same = sum(each.same for each in answered)
    parts = [f"{counted(len(answered), 'classification')} asked again"]
    if answered:
        parts.append(f"{same} the same, {len(answered) - same} different")
    lost = len(done.answers) - len(answered) + len(done.left) + len(done.unasked)
    if lost:
        parts.append(f"{lost} could not be asked")
    return "; ".join(parts) + ". Nothing was sent to anybody, nothing was written."
