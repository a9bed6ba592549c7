"""What is told of a whole pool by its true labels: by hand, and against plain NumPy."""

import numpy as np
import pytest

from experiments import analysis


def test_cross_entropies_by_hand():
    logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]).astype(np.float32)
    found = analysis.cross_entropies(logits, np.array([1, 2]))
    np.testing.assert_allclose(found, [np.log(4), -np.log(0.8)], rtol=1e-6)
    steep = np.array([[1e4, 0.0]], np.float32)  # no overflow
    assert analysis.cross_entropies(steep, np.array([1])) == [1e4]


@pytest.mark.parametrize(
    ("score", "first", "mean"),
    [
        ([4, 3, 2, 1], 1, 1.0),
        ([4, 3, 2, 1], 2, 1.5),
        ([1, 2, 3, 4], 2, 6.0),
        ([9, 9, 9, 9], 2, 3.75),  # all tie: the mean of all
        ([9, 5, 5, 1], 2, (1 + 3) / 2),  # of 2 and 4 each counts half
        ([9, 5, 5, 1], 3, 7 / 3),
        ([np.inf, 0, -np.inf, 0], 1, 1.0),
        ([4, 3, 2, 1], 4, 3.75),
    ],
)
def test_means_of_what_a_score_puts_first(score, first, mean):
    values = np.array([1.0, 2.0, 4.0, 8.0])
    found = analysis.mean_of_first(values, np.array(score, float), first)
    assert found == pytest.approx(mean, abs=1e-12)


@pytest.mark.parametrize("first", [0, 5])
def test_rows_that_are_not_there_are_refused(first):
    with pytest.raises(ValueError, match="of 4 rows"):
        analysis.mean_of_first(np.ones(4), np.ones(4), first)


def test_labeled_rows_and_the_order_of_rows_have_no_say():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(30, 4)).astype(np.float32)
    labels, unlabeled = generator.integers(0, 4, 30), np.arange(30) % 3 > 0
    scores = {"coarse": generator.integers(0, 3, 30), "fine": generator.normal(size=30)}
    found = analysis.hardness(logits, labels, unlabeled, scores, 7)
    assert list(found) == ["coarse", "fine", "unlabeled"]
    moved = {name: np.where(unlabeled, s, 99) for name, s in scores.items()}
    wrong = np.where(unlabeled, labels, (labels + 1) % 4)
    assert analysis.hardness(logits, wrong, unlabeled, moved, 7) == found
    order = generator.permutation(30)
    turned = {name: score[order] for name, score in scores.items()}
    again = analysis.hardness(logits[order], labels[order], unlabeled[order], turned, 7)
    assert again == pytest.approx(found, rel=1e-12)
