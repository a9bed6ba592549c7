"""The task network as learners use it: augmentation, forward passes, labels' loss."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from gmmal_jax.data import augment
from gmmal_jax.models import resnet
from gmmal_jax.types import AXIS, Batch, Key, ModelState, Outputs, PyTree


class Network(NamedTuple):
    """Pure functions of one architecture on one data set.

    Attributes:
      init: key -> ModelState; draws from `fold_in(key, 0)`.
      augmented: (key, batch) -> float32 images [b, h, w, ch] of this device's rows.
      train: (state, images, mask) -> (Outputs, running averages): batch statistics
        over the global batch.
      predict: (state, float32 images) -> Outputs by the running averages.
      chunk_statistics: as `predict`, by the statistics of the images at hand.
      normalized: uint8 images -> float32 images, not augmented.
      head: state -> (kernel [d, c], bias [c]).
      num_classes: c.
      latent_size: d.
    """

    init: Callable[[Key], ModelState]
    augmented: Callable[[Key, Batch], jax.Array]
    train: Callable[[ModelState, jax.Array, jax.Array], tuple[Outputs, PyTree]]
    predict: Callable[[ModelState, jax.Array], Outputs]
    chunk_statistics: Callable[[ModelState, jax.Array], Outputs]
    normalized: Callable[[jax.Array], jax.Array]
    head: Callable[[ModelState], tuple[jax.Array, jax.Array]]
    num_classes: int
    latent_size: int


def make(
    name: str,
    width: int,
    num_classes: int,
    image_shape: tuple[int, int, int],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    pad: int,
    flip: bool,
) -> Network:
    """Bind an architecture to a data set's shape, moments and augmentation.

    Args:
      name: "small", "resnet18" or "resnet50".
      width: channels of the first stage.
      num_classes: c.
      image_shape: (h, w, ch).
      mean: [ch], see `augment.normalize`.
      std: [ch].
      pad: see `augment.crop_and_flip`.
      flip: likewise.
    """
    model = resnet.make(name, num_classes, width)

    def normalized(images: jax.Array) -> jax.Array:
        return augment.normalize(images, mean, std)

    def augmented(key: Key, batch: Batch) -> jax.Array:
        share = batch.labels.shape[0]
        positions = jax.lax.axis_index(AXIS) * share + jnp.arange(share)
        cropped = augment.crop_and_flip(
            key, positions, batch.images, pad=pad, flip=flip
        )
        return normalized(cropped)

    def init(key: Key) -> ModelState:
        return resnet.init(model, jax.random.fold_in(key, 0), image_shape)

    def train(
        state: ModelState, images: jax.Array, mask: jax.Array
    ) -> tuple[Outputs, PyTree]:
        return resnet.apply(model, state, images, mask, train=True, axis_name=AXIS)

    def forward(state: ModelState, images: jax.Array, train: bool) -> Outputs:
        mask = jnp.ones(images.shape[0], bool)
        return resnet.apply(model, state, images, mask, train=train, axis_name=None)[0]

    kernel = jax.eval_shape(lambda key: resnet.head(init(key))[0], jax.random.key(0))
    return Network(
        init=init,
        augmented=augmented,
        train=train,
        predict=lambda state, images: forward(state, images, False),
        chunk_statistics=lambda state, images: forward(state, images, True),
        normalized=normalized,
        head=resnet.head,
        num_classes=num_classes,
        latent_size=kernel.shape[0],
    )


def global_mean(
    values: Float[Array, " b"], mask: Bool[Array, " b"]
) -> Float[Array, ""]:
    """This device's share of a mean over the global batch: local sum, global count.

    Its gradients and values are summed over `types.AXIS` by the caller; the count is
    not differentiated.
    """
    count = jax.lax.psum(jnp.sum(mask), AXIS)
    kept = jnp.where(mask, values, 0.0)
    return jnp.sum(kept) / jnp.maximum(count, 1).astype(values.dtype)


def cross_entropy(
    logits: Float[Array, "b c"], labels: Int[Array, " b"]
) -> Float[Array, " b"]:
    """-log softmax(logits)[label], in nats; a label of -1 counts as class 0."""
    log_p = jax.nn.log_softmax(logits)
    picked = jnp.take_along_axis(log_p, jnp.maximum(labels, 0)[:, None], axis=1)
    return -picked[:, 0]
