"""A small world for learners: a network, rows that it can tell apart, a cycle."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax import config as configs, cycle as cycles, parallel, pool as pools, train
from gmmal_jax.assembly import Method
from gmmal_jax.data import augment, store
from gmmal_jax.models import heads
from gmmal_jax.phases.base import Learner
from gmmal_jax.phases.network import ImageForm, Network, bind
from gmmal_jax.pool import Pool
from gmmal_jax.strategies import random
from gmmal_jax.strategies.base import Strategy
from gmmal_jax.types import AXIS, Batch, Key, ModelState, Outputs, PyTree

CLASSES, SIZE, LATENT, ROWS = 3, 6, 5, 90
IMAGE_SHAPE = (SIZE, SIZE, 1)


def dataset(num: int = ROWS, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Images [num, h, w, 1] whose brightness tells the class, and their labels."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(num) % CLASSES)
    noise = generator.integers(0, 60, (num, *IMAGE_SHAPE))
    return (noise + 80 * labels[:, None, None, None]).astype(np.uint8), labels


def network() -> Network:
    """A two-layer perceptron in a network's clothes: compiles in no time.

    Its latents are its only feature map; its running average counts its steps.
    """

    def init(key: Key) -> ModelState:
        k1, k2 = jax.random.split(jax.random.fold_in(key, 0))
        hidden = 0.1 * jax.random.normal(k1, (SIZE * SIZE, LATENT))
        head = {"kernel": jax.random.normal(k2, (LATENT, CLASSES))}
        head["bias"] = jnp.zeros(CLASSES)
        return ModelState({"hidden": hidden, "head": head}, {"steps": jnp.zeros(())})

    def predict(state: ModelState, images: jax.Array) -> Outputs:
        x = images.reshape(images.shape[0], -1)
        latents = jax.nn.relu(x @ state.params["hidden"] + 0.1)
        kernel, bias = head(state)
        maps = (latents[:, None, None, :],)
        return Outputs(latents @ kernel + bias[None], latents, maps)

    def normalized(images: jax.Array) -> jax.Array:
        return augment.normalize(images, (0.5,), (0.5,))

    def head(state: ModelState) -> tuple[jax.Array, jax.Array]:
        return state.params["head"]["kernel"], state.params["head"]["bias"]

    def augmented(key: Key, batch: Batch) -> jax.Array:
        return normalized(batch.images)

    def forward(
        state: ModelState, images: jax.Array, mask: jax.Array, groups: int = 1
    ) -> tuple[Outputs, PyTree]:
        return predict(state, images), {"steps": state.batch_stats["steps"] + 1}

    return Network(
        init=init,
        augmented=augmented,
        strongly_augmented=augmented,
        train=forward,
        predict=predict,
        normalized=normalized,
        head=head,
        num_classes=CLASSES,
        latent_size=LATENT,
        map_shapes=((1, 1, LATENT),),
        image_shape=IMAGE_SHAPE,
    )


def features() -> tuple[np.ndarray, np.ndarray]:
    """Float16 features [ROWS, SIZE] whose size tells the class; labels of `dataset`."""
    labels = dataset()[1]
    noise = np.random.default_rng(1).normal(size=(ROWS, SIZE))
    return (noise + 4 * labels[:, None]).astype(np.float16), labels


def adapter() -> Network:
    """The network `mlp` for `features`, which it drops and blurs in training."""
    form = ImageForm((SIZE,), (4.0,) * SIZE, (3.0,) * SIZE, dropout=0.25, noise=0.5)
    return bind(heads.mlp(CLASSES, LATENT, (SIZE,)), form)


class Kind(NamedTuple):
    """What the rows of a world are.

    Attributes:
      network: () -> the one that reads them.
      dataset: () -> (rows as they are stored, labels [ROWS]).
    """

    network: Callable[[], Network]
    dataset: Callable[[], tuple[np.ndarray, np.ndarray]]


PICTURES = Kind(network, dataset)
FEATURES = Kind(adapter, features)


def world(
    learner: Learner,
    strategy: Strategy | None = None,
    num_devices: int = 1,
    num_labeled: int = 12,
    chunk: int = 2,
    kind: Kind = PICTURES,
) -> tuple[cycles.Task, Pool]:
    """A task and a pool for a learner of a kind's network.

    Args:
      learner: made of `kind.network()`, or of one that reads the same rows.
      strategy: what asks; None: random.
      num_devices: that share each batch.
      num_labeled: rows that are labeled at first.
      chunk: steps a dispatch.
      kind: of rows.
    """
    images, labels = kind.dataset()
    mesh = parallel.make_mesh(num_devices)
    placed = parallel.placed(mesh, store.from_array(images), "resident")
    task = cycles.Task(
        seed=0,
        method=Method(learner, strategy or random.make()),
        trainer=train.make_trainer(learner, mesh, chunk, CLASSES),
        images=placed,
        evaluation=placed.take(np.arange(30)),
        evaluation_labels=labels[:30],
        select=configs.SelectConfig(),
    )
    return task, label(pools.make(np.arange(ROWS)), np.arange(num_labeled))


def label(pool: Pool, rows: np.ndarray, cycle: int = 0) -> Pool:
    """The world's pool with the true labels of more rows."""
    return pools.label(pool, rows, dataset()[1][rows], cycle)


def cycle(
    task: cycles.Task,
    pool: Pool,
    number: int = 0,
    budget: int = 5,
    previous: Any = None,
    start: train.Standing | None = None,
) -> tuple[cycles.Outcome, list[train.Standing]]:
    """A cycle, and where training stood after each chunk, states on the host.

    Args:
      task: from `world`.
      pool: likewise.
      number: of the cycle, from 0.
      budget: rows to ask for.
      previous: what the learner carried over.
      start: goes on from here, as a killed run does from its checkpoint.
    """
    stands: list[train.Standing] = []

    def keep(standing: train.Standing) -> None:
        host = jax.tree.map(np.array, standing.state)
        stands.append(standing._replace(state=host))

    if start is None:
        standing = cycles.begin(task, number, previous)
    else:
        placed = parallel.place_state(task.trainer.mesh, start.state)
        standing = start._replace(state=placed)
    outcome = cycles.run(task, pool, number, budget, standing, keep, lambda: None)
    return outcome, stands


def on_one_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that reduces over the devices' axis, as one device runs it."""
    mapped = jax.pmap(
        lambda _, args: function(*args), AXIS, in_axes=(0, None), out_axes=None
    )
    return lambda *args: mapped(jnp.zeros(1), args)
