"""The task network as learners use it: augmentation, forward passes, labels' loss."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from gmmal_jax.data import augment, perturb
from gmmal_jax.devices import total
from gmmal_jax.errors import UserError
from gmmal_jax.models import table
from gmmal_jax.models.architecture import Architecture
from gmmal_jax.types import AXIS, Batch, Key, ModelState, Outputs, PyTree


class ImageForm(NamedTuple):
    """The images or features that a network reads, and how they are prepared for it.

    Attributes:
      shape: (h, w, ch) of pictures, (d,) of features.
      mean: [ch], see `augment.normalize`, or [d], see `perturb.standardize`.
      std: likewise.
      pad: of pictures, see `augment.crop_and_flip`.
      flip: likewise.
      precision: of images and feature maps, "float32" or "bf16"; see `resnet.ResNet`.
      dropout: of features, see `perturb.drop`.
      noise: of features' strong view, see `perturb.blur`.
    """

    shape: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pad: int = 0
    flip: bool = False
    precision: str = "float32"
    dropout: float = 0.0
    noise: float = 0.0


class Network(NamedTuple):
    """Pure functions of one architecture on one data set.

    Attributes:
      init: key -> ModelState; draws from `fold_in(key, 0)`.
      augmented: (key, batch) -> float32 images [b, *image_shape] of this device's rows.
      strongly_augmented: likewise, by `augment.strong`, or with noise on features.
      train: (state, images, mask, groups=1) -> (Outputs, running averages): batch
        statistics over the global batch; `groups` as in `BatchNorm`.
      predict: (state, float32 images) -> Outputs by the running averages.
      normalized: images as they are stored -> float32 images, not augmented.
      head: state -> (kernel [d, c], bias [c]); None: the network has no linear one.
      num_classes: c.
      latent_size: d.
      map_shapes: (h, w, ch) of each feature map.
      image_shape: (h, w, ch) of the images it reads, (d,) of features.
      scan_safe: whether phases that train it are; see `parallel.compile_step`.
    """

    init: Callable[[Key], ModelState]
    augmented: Callable[[Key, Batch], jax.Array]
    strongly_augmented: Callable[[Key, Batch], jax.Array]
    train: Callable[..., tuple[Outputs, PyTree]]
    predict: Callable[[ModelState, jax.Array], Outputs]
    normalized: Callable[[jax.Array], jax.Array]
    head: Callable[[ModelState], tuple[jax.Array, jax.Array]] | None
    num_classes: int
    latent_size: int
    map_shapes: tuple[tuple[int, ...], ...]
    image_shape: tuple[int, ...]
    scan_safe: bool = True


@functools.cache  # the arms of a run share one: tracing a network takes a second
def make(name: str, width: int | None, num_classes: int, form: ImageForm) -> Network:
    """The network of a name (see `models.table.load`) for images of this form.

    Raises:
      UserError: no such network, or one of another number of classes.
    """
    network = bind(table.load(name, width, num_classes, form.shape), form)
    if network.num_classes != num_classes:
        remedy = f"the data set has {num_classes} classes: make as many logits"
        what = f"{table.OPTION} {name}: classes"
        raise UserError(what, network.num_classes, remedy)
    return network


def bind(architecture: Architecture, form: ImageForm) -> Network:
    """An architecture on a data set's images.

    The one place where images are cast: training, Reg's subset and readouts compute
    in one precision.
    """
    dtype = jnp.bfloat16 if form.precision == "bf16" else jnp.float32

    def init(key: Key) -> ModelState:
        return architecture.init(jax.random.fold_in(key, 0), form.shape)

    def train(
        state: ModelState, images: jax.Array, mask: jax.Array, groups: int = 1
    ) -> tuple[Outputs, PyTree]:
        x = images.astype(dtype)
        return architecture.apply(
            state, x, mask, train=True, axis_name=AXIS, groups=groups
        )

    def predict(state: ModelState, images: jax.Array) -> Outputs:
        x, mask = images.astype(dtype), jnp.ones(images.shape[0], bool)
        return architecture.apply(state, x, mask, train=False, axis_name=None)[0]

    def shapes(key: Key) -> Outputs:
        return predict(init(key), jnp.zeros((1, *form.shape)))

    found = jax.eval_shape(shapes, jax.random.key(0))
    return Network(
        init=init,
        **_prepared(form)._asdict(),
        train=train,
        predict=predict,
        head=architecture.head,
        num_classes=found.logits.shape[1],
        latent_size=found.latents.shape[1],
        map_shapes=tuple(each.shape[1:] for each in found.maps),
        image_shape=form.shape,
        scan_safe=architecture.scan_safe,
    )


class _Prepared(NamedTuple):
    normalized: Callable[[jax.Array], jax.Array]
    augmented: Callable[[Key, Batch], jax.Array]
    strongly_augmented: Callable[[Key, Batch], jax.Array]


def _prepared(form: ImageForm) -> _Prepared:
    """How images of a form reach a network: the three functions of `Network`."""
    return _of_features(form) if len(form.shape) == 1 else _of_pictures(form)


def _of_features(form: ImageForm) -> _Prepared:
    def normalized(features: jax.Array) -> jax.Array:
        return perturb.standardize(features, form.mean, form.std)

    def thinned(key: Key, batch: Batch) -> jax.Array:
        features = normalized(batch.images)
        if not form.dropout:
            return features
        shape = form.shape
        bits = own_rows(lambda num: jax.random.bits(key, (num, *shape)), batch.mask)
        return perturb.drop(bits, features, form.dropout)

    def blurred(key: Key, batch: Batch) -> jax.Array:
        def draw(num: int) -> jax.Array:
            return jax.random.normal(jax.random.fold_in(key, 1), (num, *form.shape))

        noise = own_rows(draw, batch.mask)
        return perturb.blur(noise, thinned(key, batch), form.noise)

    return _Prepared(normalized, thinned, blurred)


def _of_pictures(form: ImageForm) -> _Prepared:
    pad, flip = form.pad, form.flip

    def normalized(images: jax.Array) -> jax.Array:
        return augment.normalize(images, form.mean, form.std)

    def drawn(key: Key, batch: Batch, words: int) -> jax.Array:
        return own_rows(lambda num: jax.random.bits(key, (num, words)), batch.mask)

    def augmented(key: Key, batch: Batch) -> jax.Array:
        if not pad and not flip:
            return normalized(batch.images)
        bits = drawn(key, batch, 2)
        return normalized(augment.crop_and_flip(bits, batch.images, pad=pad, flip=flip))

    def strongly_augmented(key: Key, batch: Batch) -> jax.Array:
        bits = drawn(key, batch, augment.STRONG_BITS)
        return normalized(augment.strong(bits, batch.images, pad=pad, flip=flip))

    return _Prepared(normalized, augmented, strongly_augmented)


def forward_both(
    network: Network,
    model: ModelState,
    images: tuple[jax.Array, jax.Array],
    masks: tuple[jax.Array, jax.Array],
    *,
    joint: bool,
) -> tuple[tuple[Outputs, Outputs], PyTree]:
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
    return (first, second), stats


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
    gathered: jax.Array = jax.lax.all_gather(values, AXIS, tiled=True)
    return gathered


def places(mask: Bool[Array, " b"]) -> Int[Array, " b"]:
    """Places in the global batch of this device's rows, padding included."""
    share = mask.shape[0]
    return jax.lax.axis_index(AXIS) * share + jnp.arange(share)


def mirrored(
    values: Shaped[Array, "b ..."], mask: Bool[Array, " b"]
) -> Shaped[Array, "b ..."]:
    """For each own row i of the global batch of n rows, the values of row n - 1 - i.

    Pairs are the same on any number of devices; masked rows get row 0's values.
    Gradients as in `all_rows`.
    """
    partners = jnp.maximum(total(jnp.sum(mask), AXIS) - 1 - places(mask), 0)
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
