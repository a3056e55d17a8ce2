"""The operator's own channels: whether they can be told, and whether they take a message."""

from collections.abc import Sequence
from typing import Final

from serbero.alerts import courier
from serbero.alerts.courier import EXTRA, Answer, Result
from serbero.cli.doctor_checks.findings import Finding, fine, note, warning
from serbero.clock import Clock
from serbero.config.alerts import AlertChannel
from serbero.messages.alerts import trial
from serbero.model.alerts import AlertEvent

_ADDRESS: Final = "look up its form at https://appriseit.com/services/ and correct it"
_REMEDIES: Final = {
    Result.UNKNOWN: _ADDRESS,
    Result.UNAVAILABLE: "install what Apprise's page about this kind of address names",
    Result.MISSING: EXTRA,
}
_TRY_AGAIN: Final = "check the service and the address, then run `serbero doctor --send-test`"
_UNVERIFIED: Final = "its address says verify=no: anybody on the way can read it and its token"
_REDIRECTS: Final = "its address says redirect=yes: the service may send the message elsewhere"


async def examine_alerts(
    channels: Sequence[AlertChannel], clock: Clock, *, send_test: bool
) -> list[Finding]:
    """Look at each channel; its address is never shown.

    Args:
        channels: as configured.
        clock: where time comes from.
        send_test: whether to send each a message that says it is a test.
    """
    if not channels:
        return (
            [note("alerts", "no usable channel in [[alerts]]: no test sent")] if send_test else []
        )
    if not courier.installed():
        names = ", ".join(each.name for each in channels)
        found = f"Apprise is not installed, so nothing is sent to {names}"
        return [warning("alerts", found, EXTRA)]
    # One after the other: each costs a process.
    told: list[Finding] = []
    for each in channels:
        told += await _examine(each, clock, send_test=send_test)
    return told


async def _examine(channel: AlertChannel, clock: Clock, *, send_test: bool) -> list[Finding]:
    check = f"alerts {channel.name}"
    answer = await courier.look(channel.url, clock)
    if answer.result is not Result.UNDERSTOOD:
        return [_trouble(check, answer.result)]
    found = [fine(check, f"is told of {_events(channel)}"), *_notes(check, answer)]
    if send_test:
        result = await courier.send(channel.url, trial(), clock)
        sent = fine(check, "the service took the test message")
        found.append(sent if result is Result.SENT else _trouble(check, result))
    return found


def _trouble(check: str, result: Result) -> Finding:
    return warning(check, result.words, _REMEDIES.get(result, _TRY_AGAIN))


def _notes(check: str, answer: Answer) -> list[Finding]:
    notes = []
    if answer.unverified:
        notes.append(warning(check, _UNVERIFIED, "take verify=no out of its address"))
    if answer.redirects:
        notes.append(note(check, _REDIRECTS))
    return notes


def _events(channel: AlertChannel) -> str:
    if channel.events == frozenset(AlertEvent):
        return "everything"
    return ", ".join(each.value for each in AlertEvent if each in channel.events) or "nothing"
