import itertools
from typing import get_args, get_type_hints

import jax
import numpy as np
import pytest

from gmmal_jax.config import SelectConfig
from gmmal_jax.selection import CONSTRUCTIONS, Ask, constructions
from gmmal_jax.selection.sizes import sizes
from gmmal_jax.types import PoolView

KEY = jax.random.key(0)
NUM_ROWS, NUM_CLASSES, BUDGET = 24, 3, 7
BOUGHT = 80
"""Rows that `choose` appends, the labeled ones among them."""
DIVERSITIES = list(CONSTRUCTIONS)


def ids(n=NUM_ROWS):
    return np.arange(n, dtype=np.uint32) * 17 + 5


def pool(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "total": rng.normal(size=NUM_ROWS).astype(np.float32),
        "mask": np.ones(NUM_ROWS, bool),
        "ids": ids(),
        "latents": rng.gamma(1.0, size=(NUM_ROWS, 4)).astype(np.float32),
        "pseudo_labels": rng.integers(NUM_CLASSES, size=NUM_ROWS),
        "labeled_counts": np.array([4, 1, 2]),
    }


def choose(rows, diversity, key=KEY, budget=BUDGET, **options):
    """Choose among rows of a pool that also holds labeled rows, as many as counted."""
    n, counts = len(rows["total"]), rows["labeled_counts"]
    bought = np.repeat(np.arange(len(counts)), counts)
    labels = np.full(n + BOUGHT, -1, np.int32)
    labels[n : n + len(bought)] = bought
    logits = np.eye(len(counts), dtype=np.float32)[rows["pseudo_labels"]]

    def padded(values):
        return np.pad(values, [(0, BOUGHT), *[(0, 0)] * (values.ndim - 1)])

    view = PoolView(
        ids=np.concatenate([rows["ids"], np.arange(BOUGHT, dtype=np.uint32) + 10**6]),
        labeled=labels >= 0,
        candidates=padded(rows["mask"]),
        labels=labels,
        columns={"logits": padded(logits), "latents": padded(rows["latents"])},
    )
    selector = CONSTRUCTIONS[diversity]
    needed = {name: view.columns[name] for name in selector.needs}
    ask = Ask(budget, len(counts), SelectConfig(**options))
    total = padded(rows["total"])
    return selector.select(key, view._replace(columns=needed), total, ask)


def valid(found, mask, budget=BUDGET):
    assert isinstance(found, np.ndarray) and found.dtype == np.int32
    assert found.shape == (budget,)
    assert len(set(found.tolist())) == budget
    assert np.asarray(mask)[found].all()


class TestConstructions:
    @pytest.mark.parametrize("diversity", DIVERSITIES)
    @pytest.mark.parametrize("quota", ["uniform", "complement"])
    @pytest.mark.parametrize("pick", ["centroid", "score"])
    def test_distinct_masked_in_and_best_first(self, diversity, quota, pick):
        rows = pool()
        rows["mask"][::3] = False
        found = choose(rows, diversity, quota=quota, pick=pick)
        valid(found, rows["mask"])
        assert np.all(np.diff(rows["total"][found]) <= 0)
        again = choose(rows, diversity, quota=quota, pick=pick)
        np.testing.assert_array_equal(found, again)

    @pytest.mark.parametrize("diversity", DIVERSITIES)
    @pytest.mark.parametrize("quota", ["uniform", "complement"])
    def test_awkward_pools(self, diversity, quota):
        exhausted = pool()
        exhausted["mask"] = np.arange(NUM_ROWS) < BUDGET
        one_class = pool() | {"pseudo_labels": np.full(NUM_ROWS, 2)}
        equal = pool() | {"total": np.zeros(NUM_ROWS, np.float32)}
        broken = pool() | {"total": np.full(NUM_ROWS, np.nan, np.float32)}
        coincide = pool() | {"latents": np.ones((NUM_ROWS, 4), np.float32)}
        dead = pool() | {"latents": np.zeros((NUM_ROWS, 4), np.float32)}
        lost = pool() | {"latents": np.full((NUM_ROWS, 4), np.nan, np.float32)}
        for rows in (exhausted, one_class, equal, broken, coincide, dead, lost):
            valid(choose(rows, diversity, quota=quota), rows["mask"])

    @pytest.mark.parametrize("diversity", DIVERSITIES)
    def test_permuting_rows_permutes_the_pick(self, diversity):
        rows = pool() | {"total": np.zeros(NUM_ROWS, np.float32)}
        order = np.random.default_rng(1).permutation(NUM_ROWS)
        per_row = ("total", "mask", "ids", "latents", "pseudo_labels")
        moved = rows | {name: rows[name][order] for name in per_row}
        found = choose(rows, diversity)
        np.testing.assert_array_equal(order[choose(moved, diversity)], found)

    def test_none_takes_the_best(self):
        rows = pool()
        expected = np.argsort(-rows["total"])[:BUDGET]
        np.testing.assert_array_equal(choose(rows, "none"), expected)

    def test_balance_takes_the_best_of_each_class(self):
        rows = pool()
        found = choose(rows, "balance")
        # 7 = 2 + 3 + 2: class 1 has fewest labels.
        for label, seats in enumerate([2, 3, 2]):
            members = np.flatnonzero(rows["pseudo_labels"] == label)
            best = members[np.argsort(-rows["total"][members])][:seats]
            assert set(best) <= set(found)

    @pytest.mark.parametrize("diversity", ["balance", "balance_kmeans"])
    def test_surplus_goes_to_the_best_of_all(self, diversity):
        rows = pool()
        labels = np.zeros(NUM_ROWS, int)
        labels[:10], labels[10] = 1, 2
        found = choose(rows | {"pseudo_labels": labels}, diversity)
        counts = np.bincount(labels[found], minlength=3)
        assert counts[2] == 1 and counts[0] >= 2 and counts[1] >= 3
        free = np.setdiff1d(np.arange(NUM_ROWS), found)
        assert rows["total"][found].max() >= rows["total"][free].max()

    @pytest.mark.parametrize("pick", ["centroid", "score"])
    def test_kmeans_takes_one_row_of_each_direction(self, pick):
        # Eight bundles of three rows; lengths differ, so only directions tell them.
        rng = np.random.default_rng(2)
        bundle = np.arange(NUM_ROWS) % 8
        latents = np.eye(8)[bundle] + 0.01 * rng.random((NUM_ROWS, 8))
        latents = (latents * rng.uniform(1, 50, (NUM_ROWS, 1))).astype(np.float32)
        rows = pool() | {"latents": latents}
        found = choose(rows, "kmeans", budget=8, pick=pick)
        assert sorted(bundle[found]) == list(range(8))
        if pick == "score":
            for i in range(8):
                members = np.flatnonzero(bundle == i)
                assert members[np.argmax(rows["total"][members])] in found

    def test_centroid_pick_is_the_middle_row(self):
        angles = np.deg2rad([0, 10, 25, 60, 75, 85])
        latents = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        rows = {
            "total": np.float32([1, 2, 3, 4, 5, 6]),
            "mask": np.ones(6, bool),
            "ids": ids(6),
            "latents": latents.astype(np.float32),
            "pseudo_labels": np.zeros(6, int),
            "labeled_counts": np.array([0, 0]),
        }
        found = choose(rows, "kmeans", budget=2, pick="centroid")
        np.testing.assert_array_equal(found, [4, 1])

    def test_only_the_best_are_clustered(self):
        rows = pool()
        found = choose(rows, "kmeans", candidate_factor=2)
        best = np.argsort(-rows["total"])[: 2 * BUDGET]
        assert set(found) <= set(best)

    def test_masked_rows_have_no_influence(self):
        rows = pool()
        rows["mask"] = np.arange(NUM_ROWS) % 2 == 0
        other = pool(seed=5)
        mixed = dict(rows)
        for name in ("total", "latents", "pseudo_labels"):
            keep = rows["mask"].reshape(-1, *[1] * (rows[name].ndim - 1))
            mixed[name] = np.where(keep, rows[name], other[name])
        for diversity in DIVERSITIES:
            np.testing.assert_array_equal(
                choose(rows, diversity), choose(mixed, diversity)
            )

    def test_nothing_compiles_again(self):
        settings = list(itertools.product(DIVERSITIES, ["uniform", "complement"]))
        for diversity, quota in settings:
            choose(pool(), diversity, quota=quota)
        rows = pool(seed=7)
        rows["mask"] = np.arange(NUM_ROWS) > 11
        rows["labeled_counts"] = np.array([0, 30, 3])
        rows["pseudo_labels"] = np.minimum(rows["pseudo_labels"], 1)
        with jax.no_tracing():
            for diversity, quota in settings:
                valid(choose(rows, diversity, quota=quota), rows["mask"])

    @pytest.mark.parametrize("pick", ["centroid", "score"])
    def test_sizes_compiled_for_change_no_pick(self, pick, monkeypatch):
        # Class 0 lacks most of the labels, so that groups differ in size.
        rng = np.random.default_rng(3)
        rows = {
            "total": rng.normal(size=300).astype(np.float32),
            "mask": np.ones(300, bool),
            "ids": ids(300),
            "latents": rng.gamma(1.0, size=(300, 4)).astype(np.float32),
            "pseudo_labels": rng.integers(8, size=300),
            "labeled_counts": np.array([0, 9, 9, 9, 9, 9, 8, 7]),
        }
        options = {"budget": 33, "quota": "complement", "pick": pick}
        assert sizes(5, 33) == (9, 33)
        found = choose(rows, "balance_kmeans", **options)
        monkeypatch.setattr(constructions, "sizes", lambda share, budget: (budget,))
        np.testing.assert_array_equal(choose(rows, "balance_kmeans", **options), found)

    def test_sizes_reach_from_a_share_to_the_budget(self):
        assert sizes(10, 1000) == (16, 63, 250, 1000)
        assert sizes(1, 1) == (1,)
        assert sizes(10, 1000, number=3) == (40, 200, 1000)
        assert sizes(10, 100, number=3) == (25, 100)

    def test_the_options_name_them(self):
        literal, _ = get_args(get_type_hints(SelectConfig)["diversity"])
        assert list(get_args(literal)) == DIVERSITIES
