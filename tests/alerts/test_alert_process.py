"""The process that talks to a service: what goes out, and how it ends whatever the service does."""

import asyncio
import json
import os
import re
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from tests.alerts.endpoint import Endpoint, Manner, children, endpoint

from serbero.alerts import courier
from serbero.alerts.courier import LIMIT_SECONDS, Answer, Result
from serbero.clock import SystemClock
from serbero.messages.alerts import Letter, trial
from serbero.simulator.clock import FakeClock, eventually

LETTER = Letter("a title", "a body\nof two lines", grave=True)


async def test_a_service_gets_our_words_and_our_name_and_nothing_more() -> None:
    async with endpoint() as service:
        assert await courier.send(SecretStr(service.url), LETTER, SystemClock()) is Result.SENT
    (call,) = service.calls
    assert call.line == "POST /a-token-nobody-guesses HTTP/1.1"
    assert call.json == {
        "version": "1.0",
        "title": "a title",
        "message": "a body\nof two lines",
        "attachments": [],
        "type": "warning",
    }
    assert call.headers.pop("content-length").isdecimal()
    assert call.headers == {
        "host": f"127.0.0.1:{service.port}",
        "user-agent": "serbero",
        "accept-encoding": call.headers["accept-encoding"],
        "accept": "*/*",
        "connection": "keep-alive",
        "content-type": "application/json",
    }


async def test_the_form_of_ntfy_has_no_picture_of_somebody_elses() -> None:
    async with endpoint() as service:
        address = SecretStr(f"ntfy://127.0.0.1:{service.port}/topic")
        assert await courier.send(address, trial(), SystemClock()) is Result.SENT
    (call,) = service.calls
    assert call.json == {
        "topic": "topic",
        "title": "Serbero: test message",
        "message": "This is a test, sent by `serbero doctor --send-test`.\n"
        "Nothing has happened; this channel works.",
    }
    assert call.headers["user-agent"] == "serbero"


@pytest.mark.parametrize(
    ("manner", "result"),
    [("refuse", Result.FAILED), ("flood", Result.SENT), ("endless", Result.FAILED)],
)
async def test_a_service_that_misbehaves(manner: Manner, result: Result) -> None:
    async with endpoint(manner) as service:
        assert await courier.send(SecretStr(service.url), LETTER, SystemClock()) is result
    assert len(service.calls) == 1
    assert not children()


async def test_a_redirect_is_not_followed() -> None:
    """The address holds what opens the channel; nobody else is given our words or it."""
    async with endpoint() as other, endpoint("redirect") as service:
        service.elsewhere = f"http://127.0.0.1:{other.port}/there"
        assert await courier.send(SecretStr(service.url), LETTER, SystemClock()) is Result.FAILED
    assert len(service.calls) == 1
    assert not other.calls


@pytest.mark.parametrize("manner", ["hang", "drip"])
async def test_a_service_that_never_ends_is_left_when_the_time_is_over(manner: Manner) -> None:
    """Apprise's own limit is one between two bytes, which a service that drips never meets."""
    clock = FakeClock()
    async with endpoint(manner) as service:
        sending = asyncio.create_task(courier.send(SecretStr(service.url), LETTER, clock))
        await service.got(1)
        await clock.advance(LIMIT_SECONDS - 1)
        assert not sending.done()
        assert len(children()) == 1
        await clock.advance(1)
        assert await sending is Result.LATE
        assert not children()
        await eventually(lambda: service.held == 0, what="its connection is gone")


async def test_whoever_stops_waiting_leaves_no_process_behind() -> None:
    async with endpoint("hang") as service:
        sending = asyncio.create_task(courier.send(SecretStr(service.url), LETTER, FakeClock()))
        await service.got(1)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert not children()


@pytest.mark.parametrize(
    ("url", "result"),
    [
        ("nosuchkind://example.org/x", Result.UNKNOWN),
        ("tgram://", Result.UNKNOWN),
        ("json://127.0.0.1:1/x", Result.UNDERSTOOD),
    ],
)
async def test_whether_an_address_is_understood(url: str, result: Result) -> None:
    assert await courier.look(SecretStr(url), SystemClock()) == Answer(result)


async def test_what_an_address_switches_off_is_said() -> None:
    address = SecretStr("jsons://127.0.0.1:1/x?verify=no&redirect=yes")
    assert await courier.look(address, SystemClock()) == Answer(
        Result.UNDERSTOOD, unverified=True, redirects=True
    )


async def test_a_process_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert await courier.send(SecretStr("json://x/y"), LETTER, SystemClock()) is Result.BROKEN


async def test_a_process_that_dies_without_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = tmp_path / "python"
    ending.write_text("#!/bin/sh\nexit 3\n")
    ending.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(ending))
    assert await courier.send(SecretStr("json://x/y"), LETTER, SystemClock()) is Result.BROKEN


async def test_the_process_is_given_no_secret_but_the_address_and_that_in_a_pipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other programs of the machine see arguments and, of their own user, variables."""
    seen = tmp_path / "seen"
    spy = tmp_path / "python"
    spy.write_text(f'#!/bin/sh\n{{ echo "$@"; env; }} > {seen}\n')
    spy.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(spy))
    monkeypatch.setenv("SERBERO_PRIVATE_KEY", "planted-key")
    monkeypatch.setenv("OPENAI_API_KEY", "planted-key")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    await courier.send(SecretStr("json://h/planted-token"), LETTER, SystemClock())
    text = seen.read_text()
    assert text.startswith("-P -m serbero.alerts.child\n")
    assert "planted" not in text
    assert "https_proxy=http://127.0.0.1:9" in text
    assert os.environ["SERBERO_PRIVATE_KEY"]


def test_what_a_plugin_prints_or_logs_goes_nowhere(tmp_path: Path) -> None:
    """The answer is the only thing the process says, even where a plugin talks."""
    chatty = tmp_path / "apprise" / "__init__.py"
    chatty.parent.mkdir()
    chatty.write_text(
        "import logging, sys\n"
        "print('token'); print('token', file=sys.stderr)\n"
        "logging.getLogger('apprise').error('token')\n"
        "raise ImportError\n"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "serbero.alerts.child"],
        input=json.dumps({"do": "look", "url": "json://x", "seconds": 5}),
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert (json.loads(ran.stdout), ran.stderr) == ({"result": "missing"}, "")


def test_no_result_says_more_than_fixed_words() -> None:
    for each in Result:
        assert re.fullmatch(r"[A-Za-z0-9 ,()'\"\[\]]+", each.words)


async def test_a_certificate_that_nobody_vouches_for_is_not_believed(tmp_path: Path) -> None:
    """Unless the address itself says so: the operator's own word."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(self_signed(tmp_path))
    place = Endpoint()
    listening = await asyncio.start_server(place.handle, "127.0.0.1", 0, ssl=server)
    try:
        port = listening.sockets[0].getsockname()[1]
        address = f"jsons://127.0.0.1:{port}/token"
        clock = SystemClock()
        assert await courier.send(SecretStr(address), LETTER, clock) is Result.FAILED
        assert not place.calls
        told = await courier.send(SecretStr(f"{address}?verify=no"), LETTER, clock)
        assert (told, len(place.calls)) == (Result.SENT, 1)
    finally:
        listening.close()
        await listening.wait_closed()


def self_signed(folder: Path) -> Path:
    """A key and a certificate of 127.0.0.1 in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / "own.pem"
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(key.private_bytes(*form) + made.public_bytes(Encoding.PEM))
    return file
