"""Conformance of learners: what each must do, for anybody's tests.

In a test file, with `XLA_FLAGS=--xla_force_host_platform_device_count=3` on a CPU:

    from gmmal_jax.testing import learners

    def test_mine_is_a_learner():
        learners.check(lambda network: mine.make(network, settings))
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from gmmal_jax import cycle as cycles, keys, pool as pools, train
from gmmal_jax.errors import TrainingDiverged, UserError
from gmmal_jax.phases.base import Learner, check_learner
from gmmal_jax.phases.network import Network
from gmmal_jax.pool import Pool
from gmmal_jax.testing import worlds
from gmmal_jax.testing.worlds import PICTURES, Kind
from gmmal_jax.types import PyTree, struct

Build = Callable[[Network], Learner]
_EPSILON = float(np.finfo(np.float32).eps)


class _Case(NamedTuple):
    """A learner, and a cycle of it on one device."""

    build: Build
    kind: Kind
    task: cycles.Task
    pool: Pool
    outcome: cycles.Outcome
    chunks: list[train.Standing]

    @property
    def learner(self) -> Learner:
        return self.task.trainer.learner

    @property
    def final(self) -> PyTree:
        """The trained state, on the host."""
        return self.chunks[-1].state


def check(build: Build, devices: Sequence[int] = (2, 3), kind: Kind = PICTURES) -> None:
    """Train a learner in a small world and check all that the loop relies on.

    The columns are those promised, a row's depend on its image alone, as it is, and a
    head leads from latents to logits; metrics are finite and include the loss, also
    where all labels are of one class; a frozen phase leaves the network as it is; the
    first weights are those that every learner of a seed starts from; every number of
    devices trains as one does; a run that is killed after any chunk and resumed ends
    with the same bits and asks the same; nothing compiles twice.

    Args:
      build: network -> learner; a few steps and small batches will do. It is called
        with the network of the kind: a perceptron of pictures, an adapter of features.
      devices: numbers of devices to compare with one; three seldom divide a batch.
      kind: what the rows are, `worlds.PICTURES` or `worlds.FEATURES`.

    Raises:
      AssertionError: what it does not do.
      UserError: columns and the like that are not what the learner promises.
    """
    rows, _ = kind.dataset()
    check_learner(build(kind.network()), rows.shape[1:], rows.dtype)
    task, pool = worlds.world(_traced_once(build(kind.network())), kind=kind)
    case = _Case(build, kind, task, pool, *worlds.cycle(task, pool))
    for one in (
        _starts_alike,
        _reads_rows,
        _reads_images_as_they_are,
        _measures,
        _keeps_frozen,
        _resumes,
        _compiles_once,
        _lacks_classes,
    ):
        one(case)
    allowed = rounding(task, pool, case.final)
    for num in devices:
        _agrees_with_one(case, num, allowed)


def rounding(task: cycles.Task, pool: Pool, final: PyTree) -> PyTree:
    """How far another order of sums may move each leaf of a trained state.

    A sum of b terms in another order is off by at most b roundings, in each of t steps.
    What the learner makes of a rounding is measured: its weights are moved by one, up
    or down, before the first step.

    Args:
      task: on one device.
      pool: what it trains on.
      final: the state that it ends with.
    """
    generator = np.random.default_rng(0)

    def move(leaf: np.ndarray) -> np.ndarray:
        if not np.issubdtype(leaf.dtype, np.floating):
            return leaf
        signs = generator.choice([-_EPSILON, _EPSILON], leaf.shape)
        return np.asarray(leaf * (1 + signs), leaf.dtype)

    state = jax.tree.map(move, jax.tree.map(np.asarray, _fresh(task)))
    moved = worlds.cycle(task, pool, start=train.Standing(state))[1]
    done = (standing.chunk for standing in moved if standing.chunk)
    steps = sum(chunk.num_steps for chunk in done if chunk.step == chunk.num_steps)
    rows = max(phase.inputs.rows for phase in task.trainer.learner.phases)

    # The terms of a bias's sum may cancel where those of its kernel's do not, so that
    # leaves that lie side by side share their size.
    sizes: dict[Any, float] = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(final):
        largest = float(np.abs(leaf).max(initial=0.0))
        sizes[path[:-1]] = max(largest, sizes.get(path[:-1], 0.0))

    def allowed(path: Any, one: np.ndarray, other: np.ndarray) -> float:
        return steps * rows * (_distance(one, other) + _EPSILON * sizes[path[:-1]])

    return jax.tree_util.tree_map_with_path(allowed, final, moved[-1].state)


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    wide, there = np.asarray(one, np.float64), np.asarray(other, np.float64)
    return float(np.abs(wide - there).max(initial=0.0))


def _traced_once(learner: Learner) -> Learner:
    """Its steps refuse to be traced again."""

    def once(step: Callable[..., PyTree], name: str) -> Callable[..., PyTree]:
        traces: list[int] = []

        def run(*args: PyTree) -> PyTree:
            assert not traces, f"{name}: its step is traced, hence compiled, again"
            traces.append(1)
            return step(*args)

        return run

    phases = (p._replace(step=once(p.step, p.name)) for p in learner.phases)
    return learner._replace(phases=tuple(phases))


def _fresh(task: cycles.Task) -> PyTree:
    return task.trainer.init(keys.key(task.seed, "network", 0), None)


def _starts_alike(case: _Case) -> None:
    """Equal keys, equal states; the network is that of every learner."""
    state = _fresh(case.task)
    chex.assert_trees_all_equal(state, _fresh(case.task))
    first = jax.jit(case.kind.network().init)(keys.key(case.task.seed, "network", 0))
    chex.assert_trees_all_close(
        state.model, first, rtol=1e-6, custom_message="weights of the first cycle"
    )


def _reads_rows(case: _Case) -> None:
    """Columns are finite; row i depends on image i; the head gives the logits."""
    images, _ = case.kind.dataset()
    learner, state = case.learner, case.outcome.state
    readout = jax.jit(learner.readout)
    columns, flipped = (readout(state, jnp.asarray(x)) for x in (images, images[::-1]))
    for name, column in columns.items():
        assert np.isfinite(column).all(), f"column {name} is not finite"
        np.testing.assert_allclose(
            flipped[name], column[::-1], 1e-4, 1e-5,
            err_msg=f"column {name}: a row depends on other rows",
        )  # fmt: skip
    if learner.head is not None:
        kernel, bias = jax.jit(learner.head)(state)
        seen = columns["latents"] @ kernel + bias[None]
        np.testing.assert_allclose(
            seen, columns["logits"], 1e-3, 1e-4, err_msg="head and logits differ"
        )


def _reads_images_as_they_are(case: _Case) -> None:
    """Readouts do not augment, and a batch's statistics are training's."""

    def refused(name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            raise AssertionError(f"readout: network.{name} is for training only")

        return call

    names = ("augmented", "strongly_augmented", "train")
    network = case.kind.network()._replace(**{name: refused(name) for name in names})
    rows, _ = case.kind.dataset()
    images = struct((2, *rows.shape[1:]), rows.dtype)
    jax.eval_shape(case.build(network).readout, case.outcome.state, images)


def _measures(case: _Case) -> None:
    """All phases run in order, with finite metrics and a loss; so is what is told."""
    names = [phase.name for phase in case.learner.phases]
    assert list(dict.fromkeys(_names(case.chunks))) == names
    _finite(case.outcome, case.chunks)


def _finite(outcome: cycles.Outcome, chunks: list[train.Standing]) -> None:
    for standing in chunks:
        assert standing.chunk is not None
        name, values = standing.chunk.name, standing.chunk.metrics
        assert "loss" in values, f"{name}: no loss among its metrics"
        wild = [key for key, value in values.items() if not np.isfinite(value)]
        assert not wild, f"{name}: metrics {wild} are not finite"
    told = outcome.diagnostics | outcome.view.columns
    wild = [name for name, values in told.items() if not np.isfinite(values).all()]
    assert not wild, f"diagnostics or columns {wild} are not finite"


def _names(stands: list[train.Standing]) -> list[str]:
    """Of the phases that led to where training stood, chunk by chunk."""
    return [standing.chunk.name for standing in stands if standing.chunk]


def _keeps_frozen(case: _Case) -> None:
    """Phases that are `frozen` leave the network as they found it."""
    before = _fresh(case.task).model
    for phase in case.learner.phases:
        chunks = (s for s in case.chunks if s.chunk and s.chunk.name == phase.name)
        after = [*chunks][-1].state.model
        if phase.frozen:
            said = f"{phase.name} is frozen, and its network is not"
            chex.assert_trees_all_equal(before, after, custom_message=said)
        before = after


def _resumes(case: _Case) -> None:
    """From where it stood after any chunk it comes to the same bits and query."""
    for chunk in case.chunks[:-1]:
        outcome, again = worlds.cycle(case.task, case.pool, start=chunk)
        where = f"resumed at {chunk.position}: the state"
        chex.assert_trees_all_equal(again[-1].state, case.final, custom_message=where)
        for one, other in zip(outcome[1:], case.outcome[1:], strict=True):
            chex.assert_trees_all_equal(one, other, custom_message=where)


def _compiles_once(case: _Case) -> None:
    """While the labeled set grows."""
    pool, carried = case.pool, case.learner.carry(case.outcome.state)
    for number, num in enumerate((20, 33), 1):
        rows = np.arange(int(pool.labeled.sum()), num)
        pool = worlds.label(pool, rows, number)
        if number == 1:
            # Its `init` may be another program where something was carried over.
            outcome, _ = worlds.cycle(case.task, pool, number, previous=carried)
            carried = case.learner.carry(outcome.state)
            continue
        with jax.no_tracing():
            worlds.cycle(case.task, pool, number, previous=carried)


def _lacks_classes(case: _Case) -> None:
    """Labels of one class are enough to train on."""
    rows = np.flatnonzero(worlds.dataset()[1] == 1)[:12]
    pool = worlds.label(pools.make(np.arange(worlds.ROWS)), rows)
    try:
        outcome, chunks = worlds.cycle(case.task, pool)
        _finite(outcome, chunks)
    except (AssertionError, TrainingDiverged, UserError) as error:
        error.add_note("all labels were of one class")
        raise


def _agrees_with_one(case: _Case, num: int, allowed: PyTree) -> None:
    """So many devices train as one does, but for the order of sums."""
    there = jax.local_device_count()
    flag = f"XLA_FLAGS=--xla_force_host_platform_device_count={num}"
    assert num <= there, f"{there} devices, {num} are wanted: set {flag}"
    learner = case.build(case.kind.network())
    task, pool = worlds.world(learner, num_devices=num, kind=case.kind)
    _, chunks = worlds.cycle(task, pool)

    def compare(path: Any, one: np.ndarray, other: np.ndarray, off: float) -> None:
        far, name = _distance(one, other), jax.tree_util.keystr(path)
        assert far <= off, (
            f"{num} devices: {name} is {far} off, rounding explains {off}"
        )

    jax.tree_util.tree_map_with_path(compare, case.final, chunks[-1].state, allowed)
