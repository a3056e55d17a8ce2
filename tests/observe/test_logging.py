"""What a log line looks like, which lines there are, and what never stands in one."""

import io
import json
import logging
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from tests.keys import NSEC

from serbero.observe.logging import LogFormat, configure_logging
from serbero.observe.redaction import mask_keys, mask_queries, names_a_secret
from serbero.simulator.clock import FakeClock


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def configured(
    clock: FakeClock, directives: str = "info", log_format: LogFormat = "json"
) -> io.StringIO:
    # pytest's own handlers would fail on the records that are broken on purpose.
    logging.getLogger().handlers.clear()
    stream = io.StringIO()
    configure_logging(directives, log_format, stream, clock=clock)
    return stream


def test_json_is_one_object_a_line_with_its_keys_in_order(clock: FakeClock) -> None:
    stream = configured(clock)
    structlog.get_logger("serbero.intake.loop").info("detected", dispute_id="d1", solvers=3)
    assert stream.getvalue() == (
        '{"timestamp": "2026-10-26T07:33:20.250Z", "level": "info", "event": "detected", '
        '"logger": "serbero.intake.loop", "dispute_id": "d1", "solvers": 3}\n'
    )


def test_auto_is_json_where_nobody_looks(clock: FakeClock) -> None:
    stream = configured(clock, log_format="auto")
    structlog.get_logger("serbero").info("detected")
    assert stream.getvalue().startswith('{"timestamp": ')


def test_piped_console_lines_are_plain(clock: FakeClock) -> None:
    stream = configured(clock, log_format="console")
    structlog.get_logger("serbero.intake").warning("notification_failed", reason="no relay")
    assert stream.getvalue() == (
        "2026-10-26T07:33:20Z [warning  ] notification_failed [serbero.intake] reason='no relay'\n"
    )


def test_a_terminal_gets_colours_unless_it_does_not_want_them(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    seen = []
    for _ in range(2):
        stream = Terminal()
        configure_logging("info", "auto", stream, clock=clock)
        structlog.get_logger("serbero").info("detected")
        seen.append("\x1b[" in stream.getvalue())
        monkeypatch.setenv("NO_COLOR", "1")
    assert seen == [True, False]


def test_the_filter_decides_by_logger(clock: FakeClock) -> None:
    stream = configured(clock, "serbero::intake=debug,warn")
    structlog.get_logger("serbero.intake.loop").debug("duplicate_skip")
    structlog.get_logger("serbero.store.engine").info("not wanted")
    structlog.get_logger("serbero.store.engine").warning("database_locked")
    assert [line["event"] for line in lines(stream)] == ["duplicate_skip", "database_locked"]


def test_off_is_silence(clock: FakeClock) -> None:
    stream = configured(clock, "off")
    structlog.get_logger("serbero").critical("anything")
    logging.getLogger("uvicorn.error").critical("anything")
    assert stream.getvalue() == ""


def test_directives_that_make_no_sense_are_reported_once(clock: FakeClock) -> None:
    stream = configured(clock, "inof,serbero=loud,info")
    assert lines(stream) == [
        {
            "timestamp": "2026-10-26T07:33:20.250Z",
            "level": "warning",
            "event": "log_directives_dropped",
            "logger": "serbero.observe.logging",
            "dropped": ["inof", "serbero=loud"],
            "expected": "level or target=level; trace, debug, info, warn, error, off",
        }
    ]


def test_libraries_speak_in_the_same_form_from_warning_on(clock: FakeClock) -> None:
    stream = configured(clock, "debug")
    library = logging.getLogger("uvicorn.error")
    library.info("Started server process [%d]", 1)
    library.warning("slow %s", "client")
    library.error("%d", "not a number")
    at = "2026-10-26T07:33:20.250Z"
    assert lines(stream) == [
        {"timestamp": at, "level": "warning", "event": "slow client", "logger": "uvicorn.error"},
        {"timestamp": at, "level": "error", "event": "%d", "logger": "uvicorn.error"},
    ]


def test_configuring_again_replaces_what_was(clock: FakeClock) -> None:
    log = structlog.get_logger("serbero.intake")
    first = configured(clock, "debug")
    log.debug("one")
    second = configured(clock, "info")
    log.debug("two")
    log.info("three")
    logging.getLogger("asyncio").warning("four")
    assert [line["event"] for line in lines(first)] == ["one"]
    assert [line["event"] for line in lines(second)] == ["three", "four"]


def test_fields_named_like_secrets_are_replaced(clock: FakeClock) -> None:
    stream = configured(clock)
    structlog.get_logger("serbero").info(
        "x",
        private_key="a" * 64,
        api_key="k",
        Authorization="Bearer k",
        text="what a party wrote",
        rationale="what a model thought",
        provider={"api_key": "k", "model": "m", "keys": [NSEC]},
        api_key_env="SERBERO_REASONING_API_KEY",
        secret="",
        count=0,
    )
    (line,) = lines(stream)
    assert line == {
        "timestamp": "2026-10-26T07:33:20.250Z",
        "level": "info",
        "event": "x",
        "logger": "serbero",
        "private_key": "[redacted]",
        "api_key": "[redacted]",
        "Authorization": "[redacted]",
        "text": "[redacted]",
        "rationale": "[redacted]",
        "provider": {"api_key": "[redacted]", "model": "m", "keys": ["nsec1[redacted]"]},
        "api_key_env": "SERBERO_REASONING_API_KEY",
        "secret": "",
        "count": 0,
    }


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_no_private_key_anywhere_tracebacks_included(
    clock: FakeClock, log_format: LogFormat
) -> None:
    stream = configured(clock, log_format=log_format)
    log = structlog.get_logger("serbero")
    held = NSEC  # a renderer that prints local variables would show it

    class Careless:
        def __repr__(self) -> str:
            return f"Careless({NSEC})"

    named = "event " + NSEC
    log.info(named, field=NSEC, nested=[{"deep": (NSEC,)}], thing=Careless())
    log.bind(bound=held).warning("bound")
    try:
        raise ValueError(f"cannot use {NSEC.upper()}")  # noqa: TRY301 - the traceback is the point
    except ValueError:
        log.exception("failed")
        logging.getLogger("library").exception("failed %s", NSEC)
    assert NSEC not in stream.getvalue().lower()
    assert stream.getvalue().count("Traceback (most recent call last)") == 2


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_peers_words_stay_on_their_line(clock: FakeClock, log_format: LogFormat) -> None:
    stream = configured(clock, log_format=log_format)
    words = "blocked\n2026-10-26T07:33:20Z [error    ] forged\r\x1b[2J\u2028\x00 \ud800"
    structlog.get_logger("serbero").info("relay_lost", reason=words)
    structlog.get_logger("serbero").info(words, list=[words])
    printed = stream.getvalue()
    assert len(printed.splitlines()) == 2
    assert "\x1b" not in printed
    assert "\x00" not in printed


def test_a_long_field_is_cut(clock: FakeClock) -> None:
    stream = configured(clock)
    structlog.get_logger("serbero").info("x", reason="r" * 100_000)
    assert len(stream.getvalue()) < 3_000


def test_a_stream_that_knows_ascii_alone_still_gets_the_line(clock: FakeClock) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    configure_logging("info", "console", stream, clock=clock)
    structlog.get_logger("serbero").info("x", name="Señora")
    assert b"name=Se\\xf1ora" in raw.getvalue()


def test_a_log_that_cannot_be_written_stops_nothing(clock: FakeClock) -> None:
    stream = configured(clock)
    stream.close()
    structlog.get_logger("serbero").info("x")
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it fails as well
    configure_logging("info", "json", full, clock=clock)
    structlog.get_logger("serbero").info("x")
    with pytest.raises(OSError, match="No space left"):
        full.close()


@pytest.mark.parametrize(
    "field",
    ["nsec", "private_key", "serbero_private_key", "API-KEY", "client_secret", "secret_key",
     "content", "transcript", "plaintext", "text", "rationale", "proxy_authorization"],
)  # fmt: skip
def test_these_fields_name_secrets(field: str) -> None:
    assert names_a_secret(field)


@pytest.mark.parametrize(
    "field", ["dispute_id", "public_key", "context", "secretary", "api_key_env", "rationale_id"]
)
def test_these_fields_do_not(field: str) -> None:
    assert not names_a_secret(field)


@given(st.text(alphabet="023456789acdefghjklmnpqrstuvwxyz", min_size=6), st.text(), st.text())
def test_no_key_survives_masking(payload: str, before: str, after: str) -> None:
    assert f"nsec1{payload}" not in mask_keys(f"{before}nsec1{payload}{after}").replace(after, "")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("wss://a.example/x?token=secret", "wss://a.example/x?…"),
        ("failed at WSS://a.example?secret, then", "failed at WSS://a.example?… then"),
        ("why? https://a.example/?q=1", "why? https://a.example/?q=1"),
        ("ws://a.example?s1 ws://b.example?s2", "ws://a.example?… ws://b.example?…"),
        ("wss://a.example?…", "wss://a.example?…"),
    ],
)
def test_no_query_of_a_relay_is_logged(text: str, shown: str) -> None:
    """Some relays let in by a token in the address."""
    assert mask_queries(text) == shown


def test_a_relays_query_is_masked_in_every_field(clock: FakeClock) -> None:
    stream = configured(clock)
    structlog.get_logger("serbero").info(
        "relay_lost", relay="wss://a.example?token=secret", relays=["ws://b.example?secret"]
    )
    [line] = lines(stream)
    assert (line["relay"], line["relays"]) == ("wss://a.example?…", ["ws://b.example?…"])
