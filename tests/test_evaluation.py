"""Recalls and the calibration error beside plain NumPy in float64, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from gmmal_jax import evaluation
from gmmal_jax.evaluation import Recall

LOGITS = hnp.arrays(np.float32, (12, 4), elements=st.floats(-30, 30, width=32))
LABELS = hnp.arrays(np.int32, 12, elements=st.integers(0, 3))


def guo(confidences, right):
    """Equation 3, bin by bin."""
    total, edges = 0.0, np.linspace(0, 1, 16)
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        own = (confidences > low) & (confidences <= high)
        if own.any():
            gap = abs(right[own].mean() - confidences[own].mean())
            total += own.mean() * gap
    return total


def test_an_example_by_hand():
    """0.95 twice, once right: 0.45 apart; 0.62 twice, both right: 0.38; 0.3 wrong."""
    confidences = np.array([0.95, 0.95, 0.62, 0.62, 0.3])
    right = np.array([True, False, True, True, False])
    found = evaluation.calibration_error(confidences, right)
    assert found == pytest.approx((2 * 0.45 + 2 * 0.38 + 0.3) / 5, abs=1e-15)


def test_a_bin_holds_its_upper_end_and_all_that_is_certain_is_in_the_last():
    right = np.array([True, False])
    edge = np.linspace(0, 1, 16)[7]
    apart, above = (
        np.array([edge, np.nextafter(edge, 1)]),
        np.array([edge, edge - 0.01]),
    )
    assert evaluation.calibration_error(apart, right) == pytest.approx(0.5)
    gap = abs(0.5 - above.mean())
    assert evaluation.calibration_error(above, right) == pytest.approx(gap)
    certain = evaluation.calibration_error(np.ones(4), np.arange(4) > 0)
    assert certain == pytest.approx(0.25)


@settings(deadline=None, max_examples=50)
@given(LOGITS, LABELS)
def test_equals_plain_numpy(logits, labels):
    found = evaluation.measure(logits, labels)
    exps = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    shares, predicted = exps / exps.sum(axis=1, keepdims=True), logits.argmax(axis=1)
    right = predicted == labels
    recalls = [
        (predicted[labels == k] == k).mean() if (labels == k).any() else None
        for k in range(4)
    ]
    assert [each.recall for each in found.recalls] == recalls
    assert [each.support for each in found.recalls] == np.bincount(
        labels, minlength=4
    ).tolist()
    assert found.results["accuracy"] == right.mean()
    known = [recall for recall in recalls if recall is not None]
    assert found.results["balanced_accuracy"] == np.mean(known)
    # A confidence at a bin's edge may fall on either side of it by rounding.
    confidences = shares.max(axis=1)
    edges = np.linspace(0, 1, 16)
    if np.abs(confidences[:, None] - edges[1:-1]).min() > 1e-12:
        expected = guo(confidences, right)
        assert found.calibration_error == pytest.approx(expected, abs=1e-12)


def test_a_class_without_rows_has_no_recall():
    logits, labels = np.eye(3, dtype=np.float32)[[0, 2, 2, 0]], np.array([0, 2, 0, 0])
    assert evaluation.measure(logits, labels).recalls == [
        Recall(0, pytest.approx(2 / 3), 3), Recall(1, None, 0), Recall(2, 1.0, 1),
    ]  # fmt: skip


def test_who_is_right_as_often_as_he_says_has_hardly_an_error():
    """And who claims 0.1 more than that is off by as much."""
    generator = np.random.default_rng(0)
    shares = generator.uniform(0.5, 0.9, 40_000)
    right = generator.random(len(shares)) < shares
    # 7 bins in use: an error of about 0.8 standard deviations of a mean in each.
    bound = 2 * np.sqrt(0.25 * 7 / len(shares))
    assert evaluation.calibration_error(shares, right) < bound
    claimed = evaluation.calibration_error(shares + 0.1, right)
    assert claimed == pytest.approx(0.1, abs=bound)
    exact = np.full(8, 0.75), np.arange(8) % 4 > 0
    assert evaluation.calibration_error(*exact) == 0


def test_logits_without_bounds_are_certain():
    logits = np.float32([[3e38, -3e38], [-3e38, 3e38]])
    found = evaluation.measure(logits, np.array([0, 0]))
    assert found.calibration_error == 0.5 and found.recalls[1].recall is None
