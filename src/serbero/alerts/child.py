"""The process that talks to a service, by Apprise; started by :mod:`serbero.alerts.courier`.

It is a process of its own because what it runs is other people's: code for a hundred services, the
answers of their servers, a library that keeps 45 MB. It has no key of ours, no database and no open
socket; it can hang, grow or crash by itself; and it is killed when its time is over, which no
thread can be.

One JSON object comes in on standard input, one goes out on standard output. Nothing else does:
Apprise's own words may hold addresses and tokens, so its log and its prints go nowhere.
"""

import json
import logging
import os
import resource
import signal
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from apprise import Apprise, AppriseAsset, NotifyBase

NAME: Final = "Serbero"
"""All that a service learns of who writes."""
SPARE_SECONDS: Final = 5
"""Beyond its time, after which it ends even if whoever started it is gone."""
MOST_MEMORY: Final = 1 << 28
"""Bytes of address space: an endless answer ends here, not in the machine's memory."""
NICENESS: Final = 5


def main() -> None:
    """Answer one request."""
    answer = _alone()
    request = json.loads(sys.stdin.buffer.read())
    _bound(float(request["seconds"]))
    told = json.dumps(_answered(request)).encode()
    os.write(answer, told)


def _alone() -> int:
    """Give whatever is printed nowhere to go; return where the answer goes."""
    answer = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for each in (1, 2):
        os.dup2(nowhere, each)
    logging.disable(sys.maxsize)
    warnings.simplefilter("ignore")
    return answer


def _bound(seconds: float) -> None:
    """End in time, leave no picture of our memory behind, and give way to everybody else.

    A service manager that forbids some of this sees to it itself.
    """
    signal.setitimer(signal.ITIMER_REAL, seconds + SPARE_SECONDS)
    for what, most in ((resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, MOST_MEMORY)):
        with suppress(OSError, ValueError):
            _, ceiling = resource.getrlimit(what)
            if ceiling == resource.RLIM_INFINITY or ceiling > most:
                resource.setrlimit(what, (most, most))
    with suppress(OSError):
        os.nice(NICENESS)
    with suppress(OSError):
        # Where memory runs out, this process is the one to go.
        Path("/proc/self/oom_score_adj").write_text("1000")


def _answered(request: dict[str, Any]) -> dict[str, object]:
    try:
        from apprise import Apprise  # noqa: PLC0415 - it may be missing
    except ImportError:
        return {"result": "missing"}
    channel = _channel(Apprise, str(request["url"]))
    if channel is None:
        return {"result": "unavailable" if _lacks_something(str(request["url"])) else "unknown"}
    if request["do"] == "look":
        return {
            "result": "understood",
            "unverified": not channel.verify_certificate,
            "redirects": bool(channel.redirects),
        }
    return {"result": "sent" if _sent(channel, request) else "failed"}


def _channel(library: "type[Apprise]", url: str) -> "NotifyBase | None":
    try:
        return library.instantiate(url, asset=_asset(), suppress_exceptions=True)
    except Exception:  # noqa: BLE001 - a hundred services' own code; its words may hold the address
        return None


def _lacks_something(url: str) -> bool:
    """Whether Apprise knows this kind of address, and misses what it needs for it."""
    from apprise.apprise import N_MGR as kinds  # noqa: PLC0415, N811 - its one register

    schema = url.partition("://")[0].lower()
    return schema in kinds and not kinds[schema].enabled


def _asset() -> "AppriseAsset":
    """Let nothing but our words and our name go out.

    By default Apprise names itself, links pictures on a server of others, follows redirects (with
    the token in the address), and gives up by a clock and threads of its own.
    """
    from apprise import AppriseAsset, PersistentStoreMode  # noqa: PLC0415

    return AppriseAsset(
        app_id=NAME,
        app_desc=NAME,
        app_url="",
        theme="",
        image_url_mask="",
        image_url_logo="",
        image_path_mask="",
        http_redirects=False,
        async_mode=False,
        interpret_escapes=False,
        interpret_emojis=False,
        pgp_autogen=False,
        pem_autogen=False,
        secure_logging=True,
        storage_mode=PersistentStoreMode.MEMORY,
        service_timeout=0,
        allow_templates=False,
        language="en",
        timezone="UTC",
    )


def _sent(channel: "NotifyBase", request: dict[str, Any]) -> bool:
    from apprise import NotifyFormat, NotifyType  # noqa: PLC0415

    kind = NotifyType.WARNING if request["grave"] else NotifyType.INFO
    try:
        return bool(
            channel.notify(
                title=str(request["title"]),
                body=str(request["body"]),
                notify_type=kind,
                body_format=NotifyFormat.TEXT,
            )
        )
    except Exception:  # noqa: BLE001 - as above
        return False


if __name__ == "__main__":
    main()
