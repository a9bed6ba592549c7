"""How long a choice will take: steps and rows are counted, seconds of each measured."""

import time
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from gmmal_jax import cycle as cycles, estimate, train
from gmmal_jax.config import MixtureConfig
from gmmal_jax.loop import Reporter
from gmmal_jax.mixtures import em
from gmmal_jax.pool import Pool
from gmmal_jax.types import Mixture, PyTree

_PROBED = 8_192
"""Rows that are read and fitted beforehand to see how long that takes."""
_ITERATIONS = 2
_WORTH = 40_000
"""Rows of a pool above which reading and fitting them is more than compiling."""
_COMPILING = 2.5
"""Seconds of compiling a further phase, or what follows them, for each of the first."""
_ALONG = 1.5
"""Seconds of a further phase's image for each of the first phase's."""
_AROUND = 6.0
"""Seconds of the program's start, and of tables and pictures."""
_LATENTS = frozenset({"latents"})
_READS = 2
"""Readouts of a fit's rows, before it and for the scale of what it finds."""


class Rates(NamedTuple):
    """Seconds a row.

    Attributes:
      read: of a readout.
      iteration: of EM, with the latents' readout where they are not held.
    """

    read: float = 0.0
    iteration: float = 0.0


class Forecast:
    """Tells once how long a choice takes, after the second chunk of its training.

    Args:
      task: what is chosen for.
      pool: what is labeled.
      gmm: how mixtures are fitted.
      report: is told, in words.
    """

    def __init__(
        self, task: cycles.Task, pool: Pool, gmm: MixtureConfig, report: Reporter
    ) -> None:
        self.task, self.pool, self.gmm, self.report = task, pool, gmm, report
        self.begun = self.last = time.monotonic()
        self.rates, self.laps = Rates(), list[float]()

    def look(self, state: PyTree) -> None:
        """Measure how long rows take, where there are enough to matter."""
        if len(self.pool.ids) >= _WORTH:
            self.rates = _measured(self.task, self.pool, state)
        self.last = time.monotonic()

    def on_chunk(self, standing: train.Standing) -> None:
        """A chunk is done; the first one also compiled."""
        chunk = standing.chunk
        assert chunk is not None
        self.laps.append(time.monotonic() - self.last)
        self.last = time.monotonic()
        if len(self.laps) == 2 and chunk.phase == 0:
            seconds = self.last - self.begun + self._left(chunk) + _AROUND
            words = estimate.in_words(seconds)
            self.report.note(f"about {words} in all on this device")

    def _left(self, chunk: train.Chunk) -> float:
        first, second = self.laps
        image, compiling = second / chunk.images, max(first - second, 0.0)
        left = (chunk.num_steps - chunk.step) * second / self.task.trainer.chunk_steps
        learner, labeled = self.task.trainer.learner, int(self.pool.labeled.sum())
        num = len(self.pool.ids)
        for phase in learner.phases[1:]:
            counts = self.task.trainer.chunk_steps, labeled, num - labeled
            steps = train.length(phase, counts[1:], counts[0])
            left += _COMPILING * compiling
            left += steps * phase.inputs.rows * image * _ALONG
        read = estimate.of_training(
            learner, self.task.trainer.chunk_steps, labeled, num,
            refit_rows=self.task.refit_rows,
        ).read  # fmt: skip
        fit = self.gmm.em_iters * self.rates.iteration + _READS * self.rates.read
        return left + _COMPILING * compiling + read * fit + num * self.rates.read


def _measured(task: cycles.Task, pool: Pool, state: PyTree) -> Rates:
    """Read some rows and fit them; what is measured has been compiled before."""
    rows = np.arange(_PROBED)
    images, embed = task.images.take(rows), task.trainer.embed
    readout = task.method.learner.readout

    def read(columns: frozenset[str] | None = None) -> np.ndarray:
        latents = embed(readout, state, images, columns)["latents"]
        found: np.ndarray = latents[:]
        return found

    latents = read()
    reading = _seconds(read)
    placed, counted = jnp.asarray(latents), jnp.ones(len(rows), bool)
    k, d = task.trainer.num_classes, latents.shape[1]
    start = Mixture(jnp.full(k, 1 / k), placed[:k], jnp.ones((k, d)))

    def fit() -> None:
        found, _ = em.fit(placed, counted, start, num_iters=_ITERATIONS)
        found.weights.block_until_ready()

    fit()
    iteration = _seconds(fit) / _ITERATIONS
    size = 4 * len(pool.ids) * d
    if embed.room is not None and size > embed.room.column_bytes:
        read(_LATENTS)
        iteration += _seconds(lambda: read(_LATENTS))
    return Rates(reading / len(rows), iteration / len(rows))


def _seconds(call: Callable[[], object]) -> float:
    begin = time.monotonic()
    call()
    return time.monotonic() - begin
