"""Seconds of the stages of a cycle, each measured whole or in part.

On a CPU, CPU seconds of all threads: a few steps are too few for a median, and wall
seconds of so few are whatever else the machine does.
"""

import functools
import time
from collections.abc import Callable
from typing import NamedTuple

import harness
import jax
import jax.numpy as jnp
import numpy as np
import worlds

from gmmal_jax import planning, train
from gmmal_jax.mixtures import classwise, refit as fits
from gmmal_jax.phases import adversary, mixture_loss
from gmmal_jax.phases.base import Inputs
from gmmal_jax.phases.network import cross_entropy
from gmmal_jax.pool import Pool
from gmmal_jax.selection import Ask
from gmmal_jax.strategies import base
from gmmal_jax.types import (
    AXIS,
    Batch,
    Mixture,
    ModelState,
    PoolView,
    PyTree,
    StepBatch,
)


def on_cpu() -> bool:
    """Whether CPU seconds are counted, and stages measured in part."""
    return jax.default_backend() == "cpu"


def clock() -> float:
    """Seconds by the clock that is read here."""
    return time.process_time() if on_cpu() else time.perf_counter()


def _seconds(sample: harness.Sample) -> float:
    return sample.cpu if on_cpu() else sample.wall


class Stage(NamedTuple):
    """Seconds of a whole stage, and how much of it was run to know them."""

    seconds: float
    measured: str


def training(
    world: worlds.World, pool: Pool, state: PyTree, index: int, steps: int | None
) -> tuple[Stage, PyTree]:
    """Steps of one phase as a run takes them: planned, dispatched, checked.

    Args:
      world: whose learner.
      pool: what is labeled.
      state: donated.
      index: of the phase.
      steps: to run; None: all.

    Returns:
      The stage without its refits, and the state.
    """
    trainer, phase = world.trainer, world.method.learner.phases[index]
    chunk, data = trainer.chunk_steps, planning.Data(world.images, pool)
    num_steps = phase.num_steps(*data.counts(phase.inputs.candidates))
    count = min(steps or num_steps, num_steps)
    # One chunk more: the first one compiles.
    short = phase._replace(num_steps=lambda *_: count + chunk, refresh=None)
    only = trainer._replace(
        learner=trainer.learner._replace(phases=(short,)),
        steps=(trainer.steps[index],),
    )
    times: list[float] = []
    trained = train.run(
        only,
        0,
        0,
        data,
        train.Standing(state),
        train.Looks(_no_pool, _no_pool),
        lambda _: times.append(clock()),
    )
    seconds = (times[-1] - times[0]) / count * num_steps
    measured = "whole" if count == num_steps else f"{count} of {num_steps:,} steps"
    return Stage(seconds, measured), trained.state


def _no_pool(*_: object) -> PoolView:
    raise AssertionError("nothing is refitted here")


def embedding(
    world: worlds.World, state: PyTree, images: int | None
) -> tuple[Stage, dict[str, np.ndarray]]:
    """The readout of so many images (None: all), and its columns for all of them."""
    total = len(world.images)
    count = images or total
    readout, rows = world.method.learner.readout, np.arange(count)
    columns: dict[str, np.ndarray] = {}

    def run() -> None:
        columns.update(world.trainer.embed(readout, state, world.images.take(rows)))

    seconds = _seconds(harness.interleaved({"embed": run}, rounds=1)["embed"])
    measured = "whole" if count == total else f"{count} of {total:,} images"
    everywhere = np.resize(rows, total)
    return (
        Stage(seconds / count * total, measured),
        {name: values[everywhere] for name, values in columns.items()},
    )


def refit(world: worlds.World, pool: Pool, latents: np.ndarray) -> dict[str, Stage]:
    """Seconds of `refit_calls`."""
    calls = refit_calls(world, pool, latents)
    found = harness.interleaved(_blocking(calls), rounds=3)
    return {name: Stage(_seconds(sample), "whole") for name, sample in found.items()}


def refit_calls(
    world: worlds.World, pool: Pool, latents: np.ndarray
) -> dict[str, Callable[[], object]]:
    """The fits of both mixtures on all rows, without the forward pass before them."""
    gmm, rest = world.config.gmm, ~pool.labeled
    key, norm = jax.random.key(0), world.config.da.input_norm
    placed = jnp.asarray(latents)

    def labeled() -> Mixture:
        return fits.fit_labeled(
            placed, pool.labels, pool.labeled, worlds.NUM_CLASSES, gmm
        )

    def whole(first: Mixture) -> Mixture:
        return fits.fit_pool(key, placed, rest, first, gmm)[0]

    def scale(both: tuple[Mixture, Mixture]) -> object:
        return adversary.column_scale(placed, *both, norm)

    done = functools.cache(lambda: (labeled(), whole(labeled())))
    return {
        "latents to the device": lambda: jnp.array(latents),
        "labeled mixture": labeled,
        "EM on the pool, merge": lambda: whole(done()[0]),
        "scale of the critic's columns": lambda: scale(done()),
    }


def query(
    world: worlds.World, pool: Pool, columns: dict[str, np.ndarray], budget: int
) -> Stage:
    """Scores, ranks and the choice of a batch, from columns of all rows."""
    view = PoolView(pool.ids, pool.labeled, ~pool.labeled, pool.labels, columns)
    key, ask = jax.random.key(0), Ask(budget, worlds.NUM_CLASSES, world.config.select)

    def run() -> None:
        base.query(key, world.method.strategy, view, ask)

    found = harness.interleaved({"query": run}, rounds=2)
    return Stage(_seconds(found["query"]), "whole")


def latents(num_rows: int, num_dims: int, num_classes: int) -> np.ndarray:
    """Rows like a network's: classes, noise, ReLU; float32 [n, d]."""
    generator = np.random.default_rng(1)
    centres = generator.normal(size=(num_classes, num_dims)).astype(np.float32)
    noise = generator.standard_normal((num_rows, num_dims), np.float32)
    return np.maximum(centres[np.arange(num_rows) % num_classes] + noise, 0)


def step_pieces(
    world: worlds.World, pool: Pool, model: ModelState, step: float
) -> dict[str, float]:
    """Seconds of the lines of the paper's Table 2.

    A run compiles a step whole; here each piece is a program of its own, and
    "update" is what they leave of the seconds of a whole step.
    """
    network, config = world.network, world.config
    phase, chunk = world.method.learner.phases[0], world.trainer.chunk_steps
    loss = mixture_loss.make(network, config.reg, config.gmm)
    address, data = planning.Address(0, 0, 0), planning.Data(world.images, pool)

    def plan(inputs: Inputs) -> StepBatch:
        asked = phase._replace(inputs=inputs)
        return planning.Plan(world.trainer.chunk_form, asked, address, data, chunk)(0)

    def mapped(function: Callable, *axes: int | None) -> Callable:
        return jax.pmap(function, AXIS, in_axes=axes)

    def fit(latents: jax.Array, subset: Batch) -> Mixture:
        return classwise.fit(
            latents, subset.labels, subset.mask, num_classes=worlds.NUM_CLASSES,
            covariance=config.gmm.covariance,
            floor=fits.latent_floor(config.gmm, config.reg.variance_floor),
            shrinkage=config.gmm.shrinkage, weights="uniform", axis_name=AXIS,
        )  # fmt: skip

    def losses(
        images: jax.Array, batch: StepBatch, mixture: Mixture, model: ModelState
    ) -> jax.Array:
        rows = batch.labeled
        assert rows is not None
        outputs, _ = network.train(model, images, rows.mask)
        entropy = cross_entropy(outputs.logits, rows.labels).mean()
        return entropy + config.reg.alpha * loss.loss(None, mixture, outputs, batch)

    key = jax.random.key(0)
    augment = mapped(lambda rows: network.augmented(key, rows), 0)
    forward = mapped(
        lambda images, mask, model: network.train(model, images, mask)[0].latents,
        0, 0, None,
    )  # fmt: skip
    fitted, evaluated = mapped(fit, 0, 0), mapped(losses, 0, 0, 0, None)

    labeled, subset = Inputs(labeled=phase.inputs.labeled), phase.inputs.subset
    batch = jax.tree.map(lambda leaf: leaf[0], plan(labeled._replace(subset=subset)))
    images, seen = augment(batch.labeled), augment(batch.subset)
    z = forward(seen, batch.subset.mask, model)
    mixture = fitted(z, batch.subset)
    calls = {
        "plan B": lambda: plan(labeled),
        "plan X_s": lambda: plan(Inputs(subset=subset)),
        "augment B": lambda: augment(batch.labeled),
        "augment X_s": lambda: augment(batch.subset),
        "mixture": lambda: fitted(z, batch.subset),
        "losses": lambda: evaluated(images, batch, mixture, model),
    }
    found = harness.interleaved(_blocking(calls), rounds=3)
    spent = {name: _seconds(sample) for name, sample in found.items()}
    # Seconds long on a CPU; it has just run, so this call compiles nothing.
    began = clock()
    jax.block_until_ready(forward(seen, batch.subset.mask, model))
    spent["pass"] = clock() - began
    plans = {name: spent.pop(f"plan {name}") / chunk for name in ("B", "X_s")}
    return {
        "draw a minibatch B": plans["B"] + spent["augment B"],
        "draw a subset X_s": plans["X_s"] + spent["augment X_s"],
        "pass X_s through f": spent["pass"],
        "mixture of f(X_s)": spent["mixture"],
        "losses": spent["losses"],
        "update": max(step - sum(spent.values()), 0.0),
    }


def _blocking(calls: dict[str, Callable[[], object]]) -> dict[str, Callable]:
    def blocking(call: Callable[[], object]) -> Callable[[], object]:
        return lambda: jax.block_until_ready(call())

    return {name: blocking(call) for name, call in calls.items()}
