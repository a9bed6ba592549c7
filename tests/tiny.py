"""Small worlds for tests: an MLP as network, a pool of synthetic images, a config."""

import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax import config as configs, cycle as cycles, parallel, pool, train
from gmmal_jax.config.presets import preset
from gmmal_jax.data import augment, store
from gmmal_jax.phases.network import Network
from gmmal_jax.types import AXIS, ModelState, Outputs, PoolView

CLASSES, SIZE, LATENT = 3, 6, 5


def config(**changes):
    """Digits with a network of width 2 and a handful of steps."""
    small = {
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
    return configs.replace(preset("digits"), **(small | changes))


def dataset(num=90, seed=0):
    """Images whose brightness tells the class, and their labels."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(num) % CLASSES)
    noise = generator.integers(0, 60, (num, SIZE, SIZE, 1))
    return (noise + 80 * labels[:, None, None, None]).astype(np.uint8), labels


def network():
    """A two-layer perceptron in a network's clothes: compiles in no time."""

    def init(key):
        k1, k2 = jax.random.split(jax.random.fold_in(key, 0))
        hidden = 0.1 * jax.random.normal(k1, (SIZE * SIZE, LATENT))
        head = {"kernel": jax.random.normal(k2, (LATENT, CLASSES))}
        head["bias"] = jnp.zeros(CLASSES)
        return ModelState({"hidden": hidden, "head": head}, {"steps": jnp.zeros(())})

    def predict(state, images):
        x = images.reshape(images.shape[0], -1)
        latents = jax.nn.relu(x @ state.params["hidden"] + 0.1)
        head = state.params["head"]
        return Outputs(latents @ head["kernel"] + head["bias"][None], latents, ())

    def normalized(images):
        return augment.normalize(images, (0.5,), (0.5,))

    def head(state):
        return state.params["head"]["kernel"], state.params["head"]["bias"]

    return Network(
        init=init,
        augmented=lambda key, batch: normalized(batch.images),
        train=lambda state, images, mask, groups=1: (
            predict(state, images),
            {"steps": state.batch_stats["steps"] + 1},
        ),
        predict=predict,
        normalized=normalized,
        head=head,
        num_classes=CLASSES,
        latent_size=LATENT,
    )


def on_one_device(function):
    """Run a function that reduces over the devices' axis, on one device."""
    mapped = jax.pmap(
        lambda _, args: function(*args), AXIS, in_axes=(0, None), out_axes=None
    )
    return lambda *args: mapped(jnp.zeros(1), args)


def world(learner, strategy=None, num_devices=1, num_labeled=12, chunk=2):
    """A task and a pool for a learner of the perceptron."""
    images, labels = dataset()
    mesh = parallel.make_mesh(num_devices)
    rows = store.from_array(images)
    trainer = train.make_trainer(learner, mesh, chunk, CLASSES)
    task = cycles.Task(
        seed=0,
        method=cycles.Method(learner, strategy),
        trainer=trainer,
        images=parallel.placed(mesh, rows, "resident"),
        evaluation=rows.take(np.arange(30)),
        evaluation_labels=labels[:30],
        select=configs.SelectConfig(),
    )
    first = np.arange(num_labeled)
    return task, pool.label(pool.make(np.arange(90)), first, labels[first], 0)


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
