"""The filter syntax of ``log_level`` and ``SERBERO_LOG``."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serbero.observe.directives import LogFilter, parse_directives

DEBUG, INFO, WARN, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR
OFF = logging.CRITICAL + 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", LogFilter(INFO, {})),
        ("debug", LogFilter(DEBUG, {})),
        (" WARN ", LogFilter(WARN, {})),
        ("warning", LogFilter(WARN, {})),
        ("trace", LogFilter(DEBUG, {})),
        ("off", LogFilter(OFF, {})),
        (
            "serbero=debug,nostr_sdk=warn,info",
            LogFilter(INFO, {"serbero": DEBUG, "nostr_sdk": WARN}),
        ),
        ("serbero::intake=trace", LogFilter(INFO, {"serbero.intake": DEBUG})),
        ("serbero.intake = error , off", LogFilter(OFF, {"serbero.intake": ERROR})),
        ("serbero::relays", LogFilter(INFO, {"serbero.relays": DEBUG})),
        ("serbero", LogFilter(INFO, {"serbero": DEBUG})),
        # The last word on one target wins; empty parts are nothing.
        ("serbero=info,,serbero=error,", LogFilter(INFO, {"serbero": ERROR})),
        ("inof", LogFilter(INFO, {}, ("inof",))),
        ("serbero=loud,error", LogFilter(ERROR, {}, ("serbero=loud",))),
        ("a b=info,=debug,x[y]=info", LogFilter(INFO, {}, ("a b=info", "=debug", "x[y]=info"))),
    ],
)
def test_a_filter_is_read(text: str, expected: LogFilter) -> None:
    assert parse_directives(text) == expected


@pytest.mark.parametrize(
    ("directives", "logger", "threshold"),
    [
        ("info", "serbero.intake.loop", INFO),
        ("info", "uvicorn.error", WARN),
        ("debug", "uvicorn.error", WARN),
        ("error", "uvicorn.error", ERROR),
        ("uvicorn=debug", "uvicorn.error", DEBUG),
        ("serbero=warn,serbero::intake=debug", "serbero.intake.loop", DEBUG),
        ("serbero::intake=debug,serbero=warn", "serbero.store.engine", WARN),
        ("serbero.intake=off", "serbero.intake", OFF),
        # A target names whole modules, not the beginning of a name.
        ("serbero.in=debug,warn", "serbero.intake", WARN),
        ("debug", "serberox", WARN),
    ],
)
def test_the_longest_matching_target_decides(directives: str, logger: str, threshold: int) -> None:
    assert parse_directives(directives).threshold(logger) == threshold


@given(st.text())
def test_any_text_is_a_filter(text: str) -> None:
    wanted = parse_directives(text)
    assert wanted.lowest <= wanted.threshold("serbero.intake")
    assert all(part.strip() in text for part in wanted.dropped)
