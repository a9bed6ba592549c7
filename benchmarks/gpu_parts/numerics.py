"""What a GPU could break: float32 products that turn into TF32, bf16 where none is."""

from collections.abc import Callable
from typing import Any

import em
import em_reference
import jax
import jax.numpy as jnp
import numpy as np
import worlds

from gmmal_jax.mixtures import gaussian
from gmmal_jax.phases import adversary as adversaries, critic_losses
from gmmal_jax.types import Mixture
from gpu_parts.base import Context, Found, Size

U = 2.0**-24
"""Rounding to float32 moves a number by at most this share of itself."""
SAFETY = 4.0
MAPS = 24
"""Feature maps that a ResNet-18 rounds one after the other."""
Check = tuple[float, float]
"""An error, and the most that is allowed."""


def measure(context: Context) -> Found:
    """Every check's error beside its bound."""
    checks: dict[str, Check] = {}
    for rows, k in context.size.accuracy:
        for kind in em.KINDS:
            checks[f"EM, {rows:,} rows, K={k}, {kind}"] = _em(rows, k, kind)
    checks["log likelihoods"] = likelihoods(_plain)
    checks["gradient penalty"] = penalties(_plain)
    checks |= _latents(context.size)
    failures = [
        f"{name}: error {error:.2g}, at most {bound:.2g} allowed"
        for name, (error, bound) in checks.items()
        if not error <= bound
    ]
    worst = max(checks, key=lambda name: checks[name][0] / checks[name][1])
    error, bound = checks[worst]
    headline = (
        f"{len(checks) - len(failures)} of {len(checks)} checks hold; nearest to its "
        f"bound: {worst} ({error:.1e} of {bound:.1e})"
    )
    results = {name: {"error": e, "bound": b} for name, (e, b) in checks.items()}
    return Found(headline, results, failures=tuple(failures))


def _plain(values: Any) -> Any:
    """What float32 is given."""
    return values


def _em(num_rows: int, k: int, kind: str) -> Check:
    """The log-likelihood after ten iterations, relative."""
    x = em.features(num_rows, k, kind)
    start, floor = em.random_start(x, k), em.floor_of(x)
    wanted = em_reference.fit(x, start, em_reference.raising(floor), em.ITERS)
    found = em.error(x, em.ours(x, start), wanted)
    error = found if isinstance(found, float) else float("inf")
    return error, em.BOUNDS[num_rows, k]


def likelihoods(rounded: Callable[[Any], Any]) -> Check:
    """Log-likelihoods of 512 dimensions, relative to their terms without signs.

    Args:
      rounded: what becomes of the rows before they are used: the identity, or a coarser
        rounding to see that the bound would be missed.
    """
    generator = np.random.default_rng(0)
    n, k, d = 500, 10, 512
    means = generator.normal(size=(k, d)).astype(np.float32)
    variances = generator.uniform(0.05, 0.5, (k, d)).astype(np.float32)
    x = (means[np.arange(n) % k] + generator.normal(0, 0.5, (n, d))).astype(np.float32)
    mixture = Mixture(jnp.full(k, 1 / k), jnp.asarray(means), jnp.asarray(variances))
    found = jax.jit(gaussian.log_likelihood)(jnp.asarray(rounded(x)), mixture)
    gaps = np.square(x[:, None].astype(np.float64) - means) / variances
    joint = -0.5 * (gaps + np.log(2 * np.pi * variances.astype(np.float64))).sum(2)
    top = joint.max(1)
    wanted = top + np.log(np.exp(joint - top[:, None]).sum(1) / k)
    centre = x.mean(0)  # sums are taken about some centre of the rows
    wide = np.square(x - centre)[:, None] + np.square(means - centre)
    terms = (wide / variances).sum(2).max(1)
    error = float((np.abs(found - wanted) / terms).max())
    return error, float(SAFETY * U * np.sqrt(d))  # d roundings of random sign


def penalties(rounded: Callable[[Any], Any]) -> Check:
    """The critic's squared excess slopes, against float64 by hand; relative.

    Args:
      rounded: as in `likelihoods`, of the weights.
    """
    changes = {"da.hidden": (512, 512), "da.output": "linear"}
    world = worlds.make("digits", (8, 8, 1), 10, **changes)
    config = world.config
    made = adversaries.make(world.network, config.train, config.da, config.gmm)
    state = adversaries.init(made, jax.random.key(0))
    params = jax.tree.map(lambda leaf: 1.5 * leaf, state.params)  # steeper than 1
    width = params["params"]["Dense_0"]["kernel"].shape[0]
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 100, width)).astype(np.float32)
    mix = generator.uniform(size=100).astype(np.float32)
    penalty = jax.jit(lambda *args: critic_losses.gradient_penalty(made, *args))
    found = penalty(
        jax.tree.map(rounded, params),
        *(jnp.asarray(values) for values in (first, second, mix)),
    )
    share = mix[:, None].astype(np.float64)
    wanted = _penalty64(params["params"], share * first + (1 - share) * second)
    error = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
    # Five products, each a sum of so many terms; the excess and its square are steep.
    return float(error), float(5 * 4 * SAFETY * U * np.sqrt(width))


def _penalty64(layers: Any, points: np.ndarray) -> np.ndarray:
    """One-sided penalty of ReLU layers with a linear end: [b], from weights."""
    kernels = [np.asarray(layers[n]["kernel"], np.float64) for n in sorted(layers)]
    biases = [np.asarray(layers[n]["bias"], np.float64) for n in sorted(layers)]
    h, gates = points, []
    for kernel, bias in zip(kernels[:-1], biases[:-1], strict=True):
        h = h @ kernel + bias
        gates.append(h > 0)
        h = np.maximum(h, 0)
    slopes = np.tile(kernels[-1][:, 0], (len(points), 1))
    for kernel, gate in zip(kernels[-2::-1], gates[::-1], strict=True):
        slopes = (slopes * gate) @ kernel.T
    excess = np.sqrt(np.square(slopes).sum(axis=1)) - 1
    return np.square(np.maximum(excess, 0))


def _latents(size: Size) -> dict[str, Check]:
    """How far TF32 and bf16 move latents of an untrained network: relative."""
    exact, checks, scale = None, {}, size.scale
    for name, precision, products, bits in (
        ("float32", "float32", "highest", 0),
        ("TF32", "float32", "default", 11),
        ("bf16", "bf16", "default", 9),
    ):
        changes = scale.changes | {"train.precision": precision}
        world = worlds.make(scale.preset, scale.image, 100, **changes)
        images = world.network.normalized(jnp.asarray(world.images.read(slice(None))))
        state = jax.jit(world.network.init)(jax.random.key(0))
        with jax.default_matmul_precision(products):
            latents = jax.jit(world.network.predict)(state, images).latents
        if exact is None:
            exact = latents
            continue
        apart = jnp.linalg.norm(latents - exact) / jnp.linalg.norm(exact)
        bound = SAFETY * 2.0**-bits * np.sqrt(MAPS / 3)  # an even rounding's variance
        checks[f"latents, {name} against float32"] = (float(apart), float(bound))
    return checks
