"""What a solver asks for, read from plain words. Pure; any text whatever is one of these.

A person types on a phone, in English, Spanish or Portuguese: capitals, accents, punctuation, a
leading slash and words of courtesy mean nothing. Nothing is guessed: what is not understood is
said to be, and a dispute is only ever named by the beginning of its id.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MAX_CHARACTERS: Final = 400
"""Of a text; what a command needs stands before that."""
SHORTEST_ID: Final = 4
"""Characters of an id, without hyphens, below which it names nothing."""
SNOOZE_SECONDS: Final = 3600
MUTE_SECONDS: Final = 8 * 3600
"""What is meant where somebody says no time."""

_MOST_WORDS: Final = 40


def _some(words: str) -> tuple[str, ...]:
    return tuple(words.split())


@dataclass(frozen=True, slots=True)
class Help:
    """What can I ask?"""

    name = "help"


@dataclass(frozen=True, slots=True)
class Open:
    """Which disputes are open?"""

    name = "open"


@dataclass(frozen=True, slots=True)
class Who:
    """Who has what?"""

    name = "who"


@dataclass(frozen=True, slots=True)
class Status:
    """How are things?"""

    name = "status"


@dataclass(frozen=True, slots=True)
class Show:
    """How is this dispute? ``which`` is the beginning of its id; None: not said."""

    which: str | None
    name = "show"


@dataclass(frozen=True, slots=True)
class Ack:
    """I have this dispute."""

    which: str | None
    name = "ack"


@dataclass(frozen=True, slots=True)
class Snooze:
    """Remind me of this dispute later."""

    which: str | None
    seconds: int
    name = "snooze"


@dataclass(frozen=True, slots=True)
class Mute:
    """Hold back what can wait; 0 seconds: no more."""

    seconds: int
    name = "mute"


@dataclass(frozen=True, slots=True)
class BadTime:
    """A time was said that is none; ``of`` is the command it was said to."""

    of: str
    name = "bad_time"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Something that is done at the node or in the configuration, and never by a message."""

    name = "elsewhere"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing of these."""

    name = "unknown"


Command = Help | Open | Who | Status | Show | Ack | Snooze | Mute | BadTime | Elsewhere | Unknown

_WORDS: Final[Mapping[str, str]] = {
    word: name
    for name, words in {
        "help": "help h commands menu ayuda ajuda comandos socorro",
        "open": "open list ls disputes abierta abiertas abierto abiertos aberta abertas aberto"
        " abertos lista listar disputas",
        "show": "show info view see ver ve mostrar muestra mostra detalle detalles detalhe"
        " detalhes",
        "ack": "ack acknowledge acknowledged mine mia mio minha meu confirmo confirmar",
        "snooze": "snooze later posponer pospon aplazar adiar adia",
        "mute": "mute silence silencio silenciar silencia",
        "unmute": "unmute desilenciar reactivar reativar",
        "who": "who quien quienes quem",
        "status": "status state ping estado",
        "elsewhere": "settle settled cancel canceled cancelled release refund resolve close take"
        " takeover pay slash bond config configure configuration set add remove delete"
        " admin-settle admin-cancel admin-take-dispute adminsettle admincancel adminsettledispute"
        " admincanceldispute admintakedispute liquidar cancelar cancela liberar libera reembolsar"
        " reembolsa resolver cerrar fechar encerrar tomar assumir pagar configurar",
    }.items()
    for word in _some(words)
}
_COURTESY: Final = frozenset(
    _some(
        "please por favor pls hi hello hey hola ola oi serbero the a la el o dispute disputa"
        " dispute_id id for para pra durante me i this of de is has"
    )
)
_OFF: Final = frozenset(_some("off end stop no 0 fin fim desactivar desativar"))
_UNITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(_some("m min mins minute minutes minuto minutos"), 60),
    **dict.fromkeys(_some("h hr hrs hs hour hours hora horas"), 3600),
    **dict.fromkeys(_some("d day days dia dias"), 86_400),
}
_SPAN: Final = re.compile(r"([0-9]{1,4})([a-z]+)")
_SPANS: Final = re.compile(r"(?:[0-9]{1,4}[a-z]+)+")
_NUMBER: Final = re.compile(r"[0-9]{1,4}")
_ID: Final = re.compile(r"[0-9a-f][0-9a-f-]{0,35}")
_BREAKS: Final = re.compile(r"[^0-9a-z_-]+")


def parse(text: str) -> Command:
    """Read a text; never raises."""
    words = _words(text)
    if not words:
        return Help() if text.strip()[:1] == "?" else Unknown()
    known, rest = _WORDS.get(words[0]), words[1:]
    match known:
        case "help":
            return Help()
        case "open":
            return Open()
        case "who":
            return Who()
        case "status":
            return Status()
        case "elsewhere":
            return Elsewhere()
        case "unmute":
            return Mute(0)
        case "show":
            return Show(_which(rest))
        case "ack":
            return Ack(_which(rest))
        case "snooze":
            return _snooze(rest)
        case "mute":
            return _mute(rest)
        case _:
            return Unknown()


def hexadecimal(which: str) -> str:
    """Return the digits of an id's beginning, without its hyphens."""
    return which.replace("-", "")


def hyphenated(which: str) -> str:
    """Return an id's beginning with its hyphens where a UUID has them."""
    digits = hexadecimal(which)
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32])
    return "-".join(each for each in parts if each)


def _words(text: str) -> list[str]:
    """The words that mean something, without accents and capitals."""
    plain = unicodedata.normalize("NFKD", text[:MAX_CHARACTERS]).casefold()
    bare = "".join(each for each in plain if not unicodedata.combining(each))
    words = [each.strip("-_") for each in _BREAKS.split(bare)[:_MOST_WORDS]]
    return [each for each in words if each and each not in _COURTESY]


def _snooze(rest: Sequence[str]) -> Snooze | BadTime:
    seconds, left = _time(rest)
    which = _which(left)
    if seconds == 0 or (seconds is None and _looks_like_time(left, which)):
        return BadTime("snooze")
    return Snooze(which, SNOOZE_SECONDS if seconds is None else seconds)


def _mute(rest: Sequence[str]) -> Mute | BadTime:
    if rest and rest[0] in _OFF:
        return Mute(0)
    seconds, left = _time(rest)
    if seconds is None and left:
        return BadTime("mute")
    return Mute(MUTE_SECONDS if seconds is None else seconds)


def _looks_like_time(words: Sequence[str], which: str | None) -> bool:
    """Whether something beside the id has digits: a time with a unit we do not know."""
    return any(each != which and any(c.isdigit() for c in each) for each in words)


def _time(words: Sequence[str]) -> tuple[int | None, list[str]]:
    """The time that is said, in seconds (None for none), and the words that do not say it."""
    total: int | None = None
    left: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        unit = _UNITS.get(waiting[0]) if waiting else None
        if unit is not None and _NUMBER.fullmatch(word):
            total = (total or 0) + int(word) * unit
            waiting.pop(0)
        elif (seconds := _spans(word)) is not None:
            total = (total or 0) + seconds
        else:
            left.append(word)
    return total, left


def _spans(word: str) -> int | None:
    """Seconds of ``2h`` or ``1h30m``; None for anything else, such as an id's beginning."""
    # The unit of a day is a digit of ids as well; nobody waits for a thousand days.
    if not _SPANS.fullmatch(word) or re.fullmatch(r"[0-9]{3,}d", word):
        return None
    found = _SPAN.findall(word)
    if any(unit not in _UNITS for _, unit in found):
        return None
    return sum(int(number) * _UNITS[unit] for number, unit in found)


def _which(words: Sequence[str]) -> str | None:
    """The first word that can be the beginning of an id."""
    return next((each for each in words if _ID.fullmatch(each)), None)
