"""Milliseconds of a training step in three precisions, beside PyTorch."""

import statistics
from collections.abc import Callable
from typing import Any

from gpu_parts import limits, steps
from gpu_parts.base import Context, Found, share

GOALS = {steps.SUPERVISED: 6.0, steps.ALIGNMENT: 14.0}
"""Milliseconds on one H100 or H200; 500 alternating steps with a refit in 7 s."""


def measure(context: Context, phase: int) -> Found:
    """All contenders in turn; shares of the product peak of their precision."""
    size, absent = context.size, []
    made = {name: steps.ours(size, phase, name) for name in limits.PRECISIONS}
    calls: dict[str, Callable[[], Any]] = {k: v.call for k, v in made.items()}
    try:
        calls["PyTorch, bf16"] = _theirs(context, phase)
    except ImportError as error:
        absent.append(f"PyTorch: {error}")
    times = limits.alternating(calls, size.rounds)
    milliseconds = {
        name: 1e3 * statistics.median(values) / size.chunk
        for name, values in times.items()
    }
    rates = limits.measure(size)
    traffic = {name: made[name].traffic() for name in limits.PRECISIONS}
    shares, moved = {}, {}
    for name in limits.PRECISIONS:
        seconds = milliseconds[name] / 1e3
        shares[name] = made[name].flops / seconds / rates.products[name]
        moved[name] = traffic[name] / seconds / rates.copy
    theirs = milliseconds.get("PyTorch, bf16")
    results = {
        "milliseconds": milliseconds,
        "all_milliseconds": {
            name: [1e3 * value / size.chunk for value in values]
            for name, values in times.items()
        },
        "flops": made["bf16"].flops,
        "share_of_product_peak": shares,
        "products_flops": rates.products,
        "bytes_accessed": traffic,
        "share_of_copy_bandwidth": moved,
        "copy_bytes_per_s": rates.copy,
        "pytorch_over_bf16": theirs / milliseconds["bf16"] if theirs else None,
        "goal_milliseconds": GOALS[phase],
    }
    headline = ", ".join(
        f"{name} {milliseconds[name]:.2f} ms ({share(shares[name], 1)} of peak, "
        f"{share(moved[name], 1)} of bandwidth)"
        for name in limits.PRECISIONS
    )
    if theirs:
        headline += f"; PyTorch {theirs / milliseconds['bf16']:.2f} x bf16"
    return Found(headline, results, tuple(absent))


def _theirs(context: Context, phase: int) -> Callable[[], Any]:
    from gpu_parts import torch_steps

    world = steps.world_of(context.size, "float32")
    inputs = world.trainer.learner.phases[phase].inputs
    other = inputs.subset if phase == steps.SUPERVISED else inputs.unlabeled
    return torch_steps.contender(context.size, phase, (inputs.labeled, other))
