"""Residual networks for small images: 3x3 stem, no max-pool, four stages."""

import functools
import itertools
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from gmmal_jax.errors import UserError
from gmmal_jax.models.architecture import Architecture, Shape
from gmmal_jax.models.convolution import conv2d
from gmmal_jax.models.normalization import BatchNorm
from gmmal_jax.types import Key, ModelState, Outputs, PyTree

STAGES = {
    "small": ((1, 1, 1, 1), False),
    "resnet18": ((2, 2, 2, 2), False),
    "resnet50": ((3, 4, 6, 3), True),
}
"""Name -> (blocks in each stage, are they bottlenecks)."""
EXPANSION = 4
"""Channels of a bottleneck's output over those of its 3x3 convolution."""
_Path = tuple[jax.tree_util.DictKey, ...]


class Convolution(nn.Module):
    """`conv2d` with a float32 kernel of its own, no bias; in its input's dtype."""

    features: int
    size: int
    stride: int = 1

    @nn.compact
    def __call__(self, x: Float[Array, "n h w c"]) -> Float[Array, "n oh ow o"]:
        """Convolve."""
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", _zeros, shape)
        return conv2d(x, kernel.astype(x.dtype), self.stride)


class Block(nn.Module):
    """A residual block, basic or bottleneck, with a projection where shapes change."""

    features: int
    stride: int
    bottleneck: bool
    train: bool
    axis_name: str | None
    groups: int

    @nn.compact
    def __call__(
        self, x: Float[Array, "n h w c"], mask: Bool[Array, " n"]
    ) -> Float[Array, "n oh ow o"]:
        """Relu(shortcut + convolutions)."""

        def normalized(y: jax.Array, features: int, size: int, stride: int) -> Array:
            y = Convolution(features, size, stride)(y)
            return BatchNorm(self.train, self.axis_name, self.groups)(y, mask)

        out = self.features * (EXPANSION if self.bottleneck else 1)
        if self.bottleneck:
            y = nn.relu(normalized(x, self.features, 1, 1))
            y = nn.relu(normalized(y, self.features, 3, self.stride))
            y = normalized(y, out, 1, 1)
        else:
            y = nn.relu(normalized(x, out, 3, self.stride))
            y = normalized(y, out, 3, 1)
        if x.shape != y.shape:
            x = normalized(x, out, 1, self.stride)
        return nn.relu(x + y)


class ResNet(nn.Module):
    """A CIFAR-style residual network.

    Feature maps have the images' dtype, float32 or bfloat16; parameters, BatchNorm's
    statistics, latents and logits are float32 with either.

    Attributes:
      num_classes: c.
      width: channels of the first stage; the stages have 1, 2, 4, 8 times as many.
      stage_sizes: blocks a stage; all stages but the first halve the map.
      bottleneck: blocks of 1x1, 3x3, 1x1 instead of two 3x3.

    Source: section 4.1 and A.1 (ResNet-18 as TA-VAAL has it), A.7 (ResNet-50).
    """

    num_classes: int
    width: int
    stage_sizes: tuple[int, ...]
    bottleneck: bool

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b h w ch"],
        mask: Bool[Array, " b"],
        train: bool,
        axis_name: str | None,
        groups: int = 1,
    ) -> Outputs:
        """Logits [b, c], latents [b, d], four maps [b, h_i, w_i, d_i]."""
        how = (train, axis_name, groups)
        x = Convolution(self.width, 3)(x)
        x = nn.relu(BatchNorm(*how)(x, mask))
        maps = []
        for stage, blocks in enumerate(self.stage_sizes):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                features = self.width * 2**stage
                x = Block(features, stride, self.bottleneck, *how)(x, mask)
            maps.append(x)
        latents = x.astype(jnp.float32).mean(axis=(1, 2))
        head = nn.Dense(
            self.num_classes,
            precision=jax.lax.Precision.HIGHEST,
            name="head",
        )
        return Outputs(head(latents), latents, tuple(maps))


def _zeros(key: Key, shape: tuple[int, ...]) -> jax.Array:
    """Shape of a kernel; `init` draws its values."""
    return jnp.zeros(shape)


def make(name: str, num_classes: int, width: int) -> ResNet:
    """A network by name: a key of `STAGES`."""
    stage_sizes, bottleneck = STAGES[name]
    return ResNet(num_classes, width, stage_sizes, bottleneck)


def small(num_classes: int, width: int, image_shape: Shape) -> Architecture:
    """One basic block a stage, for small images and tests."""
    return _for_pictures("small", num_classes, width, image_shape)


def resnet18(num_classes: int, width: int, image_shape: Shape) -> Architecture:
    """Two basic blocks a stage."""
    return _for_pictures("resnet18", num_classes, width, image_shape)


def resnet50(num_classes: int, width: int, image_shape: Shape) -> Architecture:
    """3, 4, 6 and 3 bottlenecks."""
    return _for_pictures("resnet50", num_classes, width, image_shape)


def _for_pictures(
    name: str, num_classes: int, width: int, shape: Shape
) -> Architecture:
    if len(shape) != 3:
        remedy = f"it reads pictures, not features {shape}: use linear or mlp"
        raise UserError("--model", name, remedy)
    return architecture(make(name, num_classes, width))


def architecture(model: ResNet) -> Architecture:
    """As learners use it."""
    return Architecture(
        init=functools.partial(init, model),
        apply=functools.partial(apply, model),
        head=head,
        scan_safe=True,
    )


def init(model: ResNet, key: Key, image_shape: Shape) -> ModelState:
    """Fresh weights for images [h, w, ch]; to be called under jit.

    Kernels and the classifier's bias are uniform within +-1 / sqrt(fan in), PyTorch's
    default. One draw serves them all: a generator a layer takes XLA many seconds to
    compile.
    """
    images, mask = jnp.zeros((1, *image_shape)), jnp.ones(1, bool)
    shapes = jax.eval_shape(lambda: model.init(key, images, mask, False, None))
    leaves = jax.tree_util.tree_leaves_with_path(shapes)
    sizes = [math.prod(leaf.shape) for path, leaf in leaves if _is_drawn(path)]
    uniform = jax.random.uniform(key, (sum(sizes),), minval=-1.0, maxval=1.0)
    cuts = list(itertools.accumulate(sizes))[:-1]
    pieces = iter(jnp.split(uniform, cuts))

    def fill(path: _Path, leaf: jax.ShapeDtypeStruct) -> jax.Array:
        if not _is_drawn(path):
            ones = path[-1].key in ("scale", "var")
            return jnp.ones(leaf.shape) if ones else jnp.zeros(leaf.shape)
        in_head = path[1].key == "head"
        kernel = shapes["params"]["head"]["kernel"] if in_head else leaf
        bound = 1 / math.sqrt(math.prod(kernel.shape[:-1]))
        return bound * next(pieces).reshape(leaf.shape)

    variables = jax.tree_util.tree_map_with_path(fill, shapes)
    return ModelState(variables["params"], variables["batch_stats"])


def _is_drawn(path: _Path) -> bool:
    """Convolution kernels and the head; BatchNorm's leaves are constants."""
    return bool(path[-1].key == "kernel" or path[1].key == "head")


def apply(
    model: ResNet,
    state: ModelState,
    images: Float[Array, "b h w ch"],
    mask: Bool[Array, " b"],
    *,
    train: bool,
    axis_name: str | None,
    groups: int = 1,
) -> tuple[Outputs, PyTree]:
    """Forward pass.

    Args:
      model: from `make`.
      state: parameters and running averages.
      images: normalized; their dtype is the feature maps'.
      mask: rows that batch statistics see.
      train: normalize by the batch's statistics, else by the running averages.
      axis_name: mapped axis that shares the batch, None without one.
      groups: see `BatchNorm`.

    Returns:
      Outputs and running averages: new ones if `train`, else the state's own.
    """
    variables = {"params": state.params, "batch_stats": state.batch_stats}
    mutable = ["batch_stats"] if train else []
    outputs, updated = model.apply(
        variables, images, mask, train, axis_name, groups, mutable=mutable
    )
    return outputs, updated["batch_stats"] if train else state.batch_stats


def head(state: ModelState) -> tuple[jax.Array, jax.Array]:
    """The linear classifier: kernel [d, c], bias [c]."""
    return state.params["head"]["kernel"], state.params["head"]["bias"]
