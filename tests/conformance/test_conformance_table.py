"""Every misbehaviour of a relay, alone and with an honest relay beside it.

The waiting is the daemon's own and happens on a clock of the test's; sockets, relay and database
are real. What each row demands stands in ``table``.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from tests.conformance.table import assert_calm, assert_spaced, names, try_fault
from tests.daemon.rig import SETTINGS

from serbero.simulator.behaviour import Behaviour
from serbero.simulator.fault_replies import Forget
from serbero.simulator.faults import FAULTS, Fault, Group
from serbero.simulator.proxy import FaultProxy
from serbero.simulator.wire import Frame

BRIEF_SECONDS = 3.0
LASTING_SECONDS = 40.0
"""Long enough for a canary's whole round, a new REQ and a new connection."""
SLOW_SECONDS = 8.0
"""For faults that delay frames in real time."""

REASONS_BESIDE = ("auth-required", "error", "rate-limited", "restricted", "empty")
"""Of the thirteen reasons of a CLOSED: one of each sort, where an honest relay is there, too."""

SLOW = frozenset({"latency", "jitter", "overtaking", "slow-reader"})


def _beside() -> list[str]:
    return [
        name
        for name in names()
        if not name.startswith("closed-") or name.partition(":")[2] in REASONS_BESIDE
    ]


def _moments() -> list[str]:
    """What leaves something behind that no answer tells of."""
    silent = ("forgotten", "live-lost", "stored-hidden", "event-late", "ok-lies", "ok-never")
    once = [f"closed-once:{each}" for each in REASONS_BESIDE]
    return [*names(Group.LINK), *silent, *once, *(each for each in FAULTS if "auth-" in each[:5])]


ALONE: Final = 2
OTHERWISE: Final = 3
"""Of the faults of each kind of test one of so many is tried every time."""


def _in_turn(found: Sequence[str], every: int) -> list[Any]:
    """Leave the others to the long sweeps."""
    return [
        name if number % every == 0 else pytest.param(name, marks=pytest.mark.soak)
        for number, name in enumerate(found)
    ]


def _lasts(name: str) -> float:
    return SLOW_SECONDS if name in SLOW else LASTING_SECONDS


@pytest.mark.parametrize("name", _in_turn(names(), ALONE))
async def test_alone_it_loses_nothing_and_hears_again(name: str, tmp_path: Path) -> None:
    """The relay is all there is, and honest again afterwards."""
    await try_fault(tmp_path, FAULTS[name], alone=True, seconds=_lasts(name))


@pytest.mark.parametrize("name", _in_turn(_beside(), OTHERWISE))
async def test_beside_an_honest_relay_nothing_is_lost(name: str, tmp_path: Path) -> None:
    """What the honest relay holds reaches everybody, whatever the other one does."""
    await try_fault(tmp_path, FAULTS[name], alone=False, seconds=_lasts(name))


@pytest.mark.parametrize("name", _in_turn(_moments(), OTHERWISE))
async def test_a_moment_of_it_does_no_lasting_harm(name: str, tmp_path: Path) -> None:
    """Over before any timer noticed it; what it left behind must be found all the same."""
    seconds = SLOW_SECONDS if name in SLOW else BRIEF_SECONDS
    await try_fault(tmp_path, FAULTS[name], alone=True, seconds=seconds)


@pytest.mark.parametrize("name", ["half-open", "lost-up", "lost-down", "forgotten", "live-lost"])
async def test_at_the_worst_moment(name: str, tmp_path: Path) -> None:
    """Right after a canary came back, when the next proof is furthest away."""
    at = SETTINGS.canary_interval_seconds
    await try_fault(tmp_path, FAULTS[name], alone=True, seconds=0.0, starts_at=at)


class TestTheTableCanFail:
    """Each demand, with what keeps it taken away."""

    async def test_deafness_without_a_canary(self, tmp_path: Path) -> None:
        with pytest.raises(AssertionError, match="hearing is back after forgotten"):
            await try_fault(
                tmp_path,
                FAULTS["forgotten"],
                alone=True,
                seconds=5,
                settings=replace(SETTINGS, canary_interval_seconds=100_000.0),
            )

    async def test_a_dead_connection_found_too_late(self, tmp_path: Path) -> None:
        with pytest.raises(AssertionError, match="hearing is back after half-open"):
            await try_fault(
                tmp_path,
                FAULTS["half-open"],
                alone=True,
                seconds=0.0,
                starts_at=SETTINGS.canary_interval_seconds,
                settings=replace(SETTINGS, canary_timeout_seconds=5.0),
            )

    async def test_attempts_without_spacing(self, tmp_path: Path) -> None:
        with pytest.raises(AssertionError, match=r"^\[") as failure:
            await try_fault(
                tmp_path,
                FAULTS["refuse"],
                alone=True,
                seconds=LASTING_SECONDS,
                settings=replace(SETTINGS, reconnect_seconds=2.0, reconnect_ceiling_seconds=2.0),
            )
        assert failure.traceback[-1].name == assert_spaced.__name__

    async def test_requests_without_backoff(self, tmp_path: Path) -> None:
        with pytest.raises(AssertionError) as failure:
            await try_fault(
                tmp_path,
                FAULTS["closed-always:error"],
                alone=True,
                seconds=LASTING_SECONDS,
                settings=replace(
                    SETTINGS, resubscribe_base_seconds=0.5, resubscribe_ceiling_seconds=0.5
                ),
            )
        assert failure.traceback[-1].name == assert_calm.__name__

    async def test_an_event_that_no_relay_serves_again(self, tmp_path: Path) -> None:
        """The relay itself loses what it held: nothing of ours can bring it back."""
        with pytest.raises(AssertionError, match="hearing is back after gone"):
            await try_fault(tmp_path, _fault("gone", _Gone()), alone=True, seconds=5)

    async def test_a_message_that_is_never_stored(self, tmp_path: Path) -> None:
        """The lie that is excused in ``ok-lies`` is not excused under another name."""
        lying = _fault("lying", FAULTS["ok-lies"].make())
        with pytest.raises(AssertionError, match="every solver is told"):
            await try_fault(tmp_path, lying, alone=True, seconds=5)


class _Gone(Forget):
    """Never lets a dispute event through again, also after it was taken off."""

    def stopped(self, proxy: FaultProxy) -> None:
        proxy.add(_swallow_disputes)


def _swallow_disputes(way: str, text: str, _link: object) -> list[Frame]:
    return [] if way == "down" and '"EVENT","disputes:' in text.replace(" ", "") else [text]


def _fault(name: str, behaviour: Behaviour) -> Fault:
    return Fault(name, name, "not excused", lambda: behaviour, Group.REPLY)
