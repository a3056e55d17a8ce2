"""What the providers' libraries raise, told as :class:`~serbero.reasoning.calls.Trouble`.

Their texts hold bodies of answers, and bodies hold what parties and models said: only classes,
status codes and words of ours leave here. Importing this module loads pydantic-ai.
"""

import math
from collections.abc import Iterator
from typing import Final

import httpx2
from pydantic_ai.exceptions import (
    AgentRunError,
    ContentFilterError,
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelTimeoutError,
    UnexpectedModelBehavior,
    UserError,
)

from serbero.reasoning.calls import FailureKind, Trouble
from serbero.reasoning.dialects import BadBody, WireFault

FOREIGN: Final = (
    AgentRunError,
    UserError,
    BadBody,
    httpx2.HTTPError,
    # What reading a strange answer can end in: wrong types, missing members, deep nesting.
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
"""Everything one request may raise."""

_AGAIN: Final = frozenset({408, 425, 429})
_FORM_REFUSED: Final = frozenset({400, 422})
_MOST_BODY: Final = 20_000
_LONGEST_CHAIN: Final = 20


def trouble(error: BaseException) -> Trouble:
    """Return what an exception of :data:`FOREIGN` means."""
    bad = next((each for each in _chain(error) if isinstance(each, BadBody)), None)
    if bad is not None:
        cut = bad.fault is WireFault.CUT
        return Trouble(FailureKind.MALFORMED, bad.fault.value, again=cut, unavailable=cut)
    match error:
        case ModelHTTPError():
            return _refused(error)
        case ModelTimeoutError():
            return Trouble(FailureKind.TIMEOUT, "timeout", again=True, unavailable=True)
        case ModelConnectionError() | httpx2.TransportError():
            reason = "no connection"
            return Trouble(FailureKind.UNREACHABLE, reason, again=True, unavailable=True)
        case ModelAPIError():
            status = _odd_status(error)
            reason = type(error).__name__ if status is None else f"http {status}"
            return Trouble(FailureKind.UNREACHABLE, reason, status=status)
        case UserError():
            # A mode the library knows this model cannot do.
            return Trouble(FailureKind.UNKNOWN, "unsupported request", rejected=True)
        case ContentFilterError():
            return Trouble(FailureKind.MALFORMED, "content filter")
        case UnexpectedModelBehavior() | AgentRunError():
            return Trouble(FailureKind.MALFORMED, WireFault.SHAPE.value)
    return Trouble(FailureKind.MALFORMED, f"{WireFault.SHAPE.value}: {type(error).__name__}")


def _refused(error: ModelHTTPError) -> Trouble:
    status = error.status_code
    spent = isinstance(error, ModelQuotaExceededError)
    again = (status in _AGAIN or status >= 500) and not spent
    refused = status in _FORM_REFUSED
    return Trouble(
        FailureKind.UNREACHABLE,
        f"http {status}" + (" (quota exhausted)" if spent else ""),
        status=status,
        retry_after=_seconds(error.retry_after),
        again=again,
        unavailable=again or spent,
        rejected=refused,
        blames_temperature=refused and "temperature" in str(error.body)[:_MOST_BODY].lower(),
    )


def _odd_status(error: ModelAPIError) -> int | None:
    """The status of an answer that is neither success nor error, such as a redirect."""
    status = getattr(error.__cause__, "status_code", None)
    return status if isinstance(status, int) else None


def _seconds(asked: float | None) -> float | None:
    return asked if asked is not None and math.isfinite(asked) and asked >= 0 else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it came from."""
    each: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if each is None:
            return
        yield each
        each = each.__cause__ or each.__context__
