"""Work on many rows, shared out over the devices of a team.

Each device holds an equal share of the rows, one after the other; the last ones are
filled up. The functions of the first half stand inside such work and are told the
devices' axis. Without one they are what NumPy calls them, operation by operation, so
that a program for one device is the same as if nothing were ever shared. The second
half is for the host: it places rows and runs a function on all shares.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import dtypes, lax
from jax.sharding import NamedSharding, PartitionSpec

from gmmal_jax import devices
from gmmal_jax.types import AXIS, PyTree, Streamed, Team

Array = jax.Array | np.ndarray
_spec: Any = PartitionSpec  # has no annotations


def num(values: Array, axis: str | None) -> int:
    """Rows of all devices, with those that fill up."""
    return values.shape[0] * (1 if axis is None else lax.axis_size(axis))


def joined(values: jax.Array, axis: str | None) -> jax.Array:
    """Values [n, ...] of all rows, on every device; for few numbers a row."""
    if axis is None:
        return values
    everyone: jax.Array = lax.all_gather(values, axis, tiled=True)
    return everyone


def own(places: jax.Array, values: jax.Array, axis: str | None) -> jax.Array:
    """Where rows of all lie in this device's share; its end, where they do not."""
    if axis is None:
        return places
    size = values.shape[0]
    local = places - _first(values, axis)
    return jnp.where((local >= 0) & (local < size), local, size)


def at(values: jax.Array, places: jax.Array, axis: str | None) -> jax.Array:
    """Values at some places among all rows, [b, ...], on every device."""
    if axis is None:
        return values[places]
    local = own(places, values, axis)
    # All others add zeros, whatever stands in the row.
    found = values.at[local].get(mode="fill", fill_value=0)
    if found.dtype == bool:
        return devices.total(found.astype(jnp.int32), axis) > 0
    return devices.total(found, axis)


def mine(values: jax.Array, like: jax.Array, axis: str | None) -> jax.Array:
    """Of values of all rows, [n], those of this device's, as many as `like` has."""
    if axis is None:
        return values
    return lax.dynamic_slice_in_dim(values, _first(like, axis), like.shape[0])


def top_k(values: jax.Array, k: int, axis: str | None) -> tuple[jax.Array, jax.Array]:
    """The k largest of all rows' values [n] and their places; the first of equal ones.

    Each device proposes as many of its own.
    """
    if axis is None:
        largest, places = lax.top_k(values, k)
        return largest, places
    mine, local = lax.top_k(values, min(k, values.shape[0]))
    places = joined(local + _first(values, axis), axis)
    # In the order of places, as far as values are equal.
    largest, which = lax.top_k(joined(mine, axis), k)
    return largest, places[which]


def running(values: jax.Array, axis: str | None) -> tuple[jax.Array, jax.Array]:
    """Sums of values [n] up to each of the own rows, and of all rows, []."""
    ends = jnp.cumsum(values)
    if axis is None:
        return ends, ends[-1]
    sums = jnp.cumsum(lax.all_gather(ends[-1], axis))
    before = jnp.where(lax.axis_index(axis) > 0, sums[lax.axis_index(axis) - 1], 0.0)
    return ends + before, sums[-1]


def mean(rows: jax.Array, mask: jax.Array, axis: str | None) -> jax.Array:
    """Mean [d] of the masked-in rows of all devices."""
    if axis is None:
        return jnp.mean(rows, axis=0, where=mask[:, None])
    sums = jnp.sum(rows, axis=0, where=mask[:, None])
    number = jnp.sum(mask, dtype=rows.dtype)
    whole: jax.Array = devices.total(sums, axis) / devices.total(number, axis)
    return whole


def least(values: jax.Array, axis: str | None) -> jax.Array:
    """The smallest values of all devices, entry by entry."""
    if axis is None:
        return values
    smallest: jax.Array = lax.pmin(values, axis)  # type: ignore[no-untyped-call]
    return smallest


def greatest(values: jax.Array, axis: str | None) -> jax.Array:
    """The largest values of all devices, entry by entry."""
    return values if axis is None else -least(-values, axis)


def any_of(values: jax.Array, axis: str | None) -> jax.Array:
    """Whether any is true, on any device."""
    found = jnp.any(values)
    if axis is None:
        return found
    return devices.total(found.astype(jnp.int32), axis) > 0


def places(values: Array, axis: str | None) -> jax.Array:
    """The places [n] of this device's rows among all."""
    local = jnp.arange(values.shape[0])
    return local if axis is None else local + _first(values, axis)


def _first(values: Array, axis: str) -> jax.Array:
    """The place of this device's first row among all."""
    first: jax.Array = lax.axis_index(axis) * values.shape[0]
    return first


def worth(team: Team | None, rows: Any) -> Team | None:
    """The team if there is one and rows [n, ...] are held and many; or None."""
    if team is None or isinstance(rows, Streamed):
        return None
    return team if math.prod(rows.shape) >= team.fewest else None


def padded(team: Team, num_rows: int) -> int:
    """So many rows, filled up to equal shares."""
    return -(-num_rows // team.mesh.size) * team.mesh.size


def placed(
    team: Team | None, rows: Any, which: np.ndarray | None = None, fill: Any = 0
) -> jax.Array:
    """Rows shared out over the devices; of several processes each reads its own.

    Args:
      team: the devices; None: one.
      rows: [n, ...] on the host; rows that are placed already stay where they are.
      which: int [m, ...], which of them; None: all, m = n.
      fill: what stands in the rows that fill up.

    Returns:
      [p, ...], p the next multiple of the devices from m on.
    """
    if team is None:
        return jnp.asarray(rows if which is None else rows[which])
    target = NamedSharding(team.mesh, _spec(AXIS))
    if isinstance(rows, jax.Array) and rows.sharding == target:
        return rows
    rows = np.asarray(rows)
    number = len(rows) if which is None else len(which)
    shape = rows.shape if which is None else (*which.shape, *rows.shape[1:])

    def read(index: Any) -> np.ndarray:
        part = slice(index[0].start, index[0].stop)
        found = rows[part] if which is None else rows[which[part]]
        missing = part.stop - part.start - len(found)
        widths = ((0, missing), *((0, 0) for _ in shape[1:]))
        return np.pad(found, widths, constant_values=fill) if missing else found

    whole = (padded(team, number), *shape[1:])
    return jax.make_array_from_callback(whole, target, read)


def run(
    team: Team | None,
    function: Callable[..., PyTree],
    by_row: tuple[Any, ...],
    alike: PyTree = (),
    **static: Any,
) -> PyTree:
    """Run a function on all shares of some rows.

    Args:
      team: the devices; None: there is one, and the function is called as it is.
      function: (shares of `by_row`, `alike`, axis=, **static) -> arrays that are equal
        on all devices; a module's own, as it compiles once for each. It calls what is
        jitted where there is one device.
      by_row: arrays [n, ...], or placed; rows that fill up are zeros.
      alike: what every device is given.
      static: hashable.

    Returns:
      The arrays, on this process's first device.
    """
    if team is None:
        return function(by_row, alike, axis=None, **static)
    rows = tuple(placed(team, each) for each in by_row)
    found = program(team, function, **static)(rows, replicated(team, alike))
    # Collectives of virtual CPU devices hang when dispatches queue up: this waits.
    return jax.tree.map(jnp.asarray, jax.device_get(found))


def program(
    team: Team, function: Callable[..., PyTree], **static: Any
) -> Callable[..., PyTree]:
    """What `run` runs: (placed rows, replicated) -> arrays on every device."""
    return _program(team, function, tuple(sorted(static.items())))


@functools.cache
def _program(
    team: Team, function: Callable[..., PyTree], static: tuple[tuple[str, Any], ...]
) -> Callable[..., PyTree]:
    share: Any = jax.shard_map
    return jax.jit(
        share(
            functools.partial(function, axis=AXIS, **dict(static)),
            mesh=team.mesh,
            in_specs=(_spec(AXIS), _spec()),
            out_specs=_spec(),
            check_vma=False,
        )
    )


def replicated(team: Team, tree: PyTree) -> PyTree:
    """Host values, or arrays of a device, as every device of the team holds them."""
    target = NamedSharding(team.mesh, _spec())

    def place(leaf: Any) -> jax.Array:
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, dtypes.prng_key):
            key: jax.Array = jax.random.wrap_key_data(
                place(jax.random.key_data(leaf)), impl=jax.random.key_impl(leaf)
            )
            return key
        values = np.asarray(leaf)
        return jax.make_array_from_callback(
            values.shape, target, lambda index: values[index]
        )

    return jax.tree.map(place, tree)
