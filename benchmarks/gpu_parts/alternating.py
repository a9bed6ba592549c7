"""The step of network and critic against each other."""

from gpu_parts import step_times, steps
from gpu_parts.base import Context, Found


def measure(context: Context) -> Found:
    """See `step_times`."""
    return step_times.measure(context, steps.ALIGNMENT)
