"""What solvers type, and what it is taken for."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serbero.solvers.commands import (
    MUTE_SECONDS,
    SNOOZE_SECONDS,
    Ack,
    BadTime,
    Command,
    Elsewhere,
    Help,
    Mute,
    Open,
    Show,
    Snooze,
    Status,
    Unknown,
    Who,
    hexadecimal,
    hyphenated,
    parse,
)

HOUR = 3600
DAY = 24 * HOUR
WHOLE = "1a2b3c4d-5e6f-4a1b-8c2d-0123456789ab"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("help", Help()),
        ("  HELP!! ", Help()),
        ("/help", Help()),
        ("?", Help()),
        ("Ayuda, por favor", Help()),
        ("ajuda", Help()),
        ("open", Open()),
        ("Disputes?", Open()),
        ("¿abiertas?", Open()),
        ("Quién", Who()),
        ("quem?", Who()),
        ("Who has what?", Who()),
        ("estado", Status()),
        ("STATUS\n", Status()),
        ("show 1a2b", Show("1a2b")),
        ("Show: 1A2B…", Show("1a2b")),
        ("mostrar disputa 1a2b", Show("1a2b")),
        ("show", Show(None)),
        (f"ack {WHOLE}", Ack(WHOLE)),
        (f"ACK dispute_id: {WHOLE.upper()}.", Ack(WHOLE)),
        ("hola, ack la disputa 1a2b", Ack("1a2b")),
        ("ack", Ack(None)),
        ("ack please", Ack(None)),
        ("snooze 1a2b 2h", Snooze("1a2b", 2 * HOUR)),
        ("snooze 2 hours 1a2b", Snooze("1a2b", 2 * HOUR)),
        ("Snooze 1a2b for 15 Minutes", Snooze("1a2b", 900)),
        ("snooze 1a2b 1h30m", Snooze("1a2b", 5400)),
        ("snooze 1a2b 1d 2h", Snooze("1a2b", DAY + 2 * HOUR)),
        ("pospón 1a2b 2 días", Snooze("1a2b", 2 * DAY)),
        ("adiar 1a2b 3 horas", Snooze("1a2b", 3 * HOUR)),
        ("snooze 1a2b", Snooze("1a2b", SNOOZE_SECONDS)),
        ("snooze", Snooze(None, SNOOZE_SECONDS)),
        ("snooze 1111d 1h", Snooze("1111d", HOUR)),
        ("snooze 1234 2h", Snooze("1234", 2 * HOUR)),
        ("snooze 1a2b 5 fortnights", BadTime("snooze")),
        ("snooze 1a2b 0h", BadTime("snooze")),
        ("mute 8h", Mute(8 * HOUR)),
        ("mute 2d", Mute(2 * DAY)),
        ("mute", Mute(MUTE_SECONDS)),
        ("mute off", Mute(0)),
        ("Unmute", Mute(0)),
        ("silenciar 30 minutos", Mute(1800)),
        ("mute 8", BadTime("mute")),
        ("mute forever", BadTime("mute")),
        ("settle 1a2b", Elsewhere()),
        ("/admin-settle 1a2b", Elsewhere()),
        ("AdminCancel 1a2b", Elsewhere()),
        ("Cancelar 1a2b", Elsewhere()),
        ("release the funds", Elsewhere()),
        ("set acknowledge = true", Elsewhere()),
        ("", Unknown()),
        ("   \n", Unknown()),
        ("gracias", Unknown()),
        ("helpful", Unknown()),
        ("1a2b ack", Unknown()),
        ("👍", Unknown()),
    ],
)  # fmt: skip
def test_words_are_understood(text: str, command: Command) -> None:
    assert parse(text) == command


ANYTHING = st.text(st.characters(exclude_categories=()), max_size=300)
PIECES = st.lists(
    st.sampled_from(
        [
            "ack", "snooze", "mute", "show", "open", "1a2b", "2h", "9999999999999h", "h", "1", "-",
            "\ud800", "\0", "٣h", "\uff11h", "İ", "ß", "²h", "0", "d", "1d", "00000d",
            "..", "/", " ",
        ]
    ),
    max_size=60,
)  # fmt: skip


@given(ANYTHING | st.builds(" ".join, PIECES) | st.builds("".join, PIECES))
@example("mute " + "9" * 5000 + "h")
@example("snooze " + "1h" * 5000)
@example("\ud800 ack \udfff")
def test_any_text_is_something(text: str) -> None:
    command = parse(text)
    match command:
        case Show(which) | Ack(which) | Snooze(which, _):
            assert which is None or set(which) <= set("0123456789abcdef-")
            assert which is None or (which[0] != "-" and len(which) <= 36)
        case _:
            pass
    match command:
        case Snooze(_, seconds):
            assert seconds > 0
        case Mute(seconds):
            assert seconds >= 0
        case _:
            pass


@given(st.sampled_from(["help", "open", "who", "status", "ack 1a2b", "snooze 1a2b 2h", "mute 8h"]))
def test_capitals_spaces_and_a_slash_mean_nothing(text: str) -> None:
    plain = parse(text)
    assert not isinstance(plain, Unknown)
    for shown in (text.upper(), f"/{text}", f"  {text}.", text.replace(" ", "   "), f"«{text}»"):
        assert parse(shown) == plain


@given(st.uuids().map(str), st.integers(4, 36))
def test_hyphens_of_an_id_mean_nothing(whole: str, length: int) -> None:
    beginning = whole[:length].rstrip("-")
    assert whole.startswith(hyphenated(beginning))
    assert hyphenated(hexadecimal(beginning)) == beginning
