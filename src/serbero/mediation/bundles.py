"""Prompt bundles in memory: the one of today, and those that open sessions were begun with."""

from typing import Final

import structlog

from serbero.reasoning.bundle import BundleProblem, PromptBundle
from serbero.store import prompt_bundles
from serbero.store.mediation_events import Pins
from serbero.store.patient import PatientStore

_log = structlog.get_logger(__name__)

MAX_KEPT: Final = 8
"""A bundle has some ten kilobytes, and operators do not change it often."""


def pins_of(bundle: PromptBundle) -> Pins:
    """What the rows made under a bundle carry."""
    return Pins(bundle.bundle_id, bundle.policy_hash)


class Bundles:
    """Every bundle that is needed now.

    Args:
        store: keeps the bytes of each bundle a session was begun with.
    """

    def __init__(self, store: PatientStore) -> None:
        self._store = store
        self._current: PromptBundle | None = None
        self._kept: dict[str, PromptBundle] = {}

    @property
    def current(self) -> PromptBundle | None:
        """The one new sessions begin with; None before it was loaded."""
        return self._current

    async def take(self, bundle: PromptBundle, now: int) -> None:
        """Use ``bundle`` from now on (Unix seconds), and keep its bytes."""
        await self._store.transact(
            prompt_bundles.save, bundle.policy_hash, bundle.bundle_id, dict(bundle.parts()), now
        )
        self._current = bundle

    async def of(self, policy_hash: str) -> PromptBundle | None:
        """Return the bundle with this hash; None where its bytes are gone."""
        if self._current is not None and self._current.policy_hash == policy_hash:
            return self._current
        if policy_hash not in self._kept:
            parts = await self._store.read(prompt_bundles.load, policy_hash)
            bundle = None if parts is None else _rebuilt(parts, policy_hash)
            if bundle is None:
                return None
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            self._kept[policy_hash] = bundle
        return self._kept[policy_hash]


def _rebuilt(parts: dict[str, bytes], policy_hash: str) -> PromptBundle | None:
    """Return the stored bundle if its bytes still are what the hash says."""
    try:
        bundle = PromptBundle.of(parts)
    except BundleProblem as problem:
        _log.error("prompt_bundle_damaged", policy_hash=policy_hash, reason=str(problem))
        return None
    if bundle.policy_hash != policy_hash:
        _log.error("prompt_bundle_damaged", policy_hash=policy_hash, reason="another hash")
        return None
    return bundle
