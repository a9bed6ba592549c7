"""Numbers of a report as words: never more than was counted."""

import math

from gmmal_jax.report.budget import Needed
from gmmal_jax.report.significance import LEVEL

SMALLEST = 0.001


def p_value(p: float | None) -> str:
    """To three digits, "< 0.001" below; "" where there is none."""
    if p is None:
        return ""
    return f"< {SMALLEST}" if p < SMALLEST else f"{p:.3f}"


def is_small(p: float | None) -> bool:
    """Whether a p-value is below 0.05."""
    return p is not None and p < LEVEL


def labels(needed: Needed) -> str:
    """How many: "38", "> 60" where 60 do not do, "≤ 20" where the first 20 do."""
    return _count(needed, needed.labels)


def labels_interval(needed: Needed) -> str:
    """The ends of its interval; "" with one seed."""
    if math.isnan(needed.low):
        return ""
    return f"{_count(needed, needed.low)} to {_count(needed, needed.high)}"


def saved(needed: Needed) -> str:
    """How many less than the base; a bound where only one of the two got there.

    So it is where one of them was there from the start.
    """
    if math.isnan(needed.saved):
        return ""
    if math.isinf(needed.saved):
        return f"{'>' if needed.saved > 0 else '<'} {_signed(needed.bound)}"
    first = min(needed.labels, needed.labels + needed.saved)
    bound = ("≥ " if needed.saved > 0 else "≤ ") if needed.saved else ""
    return f"{bound if first <= needed.smallest else ''}{_signed(needed.saved)}"


def saved_interval(needed: Needed) -> str:
    """The ends of its interval, open where an arm did not get there."""
    ends = (needed.saved_low, needed.saved_high)
    if math.isnan(needed.saved) or all(map(math.isnan, ends)):
        return ""
    return " to ".join(_signed(e) if math.isfinite(e) else "open" for e in ends)


def _count(needed: Needed, value: float) -> str:
    if math.isinf(value):
        return f"> {needed.largest:,}"
    return f"{'≤ ' if value <= needed.smallest else ''}{value:,.0f}"


def _signed(value: float) -> str:
    return f"{value:+,.0f}" if round(value) else "0"
