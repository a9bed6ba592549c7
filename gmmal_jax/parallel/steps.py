"""A training step, wrapped to run in chunks on all devices of a mesh by pmap.

State is replicated and has no device axis; a chunk's inputs carry the devices on
axis 1. That is the form in which pmap neither copies nor recompiles:
`in_axes=(None, 1), out_axes=None, donate_argnums=0`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from gmmal_jax.parallel.meshes import num_shares, replicated
from gmmal_jax.types import AXIS, Key, Metrics, PyTree, StepBatch

Step = Callable[[Key, PyTree, StepBatch], tuple[PyTree, Metrics]]
_Carry = tuple[jax.Array, PyTree]
"""Key data, state."""


class CompiledStep(NamedTuple):
    """A training step, ready to run in chunks (see `compile_step`)."""

    run: Callable[[_Carry, StepBatch], tuple[_Carry, Metrics]]
    mesh: Mesh
    scanned: bool


def compile_step(mesh: Mesh, step: Step, scan_safe: bool = True) -> CompiledStep:
    """Wrap a step so that a chunk of it is dispatched by `run_chunk`.

    Args:
      mesh: devices that share each global batch.
      step: pure; sees its device's share and reduces over `types.AXIS` itself.
      scan_safe: false if the step differentiates convolutions that are not
        `models.convolution`'s: inside `scan` XLA's CPU backend runs their gradients
        10 to 140 times slower, so there each step is dispatched alone.
    """

    def run(carry: _Carry, batches: StepBatch) -> tuple[_Carry, Metrics]:
        def body(carry: _Carry, batch: StepBatch) -> tuple[_Carry, Metrics]:
            key_data, state = carry
            key = jax.random.wrap_key_data(key_data, impl="threefry2x32")
            key = jax.random.fold_in(key, batch.clock.step)
            state, metrics = step(key, state, batch)
            return (key_data, state), metrics

        return jax.lax.scan(body, carry, batches)

    compiled = jax.pmap(
        run, axis_name=AXIS, in_axes=(None, 1), out_axes=None, donate_argnums=0
    )
    on_cpu = mesh.devices.flat[0].platform == "cpu"
    return CompiledStep(compiled, mesh, scanned=scan_safe or not on_cpu)


def run_chunk(
    compiled: CompiledStep, key: Key, state: PyTree, batches: StepBatch
) -> tuple[PyTree, Metrics]:
    """Run a chunk of steps: one scan, or one dispatch a step.

    Args:
      compiled: from `compile_step`.
      key: of the phase; step s uses fold_in(key, s).
      state: replicated; donated, so the argument is dead afterwards.
      batches: leaves [t, devices, ...].

    Returns:
      The new state and metrics, [t] each.
    """
    key_data = jax.device_put(
        np.asarray(jax.random.key_data(key)), replicated(compiled.mesh)
    )
    carry = (key_data, state)
    if compiled.scanned:
        carry, metrics = _dispatch(compiled, carry, batches)
        return carry[1], metrics
    parts = []
    for t in range(batches.clock.step.shape[0]):
        one = jax.tree.map(lambda leaf, t=t: leaf[t : t + 1], batches)
        carry, metrics = _dispatch(compiled, carry, one)
        parts.append(metrics)
    return carry[1], jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts)


def _dispatch(
    compiled: CompiledStep, carry: _Carry, batches: StepBatch
) -> tuple[_Carry, Metrics]:
    result = compiled.run(carry, batches)
    shares, kind = num_shares(compiled.mesh), compiled.mesh.devices.flat[0].platform
    if shares > 1 and kind == "cpu":
        # Collectives of virtual CPU devices hang when dispatches queue up.
        wait: Any = jax.block_until_ready  # has no annotations
        wait(result)
    return result
