"""What is said of a model's answers and of endings, for people who know nothing of either. Pure."""

import json
from collections.abc import Mapping
from typing import Final

from serbero.model.mediation import SessionState, Trigger
from serbero.model.party import Party
from serbero.reasoning.calls import Purpose
from serbero.simulator.scenario_prompt import Asked
from serbero.simulator.scenario_truth import Case

_ASK: Final = "ask both"
_ACTIONS: Final[Mapping[str, str]] = {
    "ask_clarification": _ASK,
    "summarize": "write a summary for the solvers",
    "escalate": "call a person",
}
_TRIGGERS: Final[Mapping[Trigger, str]] = {
    Trigger.PARTY_UNRESPONSIVE: "a party was asked and did not answer in time. Serbero does not "
    "guess what silence means",
    Trigger.CONFLICTING_CLAIMS: "the two accounts cannot both be true, and Serbero never says who "
    "is right",
    Trigger.FRAUD_INDICATOR: "there are signs of fraud. Nobody was asked anything, and the dispute "
    "was left for a person to take",
    Trigger.AUTHORITY_BOUNDARY_ATTEMPT: "the model's words reach for what only the solver may do. "
    "They were kept for the audit and went nowhere",
    Trigger.LOW_CONFIDENCE: "no more is asked when nobody can be sure that asking helps",
    Trigger.REASONING_UNAVAILABLE: "the model could not be had for too long",
    Trigger.ROUND_LIMIT: "as many questions were put as may be",
}
_HUMAN_REQUESTED: Final = "a party wants a person, and need not say why"
_ENDINGS: Final[Mapping[SessionState, str]] = {
    SessionState.ESCALATION_RECOMMENDED: "From here on Serbero writes to neither party.",
    SessionState.CLOSED: "Its part is over; what becomes of the money was never its to say.",
}


def model_line(asked: Asked, said: str) -> str:
    """Say what the model was shown and what it made of it."""
    shown = f"reads {_lines(asked, Party.BUYER)} and {_lines(asked, Party.SELLER)}"
    if asked.purpose is Purpose.SUMMARIZE:
        return f"{shown}, writes a summary"
    verdict = json.loads(said)
    action = _ACTIONS.get(verdict["suggested_action"], verdict["suggested_action"])
    flags = "".join(f", flag {each}" for each in verdict["flags"])
    line = f"{shown}; {verdict['classification']} ({verdict['confidence']:.2f}{flags}): {action}"
    silent = min(Party, key=lambda party: len(asked.said[party]))
    if action == _ASK and asked.lines > 2 * asked.rounds:
        line += f", but the {silent.value} has yet to answer"
    return line


def _lines(asked: Asked, party: Party) -> str:
    count = len(asked.said[party])
    return f"{count or 'no'} line{'' if count == 1 else 's'} of the {party.value}"


def why_it_stopped(case: Case) -> str:
    """Say why Serbero stopped where it did, by what its database says."""
    if case.trigger is not None:
        return f"It stopped since {_cause(case)}."
    if case.reason == "summary_delivered":
        return "It stopped since the solvers have what they need to decide."
    return "It stopped since a person has the dispute."


def _cause(case: Case) -> str:
    if case.reason == "human_requested":
        return _HUMAN_REQUESTED
    known = {trigger.value: words for trigger, words in _TRIGGERS.items()}
    return known.get(case.trigger or "", f"of {case.trigger}")


def ending(case: Case) -> str:
    """Say how a session ended, in the database's own words, and what that means."""
    if case.state is None:
        words = "no session"
        meaning = "Nothing was taken, nobody was asked."
    else:
        words = f"session {(case.session_id or '')[:8]} is {case.state.value}"
        meaning = _ENDINGS.get(case.state, "")
    if case.trigger is not None:
        reason = "" if case.reason is None else f", {case.reason}"
        words += f" ({case.trigger}{reason})"
    elif case.reason is not None:
        words += f" ({case.reason})"
    return f"{words}. {meaning}".strip()
