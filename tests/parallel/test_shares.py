"""Work on all rows: the same on 1, 2, 4 and 8 devices; each holds its share."""

import dataclasses
import importlib
import math
import re

import jax
import numpy as np
import pytest
from rounding import sums_of

from gmmal_jax import assembly, methods, parallel, plugins, selection, shares
from gmmal_jax.config import Config, MixtureConfig, SelectConfig
from gmmal_jax.mixtures import em, refit, sharded
from gmmal_jax.phases import adversary
from gmmal_jax.selection import Ask, k_center, k_means
from gmmal_jax.strategies import base
from gmmal_jax.testing import strategies as cases

N, D, K = 243, 6, 4
"""Uneven on every number of devices."""
DEVICES = (2, 4, 8)
every_number = pytest.mark.parametrize("devices", DEVICES)


def team_of(devices):
    """A team that shares the smallest array, too."""
    found = parallel.team(parallel.make_mesh(devices))
    return found and dataclasses.replace(found, fewest=0)


def problem(absent=None):
    """Separated classes, a quarter of the rows labeled; a row that broke down."""
    rng = np.random.default_rng(0)
    classes = rng.integers(0, K, N).astype(np.int32)
    means = 10 * np.eye(K)[:, [0, 1, 2, 3, 0, 1]]
    latents = (means[classes] + rng.normal(size=(N, D))).astype(np.float32)
    labeled = (rng.random(N) < 0.25) & (classes != absent)
    latents[np.flatnonzero(~labeled)[3], 2] = np.nan
    return latents, labeled, np.where(labeled, classes, -1).astype(np.int32)


def fitted(config, devices, absent=None):
    latents, labeled, labels = problem(absent)
    team = team_of(devices)
    known = refit.fit_labeled(latents, labels, labeled, K, config, team)
    mixture, info = refit.fit_pool(
        jax.random.key(0), latents, ~labeled, known, config, None, team
    )
    scale = adversary.column_scale(
        np.nan_to_num(latents), known, mixture, "standardize", team
    )
    return known, mixture, info, scale


@pytest.mark.parametrize(
    "config",
    [
        MixtureConfig(mode="exact", em_iters=4),
        MixtureConfig(mode="exact", init="kmeans++", em_iters=4),
        MixtureConfig(shard_size=50, em_iters=4),
        MixtureConfig(shard_size=50, em_iters=4, init="kmeans++", average="equal"),
        MixtureConfig(shard_size=500, em_iters=4),
    ],
    ids=["exact", "exact-kmeans++", "shards", "shards-kmeans++", "one-shard"],
)
@pytest.mark.parametrize("absent", [None, 2])
def test_mixtures_agree(config, absent):
    one = fitted(config, 1, absent)
    for devices in DEVICES:
        many = fitted(config, devices, absent)
        for a, b in zip(
            jax.tree.leaves((one[:2], one[3])),
            jax.tree.leaves((many[:2], many[3])),
            strict=True,
        ):
            # Sums of all rows in another order; iterations pass them on.
            bound = 20 * sums_of(N) * np.abs(a).max()
            np.testing.assert_allclose(a, b, atol=bound, rtol=0)
        assert one[2].live == many[2].live == K
        assert one[2].rows_dropped == many[2].rows_dropped == 1
        assert abs(one[2].log_likelihood - many[2].log_likelihood) < 1e-3


def points():
    """Whole numbers about a dozen centers and their mirrors; a row that broke down.

    Their mean is 0 and their products are exact: no sum depends on its order, and rows
    are equally far only where they really are.
    """
    rng = np.random.default_rng(0)
    centers = 40 * rng.normal(size=(6, D))
    half = (centers[np.arange(N // 2) % 6] + 4 * rng.normal(size=(N // 2, D))).round()
    rows = np.concatenate([half, -half, np.full((1, D), np.inf)])
    return rng.permutation(rows).astype(np.float32)


def masks():
    rng = np.random.default_rng(1)
    labeled = rng.random(N) < 0.1
    return labeled, ~labeled & (rng.random(N) < 0.8)


of_clusters = importlib.import_module("gmmal_jax.selection.representatives")
IDS = np.random.default_rng(2).permutation(10 * N)[:N].astype(np.uint32)


@every_number
@pytest.mark.parametrize("centers", [True, False])
def test_k_center_picks_the_same_rows(devices, centers):
    rows, (labeled, mask) = points(), masks()
    labeled = labeled & centers
    key = jax.random.key(3)
    one, many = (
        selection.k_center_of(team, key, rows, labeled, mask, 80, ids=IDS)
        for team in (None, team_of(devices))
    )
    np.testing.assert_array_equal(one, many)


@every_number
def test_k_center_settles_ties_alike(devices):
    rows, (labeled, mask) = np.sign(points()), masks()
    one, many = (
        selection.k_center_of(team, jax.random.key(3), rows, labeled, mask, 99, ids=IDS)
        for team in (None, team_of(devices))
    )
    np.testing.assert_array_equal(one, many)


@every_number
@pytest.mark.parametrize("k", [7, 12])
def test_representatives_are_the_same_rows(devices, k):
    rows, (_, mask) = points(), masks()
    eligible = mask & (rows[:, 0] > -50)
    one, many = (
        selection.representatives_of(
            team, jax.random.key(4), rows, eligible, mask, ids=IDS, k=k
        )
        for team in (None, team_of(devices))
    )
    np.testing.assert_array_equal(one, many)


@every_number
def test_clusters_are_the_same(devices):
    rows, (_, mask) = points(), masks()
    rows = np.where(np.isfinite(rows), rows, 0)
    start = selection.far_start(jax.random.key(4), rows, mask, num_clusters=12)
    one = selection.lloyd(rows, mask, start, 9)
    many = selection.clusters_of(
        team_of(devices), jax.random.key(4), rows, mask, 9, max_clusters=12
    )
    np.testing.assert_array_equal(one.assignments, many)


def asked(name, devices):
    """What a strategy asks of the pool of the contract's tests."""
    create = plugins.resolve(methods.STRATEGIES[name].make, name)
    strategy = create(**assembly.groups(create, Config(), name))
    view = cases.view()._replace(team=team_of(devices))
    ask = Ask(cases.BUDGET, cases.NUM_CLASSES, SelectConfig())
    return base.query(jax.random.key(5), strategy, view, ask)


SHARED = ("gmm", "entropy", "dropquery", "coreset", "kmeans", "typiclust")
"""Several scores, one, one through the head; and what chooses rows together."""


@pytest.mark.parametrize("name", SHARED)
def test_strategies_ask_the_same(name):
    one, many = (asked(name, devices) for devices in (1, 8))
    np.testing.assert_array_equal(one.indices, many.indices)
    for other, scores in many.scores.items():
        # A row's score is a sum over what it is made of, and in no other order.
        bound = sums_of(cases.NUM_DIMS * cases.NUM_CLASSES) * np.abs(scores).max()
        np.testing.assert_allclose(one.scores[other], scores, atol=bound, rtol=0)


def programs(team):
    """Name -> (program, rows, alike) of all that is shared, for 4,096 rows of 64."""
    n, d, k = 4096, 64, 5
    rng = np.random.default_rng(0)
    rows, mask = rng.normal(size=(n, d)).astype("f4"), np.ones(n, bool)
    mixture = refit.fit_labeled(
        rows[:50], np.arange(50, dtype=np.int32) % k, mask[:50], k, MixtureConfig()
    )
    key, options = jax.random.key(0), em.Options(3)
    ids = np.arange(n, dtype=np.uint32)
    scored = (ids, ~mask, mask, np.full(n, -1, np.int32), rows)
    score = {"score": _length, "name": "length", "columns": ("latents",)}
    return {
        "exact EM": (refit._exactly, (rows, mask), mixture, {"options": options}),
        "EM of shards": (
            sharded._fit_own, (rows.reshape(8, n // 8, d), mask.reshape(8, n // 8)),
            mixture, {"options": options},
        ),
        "EM's start": (refit._completed, (rows, mask), (key, mixture), {}),
        "k-means++": (refit._drawn, (rows, mask), key, {"num_components": k}),
        "k-center": (k_center._of_share, (rows, ~mask, mask), ids, {"k": 9}),
        "k-means": (k_means._of_share, (rows, mask), (key, 9), {"k": 9}),
        "representatives": (
            of_clusters._of_share, (rows, mask), (key, n), {"k": 9}
        ),
        "column scale": (
            adversary._moments_of_all, (rows, mask), (mixture, mixture), {}
        ),
        "scores": (base._scores_of_share, scored, (key, None), score),
    }  # fmt: skip


def _length(key, view):
    return {"length": (view.columns["latents"] ** 2).sum(axis=1)}


def test_each_device_holds_its_rows_alone():
    """No program puts rows together again: an all-gather gives n numbers, at most."""
    team = team_of(8)
    for name, (function, rows, alike, static) in programs(team).items():
        placed = tuple(shares.placed(team, each) for each in rows)
        for each in placed:
            held = {shard.data.shape[0] for shard in each.addressable_shards}
            assert held == {each.shape[0] // 8}, name
        program = shares.program(team, function, **static)
        lowered = program.lower(placed, shares.replicated(team, alike))
        text = lowered.compile().as_text()
        gathered = re.findall(r"= \(?\w+\[([\d,]*)\][^=]*? all-gather", text)
        sizes = [math.prod(map(int, filter(None, g.split(",")))) for g in gathered]
        assert max(sizes, default=0) <= 4096, name
        wide = re.findall(r"\[((?:4096,\d+)|(?:\d+,4096))\]", text)
        assert all(min(map(int, w.split(","))) == 1 for w in wide), (name, set(wide))


def test_rows_are_filled_up_where_they_are_masked():
    team = team_of(8)
    placed = shares.placed(team, np.ones((11, 2), "f4"), fill=np.nan)
    assert placed.shape == (16, 2)
    assert np.isnan(np.asarray(placed)[11:]).all() and shares.padded(team, 16) == 16
    which = np.array([[1], [0], [1]])
    some = shares.placed(team, np.arange(4).reshape(2, 2), which)
    np.testing.assert_array_equal(some[:3, 0], [[2, 3], [0, 1], [2, 3]])


def test_few_rows_are_left_to_one_device():
    team = parallel.team(parallel.make_mesh(2))
    assert parallel.team(parallel.make_mesh(1)) is None
    assert shares.worth(team, np.empty((team.fewest // 4, 3))) is None
    assert shares.worth(team, np.empty((team.fewest // 4, 4))) is team
    assert shares.worth(None, np.empty((team.fewest // 4, 4))) is None
