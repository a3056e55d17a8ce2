"""What must not be said: one text in, typed findings out.

A text is screened as a reader perceives it (see ``folding``), whatever disguise it came in. The
lists are in ``vocabulary``. Screening errs on the side of stopping: a false alarm costs one
escalation, a miss costs a party's money.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final

from serbero.mediation.policy import base58, commands
from serbero.mediation.policy.folding import Folded, Shapes, fold
from serbero.mediation.policy.phrases import Phrases
from serbero.mediation.policy.vocabulary import (
    addresses,
    authority,
    contact,
    impersonation,
    injection,
    languages,
    payment,
    withheld,
)
from serbero.mediation.policy.vocabulary.leads import LEADS
from serbero.mediation.policy.vocabulary.seed_words import SEED_WORDS
from serbero.messages.tidying import tidy
from serbero.model.mediation import Trigger


class Finding(StrEnum):
    """Why a text may not leave."""

    AUTHORITY = "authority"
    """An order, a ruling, a promise: what only the human solver may say."""
    SECRET = "secret"  # noqa: S105 - the name of a finding
    """Asks for what opens a wallet, an account or an identity, or speaks of it."""
    PAYMENT = "payment"
    """Asks for money."""
    INVOICE = "invoice"
    """Carries an address that money would go to."""
    KEY = "key"
    """Carries a key, an identity, a hash or a seed phrase."""
    LINK = "link"
    CONTACT = "contact"
    """Asks for contact elsewhere, or carries a way to it."""
    IMPERSONATION = "impersonation"
    """Speaks as a human, the solver, Mostro, support or a party."""
    INSTRUCTIONS = "instructions"
    """Follows orders that came from a transcript, or talks of its own."""
    MARKUP = "markup"
    """Control tokens, forged delimiters, tool output, code."""
    PLACEHOLDER = "placeholder"
    """A gap nobody filled."""
    EMPTY = "empty"
    TOO_LONG = "too_long"
    UNREADABLE = "unreadable"
    """Not in a language or a script that can be screened, or not prose at all."""


TRIGGERS: Final = {
    Finding.AUTHORITY: Trigger.AUTHORITY_BOUNDARY_ATTEMPT,
    Finding.SECRET: Trigger.AUTHORITY_BOUNDARY_ATTEMPT,
    Finding.PAYMENT: Trigger.AUTHORITY_BOUNDARY_ATTEMPT,
    Finding.INVOICE: Trigger.AUTHORITY_BOUNDARY_ATTEMPT,
    Finding.KEY: Trigger.AUTHORITY_BOUNDARY_ATTEMPT,
    Finding.LINK: Trigger.AUTHORITY_BOUNDARY_ATTEMPT,
    Finding.CONTACT: Trigger.AUTHORITY_BOUNDARY_ATTEMPT,
    Finding.IMPERSONATION: Trigger.AUTHORITY_BOUNDARY_ATTEMPT,
    Finding.INSTRUCTIONS: Trigger.AUTHORITY_BOUNDARY_ATTEMPT,
    Finding.MARKUP: Trigger.INVALID_MODEL_OUTPUT,
    Finding.PLACEHOLDER: Trigger.INVALID_MODEL_OUTPUT,
    Finding.EMPTY: Trigger.INVALID_MODEL_OUTPUT,
    Finding.TOO_LONG: Trigger.INVALID_MODEL_OUTPUT,
    Finding.UNREADABLE: Trigger.INVALID_MODEL_OUTPUT,
}
"""What a finding in a model's text escalates as."""


@dataclass(frozen=True, slots=True)
class Rules:
    """For whom a text is meant.

    Attributes:
        name: what a seal says of the text.
        limit: how many characters it may have.
        addresses_party: whether a party reads it: then no line may begin with ``Buyer:`` and the
            like, and no statement may touch grave matters without a frame.
        advises: whether it says what to do next: then no sentence may tell anybody to do anything
            with the trade.
    """

    name: str
    limit: int
    addresses_party: bool
    advises: bool


TO_PARTY: Final = Rules("to a party", 1_200, addresses_party=True, advises=True)
SUMMARY: Final = Rules("summary", 6_000, addresses_party=False, advises=False)
NEXT_STEP: Final = Rules("next step", 1_500, addresses_party=False, advises=True)

_LONGEST_WORD: Final = 44
"""Longer than any word of prose in these languages; encoded text is longer."""
_SENTENCE: Final = 5
"""Sentences from so many words on must show that they are in a language we know."""
_SHARE: Final = 0.2
"""How many of their words must be among the commonest of one language."""
_CHOPPED: Final = re.compile(r"(?:(?<![^\s.!;?])[^\s.!;?]+(?:\s[^\s.!;?]+)?[.!;?]+\s*){4}")
"""Four sentences of a word or two in a row: nobody writes so, but to hide what they say."""
_SEED: Final = 12
_MOST_SPARSE: Final = 4
"""How much longer than its limit a raw text may be before it is not even looked at."""


def screen(text: str, rules: Rules) -> frozenset[Finding]:
    """Return everything that speaks against letting a text through; empty means it may leave.

    Whatever characters it holds, in time proportional to its length at most.

    Args:
        text: words of a model.
        rules: for whom they are meant.
    """
    if len(text) > _MOST_SPARSE * rules.limit:
        return frozenset({Finding.TOO_LONG})
    shown = tidy(text)
    # What cannot be seen may still part or carry words, so the text is looked at both ways.
    folded = fold(shown)
    raw = folded if shown == text else fold(text)
    found = _findings(folded, rules)
    if raw.readings != folded.readings:
        found |= _words_of(raw)
    if raw.decayed:
        found |= {Finding.UNREADABLE} | _words_of(fold(text[::-1]))
    if not folded.squeezed:
        found |= {Finding.EMPTY}
    if len(shown) > rules.limit:
        found |= {Finding.TOO_LONG}
    return frozenset(found)


def prepare() -> None:
    """Compile every list, which takes about half a second, before anybody waits for it."""
    screen("Have you sent the payment? My private key is a secret.", TO_PARTY)


def trigger_of(findings: frozenset[Finding]) -> Trigger:
    """Return the graver of the triggers that findings stand for.

    Raises:
        ValueError: there are none.
    """
    if not findings:
        raise ValueError("nothing was found")
    triggers = {TRIGGERS[finding] for finding in findings}
    grave = Trigger.AUTHORITY_BOUNDARY_ATTEMPT
    return grave if grave in triggers else Trigger.INVALID_MODEL_OUTPUT


def _findings(folded: Folded, rules: Rules) -> set[Finding]:
    found = _words_of(folded) | carries(folded)
    if rules.advises:
        found |= {Finding.AUTHORITY} if commands.ends_or_judges(folded) else set()
        found |= {Finding.PAYMENT} if commands.pays(folded) else set()
    if rules.addresses_party and commands.claims(folded):
        found.add(Finding.AUTHORITY)
    if _labelled(folded, rules):
        found.add(Finding.IMPERSONATION)
    if _any(injection.MARKUP, folded.plain):
        found.add(Finding.MARKUP)
    if _any(injection.PLACEHOLDERS, folded.plain):
        found.add(Finding.PLACEHOLDER)
    if folded.foreign or folded.decayed or folded.spelled_out or not readable(folded):
        found.add(Finding.UNREADABLE)
    return found


def _words_of(folded: Folded) -> set[Finding]:
    """What phrases say."""
    found = {topic for topic, phrases in _topics().items() if phrases.found_in(folded)}
    if any(phrase in folded.plain for phrase in authority.REFERENCE) or _glued(folded):
        found.add(Finding.AUTHORITY)
    if _secret(folded):
        found.add(Finding.SECRET)
    return found


def carries(folded: Folded) -> set[Finding]:
    """What addresses, invoices, keys, links and numbers a text carries."""
    called = (
        _any(addresses.MAIL, folded.plain)
        or _any(addresses.PHONES, folded.plain)
        or _phone_by_words(folded)
    )
    return leads_away(folded) | ({Finding.CONTACT} if called else set())


def leads_away(shapes: Folded | Shapes) -> set[Finding]:
    """What addresses, invoices, keys and links a text carries: what is never repeated."""
    plain, squeezed, visible = shapes.plain, shapes.squeezed, shapes.visible
    found = set()
    if _any(addresses.LINKS, plain):
        found.add(Finding.LINK)
    if (
        _any(addresses.INVOICES, squeezed)
        or _any(addresses.BASE58, visible)
        or base58.addresses(visible)
    ):
        found.add(Finding.INVOICE)
    if (
        _any(addresses.KEYS, squeezed)
        or _any((addresses.WIF,), visible)
        or base58.keys(visible)
        or hexadecimal(squeezed)
        or seed_phrase(shapes)
    ):
        found.add(Finding.KEY)
    return found


def hexadecimal(squeezed: str) -> bool:
    """Whether a run of hex digits is a key or a hash rather than a long number."""
    return any(
        sum(sign in "abcdef" for sign in run) >= 8 and sum(sign.isdigit() for sign in run) >= 8
        for run in re.findall(addresses.HEX, squeezed)
    )


def seed_phrase(folded: Folded | Shapes) -> bool:
    """Whether twelve words in a row are of the list wallets draw their backups from.

    Numbers between them do not count.
    """
    run = 0
    for word in folded.words.split():
        if word in SEED_WORDS:
            run += 1
        elif not word.isdigit() and word not in {".", "?"}:
            run = 0
        if run >= _SEED:
            return True
    return False


def readable(folded: Folded) -> bool:
    """Whether every sentence is prose in a language that can be screened."""
    if _CHOPPED.search(folded.plain):
        return False
    for sentence in re.split(r" ?[.?] ?", folded.words):
        words = sentence.split()
        if any(len(word) > _LONGEST_WORD for word in words):
            return False
        letters = [word for word in words if not any(map(str.isdigit, word))]
        if len(letters) < _SENTENCE:
            continue
        known = max(sum(word in common for word in letters) for common in _languages())
        if known < _SHARE * len(letters):
            return False
    return True


def _secret(folded: Folded) -> bool:
    """Whether secrets are asked for, or a wallet's so much as spoken of.

    Sentences that warn of giving something away do not count.
    """
    if not _asks_secrets(folded):
        return False
    sentences = re.split(r"(?<=[.!?;])\s+|\n", folded.plain)
    kept = [sentence for sentence in sentences if not _warns(sentence)]
    return len(kept) == len(sentences) or _asks_secrets(fold("\n".join(kept)))


def _asks_secrets(folded: Folded) -> bool:
    return any(phrases.found_in(folded) for phrases in _secrets())


def _warns(sentence: str) -> bool:
    """Whether a sentence says never to give something away, without exception."""
    words = fold(sentence).words
    polite = withheld.POLITE.split()
    return any(
        all(word in polite for word in words[:start].split())
        for start, _ in _warnings().spans(words, marked=True)
    ) and not set(words.split()) & set(withheld.EXCEPTIONS.split())


def _glued(folded: Folded) -> bool:
    """Whether one of the reference's phrases stands in it, however its letters are parted."""
    squeezed = [variant.replace(" ", "") for variant in folded.variants]
    return any(phrase in text for phrase in _reference() for text in squeezed)


def _labelled(folded: Folded, rules: Rules) -> bool:
    """Whether a line begins with somebody's name and a colon."""
    labels = impersonation.LABELS + (impersonation.PARTY_LABELS if rules.addresses_party else "")
    names = {label.replace("_", " ") for label in labels.split()}
    for line in folded.plain.split("\n"):
        head, colon, _ = line.partition(":")
        name = " ".join(re.sub(r"[^a-z0-9 ]", " ", head[:80]).split())
        if colon and (name in names or re.sub(r" ?\d+$", "", name) in names):
            return True
    return False


def _phone_by_words(folded: Folded) -> bool:
    """Whether a number is spelled out, or stands beside a word of calling."""
    digits, calling = set(contact.DIGIT_WORDS.split()), set(contact.CALLING.split())
    run = 0
    for word in folded.words.split():
        run = run + 1 if word in digits else 0
        if run >= 7:
            return True
    for sentence in re.split(r"[?!;\n]|\.(?=\s)", folded.plain):
        words = set(re.findall("[a-z]+", sentence))
        if words & calling and re.search(addresses.LONG_NUMBER, sentence):
            return True
    return False


def _any(patterns: tuple[str, ...], text: str) -> bool:
    return any(compiled.search(text) for compiled in _compiled(patterns))


@cache
def _compiled(patterns: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    # The library's own cache takes longer to ask than most words take to search.
    return tuple(re.compile(pattern, re.MULTILINE) for pattern in patterns)


@cache
def _topics() -> dict[Finding, Phrases]:
    return {
        Finding.AUTHORITY: Phrases(authority.PHRASES, LEADS.split()),
        Finding.PAYMENT: Phrases(payment.ASKED_FOR, LEADS.split()),
        Finding.CONTACT: Phrases(contact.INVITATIONS, LEADS.split()),
        Finding.IMPERSONATION: Phrases(impersonation.PHRASES, LEADS.split()),
        Finding.INSTRUCTIONS: Phrases(injection.PHRASES, LEADS.split()),
    }


@cache
def _secrets() -> tuple[Phrases, ...]:
    return Phrases(withheld.UNSPEAKABLE), Phrases(withheld.ASKED_FOR, LEADS.split())


@cache
def _warnings() -> Phrases:
    return Phrases(withheld.WARNINGS)


@cache
def _reference() -> tuple[str, ...]:
    return tuple(fold(phrase).squeezed for phrase in authority.REFERENCE)


@cache
def _languages() -> tuple[frozenset[str], ...]:
    return tuple(frozenset(words.split()) for words in languages.COMMON.values())
