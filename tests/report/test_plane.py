"""Rows that t-SNE dies of are refused; whatever else is finite makes a map."""

import numpy as np
import pytest

from gmmal_jax.errors import UserError
from gmmal_jax.report import plane


def rows(num=24, dims=6, seed=0):
    values = np.random.default_rng(seed).normal(size=(num, dims))
    return values.astype(np.float32)


def changed(place, value):
    values = rows()
    values[place] = value
    return values


REFUSED = {
    "zeros": (np.zeros((24, 6), np.float32), "all latents are equal"),
    "constant": (np.full((24, 6), 3.7, np.float32), "all latents are equal"),
    "large constant": (np.full((3000, 6), 1e30, np.float32), "all latents are equal"),
    "constant columns": (np.tile(rows(1), (24, 1)), "all latents are equal"),
    "no columns": (np.zeros((24, 0), np.float32), "all latents are equal"),
    "nan": (changed((3, 1), np.nan), "not finite: 1"),
    "infinite": (changed([4, 5], -np.inf), "not finite: 2"),
    "few": (rows(4), "rows: 4"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_map_is_one_line(name):
    values, said = REFUSED[name]
    with pytest.raises(UserError, match=said):
        plane.embed(values)


DRAWN = {
    "plain": rows(),
    "huge": rows() * np.float32(1e30),
    "tiny": rows() * np.float32(1e-30),
    "denormal": rows() * np.float32(1e-42),
    "far from 0": rows() + np.float32(1e5),
    "one differs": np.eye(24, 6, dtype=np.float32) * (np.arange(24) == 0)[:, None],
    "differs by a digit": np.nextafter(changed(0, 1) * 0 + 1, 2, dtype=np.float32)
    * np.where(np.arange(24) == 0, np.float32(1 + 2**-22), np.float32(1))[:, None],
    "two points": np.repeat(rows(2), 12, axis=0),
    "one column": rows(dims=1),
    "five rows": rows(5),
}


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_finite_and_not_all_equal_is_drawn(name):
    points = plane.embed(DRAWN[name])
    assert points.shape == (len(DRAWN[name]), 2)
    assert np.isfinite(points).all() and np.ptp(points) > 0
