"""The table of networks; it imports no JAX, so that a mistyped name fails at once."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from gmmal_jax import plugins
from gmmal_jax.errors import UserError

if TYPE_CHECKING:
    from gmmal_jax.models.architecture import Architecture

GROUP = "gmmal_jax.models"
"""Entry points of installed packages: name = package.module:make."""
OPTION = "--model"
_PARAMETERS = ("num_classes", "width", "image_shape")
"""What makes a network is called with these, by place."""


class Row(NamedTuple):
    """A network of ours.

    Attributes:
      make: `module:function`, as an entry point names it: (num_classes, width, image
        shape) -> an Architecture, or a Linen module as for `from_linen`.
      width: channels of the first stage, or hidden units, where none is given.
    """

    make: str
    width: int


NETWORKS = {
    "small": Row("gmmal_jax.models.resnet:small", 16),
    "resnet18": Row("gmmal_jax.models.resnet:resnet18", 64),
    "resnet50": Row("gmmal_jax.models.resnet:resnet50", 64),
    "linear": Row("gmmal_jax.models.heads:linear", 1),
    "mlp": Row("gmmal_jax.models.heads:mlp", 256),
}


def check(name: str) -> None:
    """Refuse a name that is neither ours, nor installed, nor `package.module:make`.

    Raises:
      UserError: with the nearest name.
    """
    plugins.find(GROUP, name, NETWORKS, OPTION)


def load(
    name: str,
    width: int | None,
    num_classes: int,
    image_shape: tuple[int, ...],
) -> "Architecture":
    """The architecture behind a name.

    Args:
      name: a key of `NETWORKS`, an entry point, or `package.module:make`.
      width: channels of the first stage; None: the network's own.
      num_classes: c.
      image_shape: (h, w, ch), or (d,) of features.

    Raises:
      UserError: no such name, it reads no such images, or what it makes is no network.
    """
    found: Any = plugins.find(GROUP, name, NETWORKS, OPTION)
    if isinstance(found, Row):
        found, width = found.make, width or found.width
    make: Callable[..., Any] = plugins.resolve(found, f"{OPTION} {name}")
    _require_parameters(name, make)
    return _architecture(name, make(num_classes, width, image_shape))


def _require_parameters(name: str, make: Any) -> None:
    """Refuse what cannot be called as we do: a fault within it shows its own trace."""
    remedy = f"let it be a function of ({', '.join(_PARAMETERS)})"
    signature = plugins.signature(make, f"{OPTION} {name}", remedy)
    try:
        signature.bind(*_PARAMETERS)
    except TypeError:
        what = f"{OPTION} {name} takes other parameters"
        raise UserError(what, str(signature), remedy) from None


def _architecture(name: str, made: Any) -> "Architecture":
    import flax.linen as nn

    from gmmal_jax.models.architecture import Architecture, from_linen

    if isinstance(made, Architecture):
        return made
    if isinstance(made, nn.Module):
        return from_linen(made)
    remedy = "return an Architecture or a Linen module"
    raise UserError(f"{OPTION} {name} made a {type(made).__name__}", remedy=remedy)
