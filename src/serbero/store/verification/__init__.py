"""Whether the trail in a database holds: that what is on record can have happened as it says.

One module a subject; each check is a small function over a :class:`~.scope.Scope`, named in its
module's ``CHECKS``. They are written from the rules, not from the code that keeps them, and only
read. What they cannot see: a row that was changed together with everything that goes with it.
"""

from serbero.store.verification.checks import CHECKS, Progress, Verified, verify
from serbero.store.verification.finding import Finding, Level

__all__ = ["CHECKS", "Finding", "Level", "Progress", "Verified", "verify"]
