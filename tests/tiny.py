"""Small worlds for tests: those of `gmmal_jax.testing`, a config, a pool of columns."""

import numpy as np

from gmmal_jax import assembly, config as configs
from gmmal_jax.config.presets import preset
from gmmal_jax.testing.worlds import (
    CLASSES as CLASSES,
    LATENT as LATENT,
    SIZE as SIZE,
    dataset as dataset,
    network as network,
    on_one_device as on_one_device,
    world as world,
)
from gmmal_jax.types import PoolView

SMALL = {
    "data.class_cap": 40,
    "width": 2,
    "cycles": 3,
    "train.steps": 4,
    "train.chunk_steps": 2,
    "train.batch_size": 10,
    "reg.subset_size": 20,
    "da.steps": 4,
    "da.refit_every": 2,
    "da.batch_size": 10,
    "da.hidden": (16,),
    "gmm.em_iters": 3,
}
_GAME = {"steps": 2, "batch_size": 10, "width": 2, "latent_size": 3, "hidden": (8,)}
OWN = {
    "waal.hidden": 8,
    "waal_code.epochs": 1,
    **{
        f"{method}.{name}": value
        for method in ("vaal", "ta_vaal")
        for name, value in _GAME.items()
    },
}
"""Of methods' own groups."""


def config(**changes):
    """400 digits, a network of width 2, a handful of steps."""
    return configs.replace(preset("digits"), **(SMALL | OWN | changes))


def made(factory, settings, own_network=None):
    """What a factory makes of a network and the groups of settings that it names."""
    groups = assembly.groups(factory, settings, "a test")
    return factory(own_network or network(), **groups)


def view(seed=0, n=60, num_labeled=10):
    """A pool as strategies see it, with all columns of the gmm method."""
    generator = np.random.default_rng(seed)
    labeled = np.zeros(n, bool)
    labeled[generator.permutation(n)[:num_labeled]] = True
    names = ("critic", "log_likelihood_labeled", "log_likelihood_unlabeled")
    columns = {name: generator.normal(size=n).astype(np.float32) for name in names}
    columns["logits"] = generator.normal(size=(n, CLASSES)).astype(np.float32)
    columns["latents"] = generator.normal(size=(n, LATENT)).astype(np.float32)
    labels = np.where(labeled, generator.integers(0, CLASSES, n), -1).astype(np.int32)
    ids = np.arange(n, dtype=np.uint32)
    return PoolView(ids, labeled, ~labeled, labels, columns)


class Quiet:
    """A reporter that keeps what it is told."""

    def __init__(self):
        self.notes, self.rows, self.chunks = [], [], []

    def note(self, text):
        self.notes.append(text)

    def progress(self, arm, seed, cycle, chunk):
        self.chunks.append((arm, cycle, chunk.name, chunk.step))

    def stage(self, arm, seed, cycle, name):
        self.chunks.append((arm, cycle, name, 0))

    def row(self, arm, record):
        self.rows.append((arm, record.seed, record.cycle))
