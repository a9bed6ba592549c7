"""What an architecture is to those who train it, and Flax modules as architectures.

Any module will do whose call returns `types.Outputs`. BatchNorm over devices
(`models.normalization`) and convolutions that are fast within scans on the CPU
(`models.convolution`) are there for whoever wants them.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import nnx

from gmmal_jax.errors import UserError
from gmmal_jax.types import Key, ModelState, Outputs, PyTree

Shape = tuple[int, ...]
"""Height, width and channels of the images; (d,) of features."""
_Options = dict[str, Any]
_Passed = tuple[Any, PyTree]
"""What a module returned, `Outputs` if all is well, and its running averages."""


class Architecture(NamedTuple):
    """Pure functions of a network that knows its number of classes.

    Attributes:
      init: (key, image shape) -> fresh weights; called under jit.
      apply: (state, float32 images [b, *shape], mask [b], *, train, axis_name,
        groups=1) -> (Outputs, running averages), as `resnet.apply`.
      head: state -> (kernel [d, c], bias [c]) of the linear classifier on the latents;
        None: there is none.
      scan_safe: see `parallel.compile_step`.
    """

    init: Callable[[Key, Shape], ModelState]
    apply: Callable[..., tuple[Outputs, PyTree]]
    head: Callable[[ModelState], tuple[jax.Array, jax.Array]] | None = None
    scan_safe: bool = False


def from_linen(
    module: nn.Module, head: str | None = None, scan_safe: bool = False
) -> Architecture:
    """A Linen module whose `__call__(images, ...)` returns `Outputs`.

    Of `train`, `mask`, `axis_name` and `groups` it is handed those that its
    `__call__` names; see `_completed` for what is done about the others. Without
    random numbers: no dropout.

    Args:
      module: unbound.
      head: name of the `nn.Dense` that turns latents into logits; None: there is none.
      scan_safe: true if it has no stock convolutions; see `parallel.compile_step`.
    """

    def init(key: Key, shape: Shape) -> ModelState:
        mask = jnp.ones(1, bool)
        options = {"train": False, "mask": mask, "axis_name": None, "groups": 1}
        images = jnp.zeros((1, *shape))
        variables = dict(module.init(key, images, **_named(module, options)))
        return ModelState(variables.pop("params", {}), variables)

    def run(state: ModelState, images: jax.Array, options: _Options) -> _Passed:
        variables = {"params": state.params, **state.batch_stats}
        mutable = list(state.batch_stats) if options["train"] else []
        named = _named(module, options)
        outputs, stats = module.apply(variables, images, **named, mutable=mutable)
        return outputs, dict(stats) if options["train"] else state.batch_stats

    return Architecture(init, _completed(module, run), _dense(head), scan_safe)


def from_nnx(
    make: Callable[[nnx.Rngs], nnx.Module],
    head: str | None = None,
    scan_safe: bool = False,
) -> Architecture:
    """An NNX module whose `__call__(images, ...)` returns `Outputs`.

    It is split into arrays and merged again in each call. Training and evaluation are
    `module.train()` and `module.eval()`; else as `from_linen`.

    Args:
      make: random numbers -> the module.
      head: attribute of the `nnx.Linear` that turns latents into logits.
      scan_safe: as in `from_linen`.
    """
    abstract = nnx.eval_shape(lambda: make(nnx.Rngs(0)))
    graph = nnx.split(abstract)[0]

    def arrays(module: nnx.Module) -> ModelState:
        states = nnx.split(module, nnx.Param, ...)[1:]
        return ModelState(*map(nnx.to_pure_dict, states))

    def init(key: Key, shape: Shape) -> ModelState:
        return arrays(make(nnx.Rngs(key)))

    def run(state: ModelState, images: jax.Array, options: _Options) -> _Passed:
        module: Any = nnx.merge(graph, state.params, state.batch_stats)
        if options["train"]:
            module.train()
        else:
            module.eval()
        outputs = module(images, **_named(module, options))
        return outputs, arrays(module).batch_stats

    return Architecture(init, _completed(abstract, run), _dense(head), scan_safe)


def _named(module: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that the module's call names."""
    parameters = inspect.signature(type(module).__call__).parameters
    return {name: value for name, value in options.items() if name in parameters}


def _dense(
    name: str | None,
) -> Callable[[ModelState], tuple[jax.Array, jax.Array]] | None:
    if name is None:
        return None
    return lambda state: (state.params[name]["kernel"], state.params[name]["bias"])


def _completed(
    module: Any, run: Callable[[ModelState, jax.Array, _Options], _Passed]
) -> Callable[..., tuple[Outputs, PyTree]]:
    """`Architecture.apply` of a module that may know neither groups nor devices.

    Where it has running averages but names no `groups`, each group is a pass of its
    own; where it names no `axis_name`, the averages are those of each device's share,
    averaged over the devices: equal on all, as a state must be.
    """
    named = _named(module, dict.fromkeys(("axis_name", "groups")))

    def apply(
        state: ModelState,
        images: jax.Array,
        mask: jax.Array,
        *,
        train: bool,
        axis_name: str | None,
        groups: int = 1,
    ) -> tuple[Outputs, PyTree]:
        options = {"train": train, "axis_name": axis_name, "groups": groups}
        has_averages = bool(jax.tree.leaves(state.batch_stats))
        passes = groups if train and has_averages and "groups" not in named else 1
        parts, stats = [], state.batch_stats
        rows = zip(jnp.split(images, passes), jnp.split(mask, passes), strict=True)
        for share, keep in rows:
            model = ModelState(state.params, stats)
            outputs, stats = run(model, share, options | {"mask": keep})
            if not isinstance(outputs, Outputs):
                remedy = "return types.Outputs(logits, latents, maps)"
                raise UserError("the network returns", type(outputs).__name__, remedy)
            parts.append(outputs)
        if train and axis_name is not None and "axis_name" not in named:
            stats = _averaged(stats, axis_name)
        return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *parts), stats

    return apply


def _averaged(stats: PyTree, axis_name: str) -> PyTree:
    def average(leaf: jax.Array) -> jax.Array:
        floating = jnp.issubdtype(leaf.dtype, jnp.floating)
        mean: Any = jax.lax.pmean  # has no annotations
        return mean(leaf, axis_name) if floating else leaf

    return jax.tree.map(average, stats)
