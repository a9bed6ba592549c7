"""pseudo_label: its weight rises in a line; one view is labeled and learned."""

import numpy as np
import pytest
from rounding import sums_of

from gmmal_jax.config import PseudoLabelConfig, TrainConfig
from gmmal_jax.learners import pseudo_label
from gmmal_jax.testing import worlds

TRAIN = TrainConfig(steps=10, chunk_steps=1, batch_size=8, learning_rate=0.05)


def chunks(**changes):
    learner = pseudo_label.make(worlds.network(), TRAIN, PseudoLabelConfig(**changes))
    found = worlds.cycle(*worlds.world(learner, chunk=1))[1]
    return learner, [chunk.metrics["semi_supervised"] for chunk in found]


def test_the_weight_rises_in_a_line_and_stays():
    learner, steps = chunks(threshold=0.0, weight=3.0, ramp=0.4, ratio=2)
    assert learner.phases[0].inputs[:2] == (8, 16) and len(steps) == 10
    found = [
        (step["loss"] - step["cross_entropy"]) / step["pseudo_label"] for step in steps
    ]
    wanted = np.minimum(np.arange(10) / 4, 1) * 3
    # Taken back out of a sum of two terms.
    size = [step["loss"] / step["pseudo_label"] for step in steps]
    assert (np.abs(found - wanted) <= sums_of(4) * np.asarray(size)).all()


@pytest.mark.parametrize(("threshold", "share"), [(0.0, 1.0), (0.999, 0.0)])
def test_only_labels_above_the_threshold_are_learned(threshold, share):
    first = chunks(threshold=threshold)[1][0]
    assert first["confident"] == share
    assert (first["pseudo_label"] > 0) == (share > 0)
