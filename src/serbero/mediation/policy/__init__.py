"""The leash: what a model proposes becomes one of three decisions, and no words pass unscreened.

Pure: values in, values out. ``decision`` decides, ``release`` lets words through or stops them,
``screening`` finds what must not be said, ``vocabulary`` holds the word lists it looks for.
"""

from serbero.mediation.policy.decision import (
    Ask,
    Decision,
    Deliver,
    Escalate,
    Facts,
    NoAnswer,
    Summarize,
    acts_now,
    decide,
    decide_summary,
    opening,
)
from serbero.mediation.policy.person import asks_for_human
from serbero.mediation.policy.release import Stopped, quote
from serbero.mediation.policy.screening import Finding, prepare

__all__ = [
    "Ask",
    "Decision",
    "Deliver",
    "Escalate",
    "Facts",
    "Finding",
    "NoAnswer",
    "Stopped",
    "Summarize",
    "acts_now",
    "asks_for_human",
    "decide",
    "decide_summary",
    "opening",
    "prepare",
    "quote",
]
