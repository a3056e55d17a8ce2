# ruff: noqa: E501 - a pattern is one line
"""What leads away or opens something: links, addresses, invoices, keys. As patterns.

Three shapes are looked at (see ``folding``): *plain* text with its punctuation, *squeezed* text
(letters and digits only, so that no blank or dash hides anything) and *visible* text with its
letter case, which base58 needs.
"""

from typing import Final

_BECH32: Final = "[02-9ac-hj-np-z]"

_TLDS: Final = (
    "com|net|org|info|biz|io|co|me|ly|app|dev|xyz|online|site|shop|store|club|top|icu|vip|live|link|"
    "click|help|support|chat|page|web|cloud|tech|space|world|today|news|email|finance|exchange|market|"
    "money|cash|pro|network|onion|ru|cn|su|uk|us|de|fr|es|it|pt|br|ar|mx|cl|pe|ve|cu|eu|ch|at|be|nl|pl|"
    "cz|in|ir|tr|ua|to|gg|tv|cc|ws|tk|ml|ga|cf|gq|pw|ai|sh|is|im|fm|gl|gd|li|st|su|la|ca|au|nz|jp|kr|hk|"
    "sg|id|ph|vn|th|za|ng|ke|eg|ma|lol|fun|buzz|rest|bond|cfd|sbs|group|team|social|zone|art|bank|pay|"
    "trade|trading|wallet|crypto|eth|btc|bit|ninja|host|fyi|run|works|agency|center|digital|foundation"
)
_SPOKEN_TLDS: Final = "com|net|org|io|info|app|dev|xyz|ru|cn|top|shop|club|onion|link|online|site|network|support|help"
_BOXED_DOT: Final = r"\s*[\[({<]\s*(?:\.|dot|punto|ponto|point|punkt)\s*[\])}>]\s*"
_SPOKEN_DOT: Final = r"\s+(?:dot|punto|ponto|punkt|point)\s+"
_DOT: Final = rf"(?:{_BOXED_DOT}|{_SPOKEN_DOT})"
_AT: Final = r"(?:\s*[\[({<]\s*(?:@|at|arroba|chez|klammeraffe|chiocciola)\s*[\])}>]\s*|\s+(?:at|arroba|chiocciola|klammeraffe)\s+|\s*@\s*)"

LINKS: Final = (
    r"\b[a-z][a-z0-9+.-]{1,20}\s*:\s*/\s*/",
    r"\bh(?:tt|xx|\*\*|\+\+)ps?\b",
    r"\bwww\d?\s*[.\s]\s*[a-z0-9-]+",
    r"\b(?:lightning|bitcoin|nostr|mailto|tel|sms|magnet|ipfs|tg|data|javascript|file|web\+\w+|lnurlp?|keyauth|bitcoincash|monero|ethereum|whatsapp|intent)\s*:\s?(?=[a-z0-9+@/])(?!\s)\S{6,}",
    rf"(?<![\w@.-])[a-z0-9](?:[a-z0-9-]{{0,62}}[a-z0-9])?(?:\.[a-z0-9-]{{1,63}}){{0,4}}\.(?:{_TLDS})(?![a-z0-9-]|\.[a-z0-9])",
    r"(?<![\w@])[a-z0-9][a-z0-9-]{1,62}(?:\.[a-z0-9-]{2,63})+(?::\d{2,5})?/\S",
    rf"\b[a-z0-9-]{{2,63}}{_DOT}(?:[a-z0-9-]{{2,63}}{_DOT})*(?:{_SPOKEN_TLDS})\b",
    r"\b[a-z0-9-]{3,63}\s\.\s?(?:com|net|org|io|me|app|xyz|ru|link)\b",
    r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])(?::\d+)?",
    rf"\b[a-z0-9-]{{2,63}}{_BOXED_DOT}(?:{_TLDS})\b",
    r"\]\(\s*\S",
    r"\bt\s*[./]\s*me\s*/|\b(?:t|wa|bit|tinyurl|discord|signal)\s*(?:\.|dot)\s*(?:me|ly|gg|group|com)\b",
    r"\[[0-9a-f]{0,4}:[0-9a-f:]{2,}\]",
)
"""Over plain text."""

MAIL: Final = (
    rf"[a-z0-9._%+-]{{1,64}}{_AT}[a-z0-9-]{{1,63}}(?:\s*\.\s*(?:{_TLDS})\b|{_DOT}[a-z]{{2,24}})+",
    rf"[a-z0-9._%+-]{{2,64}}{_AT}(?:gmail|yahoo|hotmail|outlook|proton|protonmail|icloud|gmx|tutanota|live|yandex|walletofsatoshi|libero|orange)\b",
    r"(?:^|(?<=[\s(:,;\"'/]))@\s?[a-z0-9_]{3,32}\b",
)
"""Over plain text: mail and Lightning addresses, handles."""

PHONES: Final = (
    r"\+\s?\d(?:[\s().\-/]{0,3}\d){7,14}(?!\d)",
    r"(?<![\d.,])00[\s-]?[1-9](?:[\s().\-/]{0,3}\d){8,13}(?!\d)",
    r"\(\d{2,4}\)[\s.-]{0,2}\d{3,5}[\s.-]?\d{3,5}(?!\d)",
    r"(?<![\d-])\d{3}[.\s-]\d{3}[.\s-]\d{4}(?![\d-])",
)
"""Over plain text: what can only be a telephone number. Dates, amounts and references are none."""

LONG_NUMBER: Final = r"(?<![\w.,-])\d(?:[\s().\-/]{0,2}\d){6,14}(?!\w)"
"""Over plain text: a telephone number only beside a word of calling."""

INVOICES: Final = (
    rf"ln(?:bcrt|bc|tbs|tb|sb)\d{{0,18}}[munp]?1{_BECH32}{{20,}}",
    r"ln(?:bcrt|bc|tbs|tb)\d{1,18}[munp]1",
    rf"lnurl1?{_BECH32}{{20,}}",
    rf"ln[oir]1{_BECH32}{{16,}}",
    rf"(?:bc|tb|bcrt)1[qp]{_BECH32}{{20,}}",
    rf"(?:sp|tsp)1q{_BECH32}{{20,}}",
    r"cashu[ab][a-z0-9]{20,}",
    r"0x[0-9a-f]{40}",
    r"(?:fed1|creqa|arks?1|liquidnetwork:|lq1|ex1)[02-9a-z]{24,}",
)
"""Over squeezed text: where money would go."""

BASE58: Final = (
    r"(?<![A-Za-z0-9])(?=[A-Za-z0-9]{0,33}[a-z])(?=[A-Za-z0-9]{0,33}[A-Z])(?=[A-Za-z0-9]{1,33}\d)[13mn2][1-9A-HJ-NP-Za-km-z]{25,34}(?![A-Za-z0-9])",
    r"(?<![A-Za-z0-9])[48][0-9AB][1-9A-HJ-NP-Za-km-z]{93}(?![A-Za-z0-9])",
    r"(?<![A-Za-z0-9])T[1-9A-HJ-NP-Za-km-z]{33}(?![A-Za-z0-9])",
)
"""Over visible text: addresses whose letter case matters."""

KEYS: Final = (
    rf"n(?:sec|pub|profile|event|addr|ote|relay)1{_BECH32}{{16,}}",
    rf"ncryptsec1?{_BECH32}{{16,}}",
    r"[xyztuv](?:prv|pub)[a-z0-9]{40,}",
    r"beginpgp|beginopenssh|beginrsa|beginecprivate|beginprivatekey",
    r"bunker(?:url|https|[0-9a-f]{32})",
)
"""Over squeezed text: keys and identities."""

HEX: Final = r"[0-9a-f]{48,}"
"""Over squeezed text: a key, an id, a hash, if letters and digits both stand in it in number."""

WIF: Final = r"(?<![A-Za-z0-9])[5KLc9][1-9A-HJ-NP-Za-km-z]{50,51}(?![A-Za-z0-9])"
"""Over visible text: a private key as wallets export it."""
