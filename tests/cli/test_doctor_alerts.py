"""``serbero doctor`` and the operator's own channels, against a real service."""

import json
import sys
from io import StringIO
from pathlib import Path

import pytest
from pydantic import SecretStr
from tests.alerts.endpoint import endpoint
from tests.cli.test_doctor import write_config
from typer.testing import CliRunner

from serbero.cli.app import app
from serbero.cli.doctor_checks.alerts import examine_alerts
from serbero.cli.doctor_checks.findings import Finding, Level, Report
from serbero.cli.render import print_report
from serbero.clock import SystemClock
from serbero.config.alerts import AlertChannel
from serbero.model.alerts import AlertEvent

CLOCK = SystemClock()


def channel(name: str, url: str, *events: AlertEvent) -> AlertChannel:
    return AlertChannel(name, SecretStr(url), frozenset(events or AlertEvent))


async def found(
    *channels: AlertChannel, send_test: bool = False
) -> list[tuple[str, Level, str, str]]:
    findings = await examine_alerts(channels, CLOCK, send_test=send_test)
    return [(each.check, each.level, each.message, each.remedy) for each in findings]


async def test_each_channel_by_name_and_nothing_is_sent_unasked() -> None:
    async with endpoint() as service:
        some = channel("desk", service.url, AlertEvent.DEAD_LETTER, AlertEvent.ESCALATED)
        assert await found(channel("phone", service.url), some) == [
            ("alerts phone", Level.OK, "is told of everything", ""),
            ("alerts desk", Level.OK, "is told of escalated, dead_letter", ""),
        ]
        assert not service.calls


async def test_a_test_message_each() -> None:
    async with endpoint() as service, endpoint("refuse") as broken:
        told = await found(
            channel("phone", service.url), channel("desk", broken.url), send_test=True
        )
    assert [each[:3] for each in told] == [
        ("alerts phone", Level.OK, "is told of everything"),
        ("alerts phone", Level.OK, "the service took the test message"),
        ("alerts desk", Level.OK, "is told of everything"),
        (
            "alerts desk",
            Level.WARNING,
            "the service was not reached, or did not take the message",
        ),
    ]
    (call,) = service.calls
    assert call.text == (
        "Serbero: test message\nThis is a test, sent by `serbero doctor --send-test`.\n"
        "Nothing has happened; this channel works."
    )
    assert "secret words" not in str(told)
    assert "nobody-guesses" not in str(told)


async def test_an_address_that_is_none_and_one_that_gives_too_much_away() -> None:
    told = await found(
        channel("typo", "ntyf://nobody-guesses"),
        channel("open", "jsons://127.0.0.1:1/nobody-guesses?verify=no&redirect=yes"),
    )
    assert [each[:2] for each in told] == [
        ("alerts typo", Level.WARNING),
        ("alerts open", Level.OK),
        ("alerts open", Level.WARNING),
        ("alerts open", Level.NOTE),
    ]
    assert "verify=no" in told[2][2]
    assert "nobody-guesses" not in str(told)


async def test_without_the_package_it_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    (finding,) = await examine_alerts([channel("phone", "json://h/x")], CLOCK, send_test=True)
    assert finding == Finding(
        "alerts",
        Level.WARNING,
        "Apprise is not installed, so nothing is sent to phone",
        'pip install "serbero[alerts]"',
    )
    shown = StringIO()
    print_report(Report((finding,)), shown)
    assert 'pip install "serbero[alerts]"' in " ".join(shown.getvalue().split())


async def test_nothing_is_said_where_nothing_is_configured() -> None:
    assert await found() == []
    assert [each[1] for each in await found(send_test=True)] == [Level.NOTE]


def test_the_command_sends_and_shows_no_address(tmp_path: Path) -> None:
    """The service is a closed port: the rest of the examination is tested elsewhere."""
    url = "json://127.0.0.1:1/nobody-guesses"
    key = "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9"
    path = write_config(
        tmp_path, key, ["ws://127.0.0.1:1"], [key], f'[[alerts]]\nname = "phone"\nurl = "{url}"'
    )
    asked = ["doctor", "--config", str(path), "--send-test", "--json"]
    ran = CliRunner().invoke(app, asked, env={"SERBERO_LOG": "trace"})
    told = [each for each in json.loads(ran.stdout)["findings"] if "phone" in each["check"]]
    assert [each["level"] for each in told] == ["ok", "warning"]
    assert "nobody-guesses" not in ran.stdout + ran.stderr
