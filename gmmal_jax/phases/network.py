"""The task network as learners use it: augmentation, forward passes, labels' loss."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from gmmal_jax.data import augment
from gmmal_jax.devices import total
from gmmal_jax.models import resnet
from gmmal_jax.types import AXIS, Batch, Key, ModelState, Outputs, PyTree


class Network(NamedTuple):
    """Pure functions of one architecture on one data set.

    Attributes:
      init: key -> ModelState; draws from `fold_in(key, 0)`.
      augmented: (key, batch) -> float32 images [b, h, w, ch] of this device's rows.
      train: (state, images, mask, groups=1) -> (Outputs, running averages): batch
        statistics over the global batch; `groups` as in `BatchNorm`.
      predict: (state, float32 images) -> Outputs by the running averages.
      normalized: uint8 images -> float32 images, not augmented.
      head: state -> (kernel [d, c], bias [c]).
      num_classes: c.
      latent_size: d.
      map_shapes: (h, w, ch) of each feature map.
    """

    init: Callable[[Key], ModelState]
    augmented: Callable[[Key, Batch], jax.Array]
    train: Callable[..., tuple[Outputs, PyTree]]
    predict: Callable[[ModelState, jax.Array], Outputs]
    normalized: Callable[[jax.Array], jax.Array]
    head: Callable[[ModelState], tuple[jax.Array, jax.Array]]
    num_classes: int
    latent_size: int
    map_shapes: tuple[tuple[int, ...], ...]


def make(
    name: str,
    width: int,
    num_classes: int,
    image_shape: tuple[int, int, int],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    pad: int,
    flip: bool,
    precision: str = "float32",
) -> Network:
    """Bind an architecture to a data set's shape, moments and augmentation.

    The one place where images are cast: training, Reg's subset and readouts compute
    in one precision.

    Args:
      name: "small", "resnet18" or "resnet50".
      width: channels of the first stage.
      num_classes: c.
      image_shape: (h, w, ch).
      mean: [ch], see `augment.normalize`.
      std: [ch].
      pad: see `augment.crop_and_flip`.
      flip: likewise.
      precision: of images and feature maps, "float32" or "bf16"; see `resnet.ResNet`.
    """
    dtype = jnp.bfloat16 if precision == "bf16" else jnp.float32
    model = resnet.make(name, num_classes, width)

    def normalized(images: jax.Array) -> jax.Array:
        return augment.normalize(images, mean, std)

    def augmented(key: Key, batch: Batch) -> jax.Array:
        if not pad and not flip:
            return normalized(batch.images)
        bits = own_rows(lambda num: jax.random.bits(key, (num, 2)), batch.mask)
        return normalized(augment.crop_and_flip(bits, batch.images, pad=pad, flip=flip))

    def init(key: Key) -> ModelState:
        return resnet.init(model, jax.random.fold_in(key, 0), image_shape)

    def train(
        state: ModelState, images: jax.Array, mask: jax.Array, groups: int = 1
    ) -> tuple[Outputs, PyTree]:
        x = images.astype(dtype)
        return resnet.apply(
            model, state, x, mask, train=True, axis_name=AXIS, groups=groups
        )

    def predict(state: ModelState, images: jax.Array) -> Outputs:
        x, mask = images.astype(dtype), jnp.ones(images.shape[0], bool)
        return resnet.apply(model, state, x, mask, train=False, axis_name=None)[0]

    def shapes(key: Key) -> Outputs:
        return predict(init(key), jnp.zeros((1, *image_shape)))

    found = jax.eval_shape(shapes, jax.random.key(0))
    return Network(
        init=init,
        augmented=augmented,
        train=train,
        predict=predict,
        normalized=normalized,
        head=resnet.head,
        num_classes=num_classes,
        latent_size=found.latents.shape[1],
        map_shapes=tuple(each.shape[1:] for each in found.maps),
    )


def forward_both(
    network: Network,
    model: ModelState,
    images: tuple[jax.Array, jax.Array],
    masks: tuple[jax.Array, jax.Array],
    *,
    joint: bool,
) -> tuple[Outputs, Outputs, PyTree]:
    """Two batches, of equal size if not joint, in one forward pass for training.

    Args:
      network: whose.
      model: its state.
      images: (labeled, unlabeled), or any others.
      masks: of their rows.
      joint: BatchNorm sees them as one batch; else each by its own statistics, the
        first one first (A21).

    Returns:
      Outputs of either, and the running averages after both.
    """
    both, stats = network.train(
        model,
        jnp.concatenate(images),
        jnp.concatenate(masks),
        groups=1 if joint else 2,
    )
    cut = images[0].shape[0]
    first, second = (
        jax.tree.map(lambda leaf, rows=rows: leaf[rows], both)
        for rows in (slice(cut), slice(cut, None))
    )
    return first, second, stats


def own_rows(
    draw: Callable[[int], jax.Array], mask: Bool[Array, " b"]
) -> Shaped[Array, "b ..."]:
    """This device's share of random rows drawn for the global batch.

    A row's numbers depend on its place in the global batch, not on how many devices
    share it (JAX's threefry counts by index). One draw for all rows: a key a row
    takes XLA seconds to compile.

    Args:
      draw: number of rows -> [rows, ...].
      mask: of this device's rows.
    """
    share = mask.shape[0]
    drawn = draw(share * jax.lax.axis_size(AXIS))
    return jax.lax.dynamic_slice_in_dim(drawn, jax.lax.axis_index(AXIS) * share, share)


def all_rows(values: Shaped[Array, "b ..."]) -> Shaped[Array, "g ..."]:
    """The rows of all devices, in the order of the global batch.

    Padding, where there is any, comes last. Gradients of what each device makes of
    them, summed over `types.AXIS`, are those of the sum.
    """
    if jax.lax.axis_size(AXIS) == 1:
        return values
    return jax.lax.all_gather(values, AXIS, tiled=True)


def mirrored(
    values: Shaped[Array, "b ..."], mask: Bool[Array, " b"]
) -> Shaped[Array, "b ..."]:
    """For each own row i of the global batch of n rows, the values of row n - 1 - i.

    Pairs are the same on any number of devices; masked rows get row 0's values.
    Gradients as in `all_rows`.
    """
    share = mask.shape[0]
    places = jax.lax.axis_index(AXIS) * share + jnp.arange(share)
    partners = jnp.maximum(total(jnp.sum(mask), AXIS) - 1 - places, 0)
    return all_rows(values)[partners]


def global_mean(
    values: Float[Array, " b"], mask: Bool[Array, " b"]
) -> Float[Array, ""]:
    """This device's share of a mean over the global batch: local sum, global count.

    Its gradients and values are summed over `types.AXIS` by the caller; the count is
    not differentiated.
    """
    count = total(jnp.sum(mask), AXIS)
    kept = jnp.where(mask, values, 0.0)
    return jnp.sum(kept) / jnp.maximum(count, 1).astype(values.dtype)


def cross_entropy(
    logits: Float[Array, "b c"], labels: Int[Array, " b"]
) -> Float[Array, " b"]:
    """-log softmax(logits)[label], in nats; a label of -1 counts as class 0."""
    log_p = jax.nn.log_softmax(logits)
    picked = jnp.take_along_axis(log_p, jnp.maximum(labels, 0)[:, None], axis=1)
    return -picked[:, 0]
