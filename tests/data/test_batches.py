import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from gmmal_jax.data import batches


def rng(number):
    return np.random.default_rng(number)


@given(
    num=st.integers(1, 12),
    batch=st.integers(1, 9),
    cut=st.integers(0, 6),
)
@settings(max_examples=60, deadline=None)
def test_epochs_are_whole_and_chunks_join(num, batch, cut):
    members = np.arange(num) * 3
    whole = batches.Epochs(members, rng).rows(0, 12, batch)
    assert whole.shape == (12, batch)
    joined = [
        batches.Epochs(members, rng).rows(first, steps, batch)
        for first, steps in ((0, cut), (cut, 12 - cut))
        if steps
    ]
    np.testing.assert_array_equal(np.concatenate(joined), whole)
    stream = whole.ravel()
    for epoch in range(len(stream) // num):
        part = stream[epoch * num : (epoch + 1) * num]
        np.testing.assert_array_equal(np.sort(part), members)


def test_balanced_subset_has_equal_seats():
    labels = np.array([0] * 30 + [1] * 3 + [2] * 1 + [-1] * 20)
    rows, mask = batches.balanced_rows(labels, 4, rng, 5, 3, 40)
    assert rows.shape == mask.shape == (3, 40)
    for step_rows, step_mask in zip(rows, mask, strict=True):
        drawn = labels[step_rows[step_mask]]
        assert np.bincount(drawn, minlength=4).tolist() == [10, 10, 10, 0]
        first = step_rows[:10]
        assert len(set(first.tolist())) == 10  # enough rows: none twice
        counts = np.bincount(step_rows[10:20])[30:33]
        assert sorted(counts.tolist()) == [3, 3, 4]
    later, _ = batches.balanced_rows(labels, 4, rng, 6, 2, 40)
    np.testing.assert_array_equal(later, rows[1:])
    assert not np.array_equal(rows[0], rows[1])


@pytest.mark.parametrize("devices", [1, 2, 8])
def test_shares_keep_the_global_order_and_mask_padding(devices):
    indices = np.arange(200).reshape(2, 100)
    rows = batches.share(indices, np.ones((2, 100), bool), devices)
    share = -(-100 // devices)
    assert rows.indices.shape == (2, devices, share)
    flat = rows.indices.reshape(2, -1)
    np.testing.assert_array_equal(flat[:, :100], indices)
    assert rows.mask.reshape(2, -1)[:, :100].all()
    assert not rows.mask.reshape(2, -1)[:, 100:].any()
