"""How much that is of no use to us a relay may send. Pure: ``now`` is an argument.

All relays share the library's channel: one that floods it, with the same event again and again,
with forgeries or with what nobody asked for, holds up what the others say. Nothing but leaving it
helps, since the library reads whatever comes.
"""

from serbero.model.backoff import exponential
from serbero.relays.settings import RelaySettings


class Nuisance:
    """The patience with one relay: spent by what is of no use, regained with time."""

    def __init__(self, settings: RelaySettings) -> None:
        self._settings = settings
        self._left = float(settings.useless_burst)
        self._at = 0.0
        self._floods = 0
        self._flooded_at: float | None = None

    def useless(self, now: float) -> bool:
        """A message of no use came at ``now`` (monotonic seconds); whether that is a flood."""
        earned = max(0.0, now - self._at) * self._settings.useless_per_second
        self._left = min(float(self._settings.useless_burst), self._left + earned) - 1
        self._at = now
        return self._left < 0

    def pause(self, now: float) -> float:
        """Return for how many seconds to stay away after a flood: longer after each one."""
        longest = self._settings.flood_pause_ceiling_seconds
        if self._flooded_at is not None and now - self._flooded_at > 2 * longest:
            self._floods = 0
        self._floods += 1
        self._flooded_at = now
        self._left = float(self._settings.useless_burst)
        return exponential(self._floods, self._settings.flood_pause_seconds, longest)
