"""Every section and key of ``config.toml``, its type, range and default.

One frozen model a section. Integers are TOML integers: a fraction, a quoted number and a
negative value are refused. What a key is for stands in its description, from which messages
and documentation are made. Whether a fault stops the daemon is decided in ``loader``.
"""

from typing import Final

from serbero.config.models.base import LARGEST_INTEGER, Section
from serbero.config.models.delivery import DeliverySection
from serbero.config.models.escalation import EscalationSection, StepEntry
from serbero.config.models.mediation import ChatSection, MediationSection
from serbero.config.models.mostro import MostroSection, RelayEntry
from serbero.config.models.operation import AlertEntry, ObserveSection, RetentionSection
from serbero.config.models.reasoning import FallbackEntry, PromptsSection, ReasoningSection
from serbero.config.models.serbero import DEFAULT_DATABASE, IdentitySection, SerberoSection
from serbero.config.models.solvers import SolverEntry, TimeoutsSection

__all__ = [
    "DEFAULT_DATABASE",
    "LARGEST_INTEGER",
    "LISTS",
    "NESTED",
    "TABLES",
    "AlertEntry",
    "ChatSection",
    "DeliverySection",
    "EscalationSection",
    "FallbackEntry",
    "IdentitySection",
    "MediationSection",
    "MostroSection",
    "ObserveSection",
    "PromptsSection",
    "ReasoningSection",
    "RelayEntry",
    "RetentionSection",
    "Section",
    "SerberoSection",
    "SolverEntry",
    "StepEntry",
    "TimeoutsSection",
]

TABLES: Final[dict[str, type[Section]]] = {
    "serbero": SerberoSection,
    "mostro": MostroSection,
    "timeouts": TimeoutsSection,
    "delivery": DeliverySection,
    "identity": IdentitySection,
    "observe": ObserveSection,
    "chat": ChatSection,
    "mediation": MediationSection,
    "reasoning": ReasoningSection,
    "prompts": PromptsSection,
    "escalation": EscalationSection,
    "retention": RetentionSection,
}
"""Sections that stand once, in the order of the sample."""

LISTS: Final[dict[str, type[Section]]] = {
    "relays": RelayEntry,
    "solvers": SolverEntry,
    "alerts": AlertEntry,
}
"""Sections that stand once an entry, written ``[[relays]]``."""

NESTED: Final[dict[str, type[Section]]] = {
    "reasoning.fallback": FallbackEntry,
    "escalation.steps": StepEntry,
}
"""Like :data:`LISTS`, within a section: written ``[[reasoning.fallback]]``."""
