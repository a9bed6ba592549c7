"""The ten longest kernels of each step, and their share of the device's busy time."""

import collections
import shutil
from pathlib import Path
from typing import Any

import jax

from gpu_parts import steps
from gpu_parts.base import Context, Found, share

LONGEST = 10
STEPS = {"supervised": steps.SUPERVISED, "alternating": steps.ALIGNMENT}


def measure(context: Context) -> Found:
    """Profiles of one chunk each, in a GPU's default precision and in bf16."""
    results: dict[str, Any] = {}
    for name, phase in STEPS.items():
        for precision in ("tf32", "bf16"):
            call = steps.ours(context.size, phase, precision).call
            call()
            folder = context.work / f"profile-{name}-{precision}"
            with jax.profiler.trace(str(folder)):
                call()
            results[f"{name}, {precision}"] = reduced(folder, context.size.chunk)
            shutil.rmtree(folder)
    first = results["supervised, bf16"]["kernels"][0]
    longest = f"{first['name'][:50]}, {share(first['share'], 1)}"
    return Found(f"longest kernel of a supervised step: {longest}", results)


def reduced(folder: Path, chunk: int) -> dict[str, Any]:
    """The busy time of a trace by kernels.

    Args:
      folder: that `jax.profiler.trace` wrote to.
      chunk: steps in the trace.
    """
    path = sorted(folder.rglob("*.xplane.pb"))[-1]
    spent, calls = collections.Counter[str](), collections.Counter[str]()
    for name, nanoseconds in _events(jax.profiler.ProfileData.from_file(str(path))):
        spent[name] += nanoseconds
        calls[name] += 1
    total = sum(spent.values())
    kernels = [
        {
            "name": name,
            "milliseconds_a_step": nanoseconds / 1e6 / chunk,
            "calls_a_step": calls[name] / chunk,
            "share": nanoseconds / total,
        }
        for name, nanoseconds in spent.most_common(LONGEST)
    ]
    return {
        "busy_milliseconds_a_step": total / 1e6 / chunk,
        "launches_a_step": sum(calls.values()) / chunk,
        "kernels": kernels,
    }


def _events(data: Any) -> Any:
    """(name, nanoseconds) of what ran on devices; on a CPU, in XLA's threads."""
    planes = list(data.planes)
    devices = [plane for plane in planes if plane.name.startswith("/device:")]
    for plane in devices or planes:
        for line in plane.lines:
            # Beside a GPU's streams the plane holds the same time by module and op.
            if devices and not line.name.startswith("Stream"):
                continue
            if not devices and not line.name.startswith("tf_XLA"):
                continue
            for event in line.events:
                if "::" not in event.name and not event.name.startswith("end: "):
                    yield event.name, event.duration_ns
