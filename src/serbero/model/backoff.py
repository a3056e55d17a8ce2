"""Waiting times between attempts, as pure arithmetic."""


def exponential(attempt: int, initial: float, ceiling: float, factor: float = 2.0) -> float:
    """Seconds before attempt ``attempt + 1``: ``initial * factor ** (attempt - 1)``, capped.

    Args:
        attempt: how many attempts were made so far; 1 after the first failure.
        initial: seconds after the first failure.
        ceiling: the longest wait in seconds.
        factor: growth a step.
    """
    if attempt <= 1:
        return min(initial, ceiling)
    try:
        return float(min(ceiling, initial * factor ** (attempt - 1)))
    except OverflowError:  # too large for a float, so far above any ceiling
        return float(ceiling)


def full_jitter(wait: float, draw: float) -> float:
    """A random wait in ``[0, wait]`` from ``draw`` in [0, 1): spreads retries evenly."""
    return wait * draw


def jittered(wait: float, spread: float, draw: float) -> float:
    """``wait`` moved by up to ``spread`` (0.2 is 20 %) either way, from ``draw`` in [0, 1)."""
    return wait * (1 + spread * (2 * draw - 1))
