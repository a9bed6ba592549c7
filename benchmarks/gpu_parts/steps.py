"""The two training steps as a run takes them, ready to be called."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import worlds

from gmmal_jax import keys, parallel, planning
from gpu_parts.base import Size
from gpu_parts.limits import PRECISIONS

SUPERVISED, ALIGNMENT = 0, 1
"""Phases of the paper's learner."""


class Contender(NamedTuple):
    """A call that makes `Size.chunk` steps and waits for them.

    Attributes:
      call: returns nothing.
      flops: operations of one step, by the network's forward passes.
      traffic: () -> bytes that one step reads and writes, as XLA counts them when it
        has fused what it can; compiles the program again, or finds it in the cache.
    """

    call: Callable[[], None]
    flops: float
    traffic: Callable[[], float]


def world_of(size: Size, precision: str) -> worlds.World:
    """The paper's method on random images; `PRECISIONS` names the precision."""
    stored = "bf16" if precision == "bf16" else "float32"
    scale, changes = size.scale, size.scale.changes | {"train.precision": stored}
    return worlds.make(scale.preset, scale.image, scale.pool, **changes)


def ours(size: Size, phase: int, precision: str) -> Contender:
    """A chunk of a phase: rows are planned and placed before, as a run does meanwhile.

    Args:
      size: of everything.
      phase: `SUPERVISED` or `ALIGNMENT`.
      precision: one of `PRECISIONS`.
    """
    assert precision in PRECISIONS
    world = world_of(size, precision)
    trainer, key = world.trainer, jax.random.key(0)
    pool = worlds.pool(world, size.scale.labeled)
    asked = trainer.learner.phases[phase]
    address, data = planning.Address(0, 0, phase), planning.Data(world.images, pool)
    plan = planning.Plan(trainer.chunk_form, asked, address, data, 1000 * size.chunk)
    inputs, planned = asked.inputs, plan(0)
    products = "highest" if precision == "float32" else "default"
    state = trainer.init(keys.key(0, "network", 0), None)

    def call() -> None:
        nonlocal state
        with jax.default_matmul_precision(products):
            state, metrics = parallel.run_chunk(
                trainer.steps[phase], key, state, planned
            )
        jax.block_until_ready((state, metrics))

    def traffic() -> float:
        carry = (jax.random.key_data(key), state)
        with jax.default_matmul_precision(products):
            compiled = trainer.steps[phase].run.lower(carry, planned).compile()
        found: Any = compiled.cost_analysis() or {}  # a loop's body counts once
        return float(found.get("bytes accessed", float("nan")))

    # Forward and backward are three forward passes; X_s goes forward only.
    passes = 3 * (inputs.labeled + inputs.unlabeled) + inputs.subset
    return Contender(call, passes * forward_flops(world), traffic)


def forward_flops(world: worlds.World) -> float:
    """Operations of one image's forward pass (a multiply-add is two)."""
    network = world.network

    state = jax.eval_shape(network.init, jax.random.key(0))
    images = jax.ShapeDtypeStruct((1, *world.images.shape[1:]), np.float32)
    lowered = jax.jit(network.predict).lower(state, images)
    found: Any = lowered.cost_analysis() or {}
    return float(found.get("flops", float("nan")))
