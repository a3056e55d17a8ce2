# ruff: noqa: RUF001 - look-alikes are what this table is about
"""Letters that look like Latin ones, and the digits and signs that stand in for letters.

Compatibility forms (fullwidth, mathematical, circled, superscript letters) need no table: NFKC
knows them. Accents need none either: they are taken off after decomposition. All lower case.
"""

from typing import Final

LOOKALIKES: Final = {
    "a": "аɑαᴀꭺ",
    "b": "вьβбʙƀɓ",
    "c": "сϲᴄɔƈ",
    "d": "ԁɗđᴅժ",
    "e": "еєҽεɛǝᴇəеꬲ",
    "f": "ғƒꜰϝ",
    "g": "ɡցɢǥɠ",
    "h": "һнʜħɦհ",
    "i": "іιıɩɪӏլ",
    "j": "јϳᴊɉ",
    "k": "кκᴋƙқ",
    "l": "łʟɫƚ",
    "m": "мᴍɱ",
    "n": "пηɴոռղƞ",
    "o": "оοσօᴏøөɵ",
    "p": "рρᴘƥ",
    "q": "ԛգզ",
    "r": "гʀɾɍ",
    "s": "ѕꜱʂ",
    "t": "тτᴛŧ",
    "u": "υսᴜʉʊ",
    "v": "ѵνᴠʋ",
    "w": "ԝωᴡɯшա",
    "x": "хχҳ",
    "y": "уүγʏɣ",
    "z": "ᴢʐƶ",
    "ae": "æ",
    "oe": "œ",
    "ss": "ß",
    "th": "þ",
    ".": "。․‧∙⋅·",
    "/": "⁄∕⧸",
    ":": "꞉∶ː",
}
"""A Latin letter (and a few signs that addresses are made of), and what is taken for it."""

NEGATIVE_SIGNS: Final = ((0x1F150, 26), (0x1F170, 26), (0x1F1E6, 26))
"""Runs of letters A to Z that NFKC leaves alone: white on black circles and squares, flags."""

DIGITS_FOR_LETTERS: Final = {
    "0": "o",
    "3": "e",
    "4": "a",
    "5": "s",
    "7": "t",
    "8": "b",
    "9": "g",
    "@": "a",
    "$": "s",
    "€": "e",
    "£": "l",
    "¡": "i",
    "|": "i",
    "!": "i",
    "+": "t",
}
"""Inside a word that has letters, these are read as letters. ``1`` is read both ways."""

ONE: Final = ("i", "l")

OVERRIDES: Final = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Characters that make a text read otherwise than it is written."""
