"""Takes a message to a service, in a process of its own that is killed when its time is over."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.util import find_spec
from typing import Final

from pydantic import SecretStr

from serbero.clock import Clock, within
from serbero.messages.alerts import Letter

LIMIT_SECONDS: Final = 30.0
EXTRA: Final = 'pip install "serbero[alerts]"'
"""What a channel needs."""

_MODULE: Final = "serbero.alerts.child"
_LONGEST_ANSWER: Final = 1_000
_PASSED_ON: Final = frozenset(
    {
        *("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONHOME", "PYTHONPATH"),
        *("TMPDIR", "TZ", "VIRTUAL_ENV"),
        # Which authorities are trusted.
        *("SSL_CERT_DIR", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"),
    }
)
_PROXIES: Final = frozenset({"ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"})


class Result(StrEnum):
    """How it went."""

    SENT = "sent"
    UNDERSTOOD = "understood"
    """Only asked for; nothing was sent."""
    FAILED = "failed"
    """The service was not reached, or did not take it."""
    LATE = "late"
    """It did not end in time, and was ended."""
    UNKNOWN = "unknown"
    """The address is none that Apprise knows."""
    UNAVAILABLE = "unavailable"
    """It is one, of a kind that needs another package."""
    MISSING = "missing"
    """Apprise is not installed."""
    BROKEN = "broken"
    """The process could not be started, or ended without an answer."""

    @property
    def words(self) -> str:
        """For logs and rows; nothing in it is the service's."""
        return _WORDS[self]


_WORDS: Final[Mapping[Result, str]] = {
    Result.SENT: "the service took the message",
    Result.UNDERSTOOD: "the address is understood",
    Result.FAILED: "the service was not reached, or did not take the message",
    Result.LATE: f"the service did not answer within {LIMIT_SECONDS:.0f} s",
    Result.UNKNOWN: "the address is none that Apprise knows",
    Result.UNAVAILABLE: "this kind of address needs another package (see Apprise's page about it)",
    Result.MISSING: f"Apprise is not installed ({EXTRA})",
    Result.BROKEN: "the process that talks to the service failed",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the process said.

    Attributes:
        unverified: whether the address switches the check of certificates off.
        redirects: whether it lets the service send us elsewhere.
    """

    result: Result
    unverified: bool = field(default=False)
    redirects: bool = field(default=False)


def installed() -> bool:
    """Whether Apprise is there; it is not loaded."""
    return find_spec("apprise") is not None


async def send(url: SecretStr, letter: Letter, clock: Clock) -> Result:
    """Send one message; this takes at most :data:`LIMIT_SECONDS` on ``clock``."""
    told = {"title": letter.title, "body": letter.body, "grave": letter.grave}
    return (await _ask({"do": "send", **told}, url, clock)).result


async def look(url: SecretStr, clock: Clock) -> Answer:
    """Say whether an address is understood; nothing is sent."""
    return await _ask({"do": "look"}, url, clock)


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the process needs of our environment; keys of ours are not among it."""
    return {
        name: value
        for name, value in environ.items()
        if name in _PASSED_ON or name.upper() in _PROXIES
    }


async def _ask(request: Mapping[str, object], url: SecretStr, clock: Clock) -> Answer:
    # The address goes through a pipe: arguments and variables of a process can be looked at.
    text = json.dumps({**request, "url": url.get_secret_value(), "seconds": LIMIT_SECONDS})
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", _MODULE),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(os.environ),
            start_new_session=True,
        )
    except OSError:
        return Answer(Result.BROKEN)
    try:
        told, _ = await within(clock, LIMIT_SECONDS, process.communicate(text.encode()))
    except TimeoutError:
        return Answer(Result.LATE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _read(told)


def _read(told: bytes) -> Answer:
    try:
        answer = json.loads(told[:_LONGEST_ANSWER])
        result = Result(answer["result"])
        return Answer(result, answer.get("unverified") is True, answer.get("redirects") is True)
    except (ValueError, KeyError, TypeError, AttributeError):
        return Answer(Result.BROKEN)
