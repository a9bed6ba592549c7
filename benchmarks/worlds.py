"""The paper's method on synthetic images, as the benchmarks run it."""

from typing import Any, NamedTuple

import jax
import numpy as np

from gmmal_jax import (
    assembly,
    config as configs,
    parallel,
    pool as pools,
    train,
)
from gmmal_jax.config.presets import preset
from gmmal_jax.data import store
from gmmal_jax.phases import network as networks

NUM_CLASSES = 10


class Scale(NamedTuple):
    """How large a pool, and of what: the paper's, or a toy's.

    Attributes:
      preset: data set whose preset the method starts from.
      image: (h, w, ch).
      pool: images of it.
      test: images of the test part.
      labeled: rows that are labeled.
      budget: rows of the query.
      changes: of the preset, by dotted field.
    """

    preset: str
    image: tuple[int, int, int]
    pool: int
    test: int
    labeled: int
    budget: int
    changes: dict[str, Any]


class World(NamedTuple):
    """A data set's preset bound to this device.

    Attributes:
      config: the preset, changed.
      network: its architecture.
      method: learner and query.
      trainer: of the learner, over one device.
      images: n random pictures, placed.
      labels: int32 [n], likewise.
    """

    config: configs.Config
    network: networks.Network
    method: assembly.Method
    trainer: train.Trainer
    images: store.Images
    labels: np.ndarray


def make(
    dataset: str, image_shape: tuple[int, int, int], num_images: int, **changes: Any
) -> World:
    """Bind the method of a preset to random images; nothing is compiled yet."""
    config = configs.replace(preset(dataset), **changes)
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (num_images, *image_shape), np.uint8)
    labels = generator.integers(NUM_CLASSES, size=num_images).astype(np.int32)
    moments = (0.5,) * image_shape[-1], (0.25,) * image_shape[-1]
    how = (config.data.pad, config.data.flip, config.train.precision)
    form = networks.ImageForm(image_shape, *moments, *how)
    network = networks.make(config.model, config.width, NUM_CLASSES, form)
    method = assembly.make(network, config)
    mesh = parallel.make_mesh(1)
    rows = store.from_array(images)
    placed = parallel.placed(mesh, rows, config.data.placement)
    trainer = train.make_trainer(
        method.learner, mesh, config.train.chunk_steps, NUM_CLASSES
    )
    return World(config, network, method, trainer, placed, labels)


def pool(world: World, num_labeled: int) -> pools.Pool:
    """All images of a world; the first ones are labeled."""
    rows = np.arange(num_labeled)
    whole = pools.make(np.arange(len(world.images)))
    return pools.label(whole, rows, world.labels[rows], 0)


def traces(call: Any) -> bool:
    """Whether a call traces, and so compiles, anything."""
    try:
        with jax.no_tracing():
            call()
    except RuntimeError as error:
        if "trac" not in str(error):
            raise
        return True
    return False
