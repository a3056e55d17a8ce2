"""Whether the models that mediation asks can be asked: set up, reached, and answering."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from serbero.cli.doctor_checks.dm_test import Progress
from serbero.cli.doctor_checks.findings import Finding, fine, note, warning
from serbero.clock import Clock
from serbero.config.models import ReasoningSection
from serbero.config.problems import scrub
from serbero.config.reasoning import ModelEndpoint
from serbero.config.settings import Config
from serbero.reasoning.calls import FailureKind, ReasoningFailed
from serbero.reasoning.reasoner import Reasoner

_HOME: Final = (".local", ".internal", ".lan", ".home.arpa")
_STATUS_REMEDIES: Final[Mapping[int, str]] = {
    401: "check the key in the variable that api_key_env names: it is not accepted there",
    403: "check that the key may use this model",
    404: "check model and api_base: no such model or address there",
    402: "check the balance of the provider's account",
    429: "the provider limits this key: wait, or check its quota and balance",
}
_KIND_REMEDIES: Final[Mapping[FailureKind, str]] = {
    FailureKind.UNREACHABLE: "check api_base and this machine's way out, then try again",
    FailureKind.TIMEOUT: (
        "raise [reasoning].request_timeout_seconds, or choose a model that answers faster"
    ),
    FailureKind.MALFORMED: (
        "check api_base and provider: what answers there does not speak its protocol"
    ),
}
_REMEDY: Final = "check provider, model and api_base"


@dataclass(frozen=True, slots=True)
class Pinged:
    """What came of one ``ping``.

    Attributes:
        seconds: how long it took, further attempts included.
        failed: why there was no answer; None for one.
    """

    seconds: float
    failed: ReasoningFailed | None


async def examine_models(config: Config, clock: Clock, progress: Progress) -> list[Finding]:
    """Set up every model, and ask one after the other for a word until one answers.

    Args:
        config: with ``model_endpoints`` in the order in which they are asked.
        clock: measures.
        progress: told before one is asked.
    """
    found: list[Finding] = []
    answered = False
    for endpoint in config.model_endpoints:
        reasoner = Reasoner((endpoint,), config.reasoning, clock)
        try:
            wrong = await reasoner.prepare()
            pinged = None
            if not wrong and not answered:
                progress(f"asking {named(endpoint)} for one word")
                began = clock.monotonic()
                failed = await reasoner.health()
                pinged = Pinged(clock.monotonic() - began, failed)
                answered = failed is None
        finally:
            await reasoner.close()
        found += model_findings(endpoint, config.reasoning, wrong, pinged)
    if config.model_endpoints and not answered:
        deadline = config.mediation.start_deadline_seconds
        found.append(
            warning(
                "models",
                "none answers: no mediation starts, and what the daemon cannot have judged within "
                f"{deadline} s goes to a human as `reasoning_unavailable`",
                "mend one of the models above",
            )
        )
    return found


def named(endpoint: ModelEndpoint) -> str:
    """A model as findings name it, without anything secret."""
    key = endpoint.key.get_secret_value()
    return scrub(f"model {endpoint.provider} {endpoint.model}", (key,))


def model_findings(
    endpoint: ModelEndpoint,
    section: ReasoningSection,
    wrong: tuple[str, ...],
    pinged: Pinged | None,
) -> list[Finding]:
    """Findings of one model. Pure.

    Args:
        endpoint: which.
        section: how it is asked.
        wrong: what keeps it from being asked at all.
        pinged: what came of a ``ping``; None where none was sent.
    """
    check = named(endpoint)
    if wrong:
        return [warning(check, each, _REMEDY) for each in wrong]
    where = _host(endpoint.api_base)
    if pinged is None:
        found = [note(check, f"set up{where}; not asked, as one before it answers")]
    elif pinged.failed is None:
        said = f"answers{where} after {pinged.seconds:.1f} s (one `ping`, which costs a few tokens)"
        found = [fine(check, said)]
    else:
        failed = pinged.failed
        said = f"does not answer{where}: {failed} ({failed.call.attempts} tried)"
        found = [warning(check, said, _remedy(failed))]
    if pinged is not None and pinged.failed is None:
        found += _slow(check, section, pinged.seconds)
    if _can_be_overheard(endpoint.api_base):
        found.append(
            warning(
                check,
                "reached without encryption: the key and what parties write can be read on the way",
                "write https:// in api_base",
            )
        )
    return found


def _remedy(failed: ReasoningFailed) -> str:
    if failed.status is not None and failed.status in _STATUS_REMEDIES:
        return _STATUS_REMEDIES[failed.status]
    if failed.status is not None and failed.status >= 500:
        return "the provider has a fault of its own: try again, or add a [[reasoning.fallback]]"
    return _KIND_REMEDIES.get(failed.kind, _REMEDY)


def _slow(check: str, section: ReasoningSection, seconds: float) -> list[Finding]:
    """A verdict takes longer than a word."""
    if seconds * 2 < section.timeout_seconds:
        return []
    return [
        warning(
            check,
            f"one word took {seconds:.0f} s of the {section.timeout_seconds} s that an answer may "
            "take; a verdict has many",
            _KIND_REMEDIES[FailureKind.TIMEOUT],
        )
    ]


def _host(base: str | None) -> str:
    """Where it is reached; no path, query or user name, as any may be a secret."""
    parts = urlsplit(base or "")
    if parts.hostname is None:
        return ""
    port = "" if parts.port is None else f":{parts.port}"
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f" at {name}{port}"


def _can_be_overheard(base: str | None) -> bool:
    """Whether an address is plain HTTP beyond this machine and its own network."""
    parts = urlsplit(base or "")
    if parts.scheme != "http" or parts.hostname is None:
        return False
    host = parts.hostname
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(_HOME)
