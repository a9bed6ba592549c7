"""The records that cross module borders, and the letters of their axes.

Axes: n pool rows, m chunk rows, b batch, k components, c classes, d latent,
s shards, t steps, h w ch image height, width, channels.

All are NamedTuples: immutable, and pytrees without registration. None validates
its fields, because JAX rebuilds them with tracers and placeholders.
"""

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

PyTree = Any
Key = jax.Array
"""A typed PRNG key (`jax.random.key`)."""
Metrics = dict[str, jax.Array]

_LARGEST_DENOMINATOR = 10_000
"""Of shares; its square is far from int32's end."""

AXIS = "batch"
"""Name of the one mapped axis: devices that share a global batch."""


class ModelState(NamedTuple):
    """What a network needs to predict: parameters and BatchNorm's running averages."""

    params: PyTree
    batch_stats: PyTree


class Outputs(NamedTuple):
    """What a network returns.

    Attributes:
      logits: [b, c], before the softmax.
      latents: [b, d], globally pooled, post-ReLU, hence >= 0; float32.
      maps: the four stages' feature maps, [b, h, w, ch] each, in the precision of
        the network's images.
    """

    logits: jax.Array
    latents: jax.Array
    maps: tuple[jax.Array, ...]


class Batch(NamedTuple):
    """Rows of one device's share of a global batch.

    Attributes:
      images: [b, ...] as they are stored: uint8 [b, h, w, ch] of pictures.
      labels: int32 [b], -1 where no label was bought.
      mask: bool [b], false for padding that no statistic may see.
    """

    images: jax.Array
    labels: jax.Array
    mask: jax.Array


class Clock(NamedTuple):
    """Where a phase stands: int32 scalars, traced, so that no length is compiled in.

    Attributes:
      step: from 0.
      num_steps: of the phase.
      epoch_steps: of one pass over the rows that it reads: the labeled ones, or the
        unlabeled ones where it reads no others; the last step may be shared with the
        next pass.
    """

    step: jax.Array
    num_steps: jax.Array
    epoch_steps: jax.Array

    def before(self, share: float) -> jax.Array:
        """Bool: whether this is one of the first round(share * num_steps) steps.

        Exact (halves go to the even step), where 0.6 * num_steps in float32 ends a
        step late for some lengths.

        Args:
          share: in [0, 1], static; the nearest fraction with a denominator of at most
            10,000 is meant, hence 0.6 is 3 / 5.
        """
        above, below = (
            Fraction(share).limit_denominator(_LARGEST_DENOMINATOR).as_integer_ratio()
        )
        # num_steps * above may leave int32: only what division leaves over is safe.
        part = self.num_steps % below * above
        whole = self.num_steps // below * above + part // below
        twice = 2 * (part % below)
        up = (twice > below) | ((twice == below) & (whole % 2 == 1))
        return self.step < whole + up


class StepBatch(NamedTuple):
    """Everything a training step reads beside its state; unused inputs are None.

    Attributes:
      clock: where the phase stands.
      labeled: a batch of the labeled set.
      unlabeled: a batch of the unlabeled pool; labels are all -1.
      subset: a class-balanced subset of the labeled set; classes that are absent
        are masked.
      counts: int32 [2], rows of the labeled set, and unlabeled ones that the phase may
        read; traced like the clock.
    """

    clock: Clock
    labeled: Batch | None = None
    unlabeled: Batch | None = None
    subset: Batch | None = None
    counts: jax.Array | None = None


class Mixture(NamedTuple):
    """A Gaussian mixture with diagonal covariances (spherical: equal entries).

    Attributes:
      weights: [*s, k], mixing weights, sum 1; exactly 0 marks an absent component.
      means: [*s, k, d].
      variances: [*s, k, d], > 0 and finite also for absent components.
    """

    weights: jax.Array
    means: jax.Array
    variances: jax.Array


@dataclasses.dataclass(frozen=True)
class Streamed:
    """A column too large to be held: its rows are computed when they are wanted.

    (No NamedTuple: its length would be that of its fields.)

    Attributes:
      shape: (n, ...).
      dtype: of the numbers.
      read: int rows [m] -> host array [m, ...]; of several processes all have to come
        to it, in the same order and for the same rows.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[np.ndarray], np.ndarray]

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: "slice | np.ndarray") -> np.ndarray:
        """Some rows, by a slice or indices of any shape."""
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        found = self.read(rows.reshape(-1))
        return found.reshape(*rows.shape, *self.shape[1:])


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Team:
    """Devices that share work on all rows of a pool; as a pytree it has no leaves.

    Attributes:
      mesh: of one axis, `AXIS`; where there are several processes, of all of them.
      fewest: an array of so many numbers is shared, a smaller one is left to one
        device: some milliseconds of work do not pay for waiting for each other.
    """

    mesh: Mesh
    fewest: int = 2**20


Column = np.ndarray | Streamed
"""What a readout gives of each row of a pool: an array, or a reader of one."""


class PoolView(NamedTuple):
    """What a strategy or a mixture refit may know of the pool; host arrays.

    Attributes:
      ids: uint32 [n], one stable number a row, the address of its random numbers.
      labeled: bool [n].
      candidates: bool [n], rows that may be asked this cycle (never labeled ones).
      labels: int32 [n], -1 wherever no label was bought.
      columns: name -> [n] or [n, ...] float32, a learner's readout. Only who bounds
        the memory of his readouts (`embed.Embedder`) meets a `Streamed` one.
      head: (kernel [d, c], bias [c]) of the linear classifier on the latents; None
        where the learner has none.
      team: devices that share work on all rows; None: there is one.
    """

    ids: np.ndarray
    labeled: np.ndarray
    candidates: np.ndarray
    labels: np.ndarray
    columns: dict[str, Any]
    head: tuple[np.ndarray, np.ndarray] | None = None
    team: Team | None = None

    def take(self, rows: "slice | np.ndarray") -> "PoolView":
        """Some of the rows, by a slice or int [m]; streamed columns are read there."""
        columns = {name: column[rows] for name, column in self.columns.items()}
        ids, labeled, candidates, labels, *_ = self
        return PoolView(
            ids[rows],
            labeled[rows],
            candidates[rows],
            labels[rows],
            columns,
            self.head,
            self.team,
        )


class Query(NamedTuple):
    """A strategy's answer.

    Attributes:
      indices: int32 [budget], pool rows, most wanted first.
      scores: name -> [n] float32, raw; higher = ask first. Empty where rows were
        chosen together.
      ranks: name -> [n] float32 in [0, 1] over the candidates.
      total: [n] float32, what the scores add up to; zeros where there are none.
    """

    indices: np.ndarray
    scores: dict[str, np.ndarray]
    ranks: dict[str, np.ndarray]
    total: np.ndarray


EmbedPool = Callable[[PyTree], PoolView]
"""state -> the pool as the learner's readout sees it: a host function. Labels that were
not bought are -1."""


def struct(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
    """An array's shape and dtype alone: `jax.ShapeDtypeStruct`, with annotations."""
    unannotated: Any = jax.ShapeDtypeStruct
    made: jax.ShapeDtypeStruct = unannotated(shape, dtype)
    return made
