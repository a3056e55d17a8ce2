"""Frames that are no Nostr message, or none that means anything."""

from typing import Final

from serbero.simulator.wire import Frame, Raw

GARBAGE: Final[dict[str, tuple[Frame, ...]]] = {
    "not-json": ("this is not json", "{", "[", ""),
    "wrong-arrays": (
        "[]",
        "{}",
        "null",
        "7",
        '["EVENT"]',
        '["EVENT",1,2]',
        '["EVENT","x",{"id":1}]',
        '["OK"]',
        '["CLOSED"]',
        '["EOSE",{}]',
        '["AUTH",5]',
        '["NOTICE",null]',
        '["COUNT","x",{"count":3}]',
        '["FUTURE","word"]',
        '[["EVENT"]]',
    ),
    "binary": (b"\x00\x01\x02\xff" * 64,),
    "deep-nesting": ("[" * 100_000 + "]" * 100_000,),
    "huge-numbers": (
        '["EVENT","x",{"kind":' + "9" * 400 + ',"created_at":1e999}]',
        '["OK",' + "1" * 5_000 + ",true]",
    ),
    "nul": ('["NOTICE","a\\u0000b"]', '["NOTICE","a\x00b"]', "\x00"),
    "surrogates": ('["NOTICE","\\ud800"]', '["EVENT","\\udfff",{}]'),
    "long-id": ('["EOSE","' + "x" * 100_000 + '"]',),
    "notice": ('["NOTICE","rate-limited: this relay is tired"]',),
    "notice-flood": ('["NOTICE","hello"]',) * 50,
}
"""By name; each tuple is sent as a whole."""

INVALID_UTF8: Final = Raw(b"\x81\x0e" + b'["NOTICE","\xff"]')
"""A WebSocket text frame whose bytes are no UTF-8: a client must end the connection."""

RESERVED_OPCODE: Final = Raw(b"\x83\x00")
"""A WebSocket frame of a kind that does not exist: a client must end the connection."""
