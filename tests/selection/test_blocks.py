"""Rows block by block against all at once."""

import numpy as np
import pytest

from gmmal_jax.selection import blocks

ROWS = 103
"""Divided by no size of a block here: the last one reaches back."""


@pytest.fixture(params=[1, 7, 64, ROWS])
def small_blocks(request, monkeypatch):
    """Blocks of so many rows of 2 x 5 numbers each."""
    monkeypatch.setattr(blocks, "_MOST", 0)
    monkeypatch.setattr(blocks, "_BLOCK", 10 * request.param)


def points():
    return np.random.default_rng(0).normal(size=(ROWS, 5)).astype(np.float32)


def test_a_function_of_rows_is_the_same_in_blocks(small_blocks):
    z, more = points(), np.arange(ROWS)
    found = blocks.by_blocks(lambda rows, n: rows * n[:, None], (z, more), 10)
    np.testing.assert_array_equal(found, z * np.float32(more)[:, None])


def test_rows_are_centered_once_each(small_blocks):
    z = points()
    order = np.random.default_rng(1).permutation(ROWS)[:90]
    mask = np.arange(90) < 80
    z[order[85]] = np.nan  # masked out: it reaches nothing
    rows = np.where(mask[:, None], z[order], 0)
    expected = rows - rows[:80].mean(axis=0)
    found = blocks.centered_rows(z, order, mask)
    # 80 summands of up to 4, rounded once each.
    np.testing.assert_allclose(found, expected, atol=80 * 4 * 2.0**-24)
