"""What is said in the demonstration's conversation. The words are the script's alone."""

from collections.abc import Mapping
from typing import Final

from serbero.model.party import Party
from serbero.simulator.node_messages import Protocol
from serbero.simulator.party_chat import EnvelopeChoice

QUESTIONS: Final[Mapping[Party, str]] = {
    Party.BUYER: "I am Serbero, a program; I decide nothing. When and how did you pay?",
    Party.SELLER: "I am Serbero, a program; I decide nothing. Has the money arrived?",
}
ANSWERS: Final[Mapping[Party, tuple[str, ...]]] = {
    Party.BUYER: ("On Monday, by SEPA transfer.", "Its reference is 4711-0815."),
    Party.SELLER: ("El dinero no ha llegado a mi cuenta.",),
}
THANKS: Final[Mapping[Party, str]] = {
    Party.BUYER: "Thank you. A person will decide.",
    Party.SELLER: "Gracias. Una persona va a decidir.",
}
TOO_LATE: Final = "One more question, please."
"""What Serbero is told to say after the takeover."""

TRANSPORTS: Final[Mapping[Protocol, str]] = {1: "gift wraps", 2: "direct messages"}
CLIENTS: Final[Mapping[Protocol, Mapping[Party, EnvelopeChoice]]] = {
    1: {Party.BUYER: "gift-wrap", Party.SELLER: "kind14"},
    2: {Party.BUYER: "kind14", Party.SELLER: "kind14"},
}
"""Around a node of protocol 1 clients of both ages meet; around one of protocol 2 all are new."""
AGES: Final[Mapping[EnvelopeChoice, str]] = {
    "gift-wrap": "an old client (gift wraps)",
    "kind14": "a current client (kind 14)",
}


def everything_said() -> dict[str, str]:
    """Every text, by what a search for it may call it."""
    spoken = {f"Serbero's words to the {party}": text for party, text in QUESTIONS.items()}
    spoken |= {f"Serbero's thanks to the {party}": text for party, text in THANKS.items()}
    for party, texts in ANSWERS.items():
        spoken |= {f"the {party}'s words ({n})": text for n, text in enumerate(texts, start=1)}
    return spoken | {"Serbero's last words": TOO_LATE}
