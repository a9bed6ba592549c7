"""What predictions on labeled rows tell: accuracy, recalls, calibration; host, float64.

Nothing here runs on a device: one readout of the evaluation part is enough for all.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy.special import log_softmax

BINS = 15
"""Of the calibration error, as in its source."""


class Recall(NamedTuple):
    """A class in the evaluation part.

    Attributes:
      label: the class.
      recall: share of its rows that are predicted as such, in [0, 1]; None where it
        has no row.
      support: its rows.
    """

    label: int
    recall: float | None
    support: int


class Measured(NamedTuple):
    """What an evaluation part tells of a network.

    Attributes:
      results: accuracy, mean recall over the classes that occur
        (`balanced_accuracy`), mean cross-entropy in nats (`test_loss`).
      calibration_error: see `calibration_error`.
      recalls: of every class.
    """

    results: dict[str, float]
    calibration_error: float
    recalls: list[Recall]


def measure(
    logits: Float[np.ndarray, "m c"], labels: Integer[np.ndarray, " m"]
) -> Measured:
    """All that is measured of a network on rows that it never trained on.

    Args:
      logits: [m, c], m >= 1.
      labels: [m], each in [0, c).
    """
    right = logits.argmax(axis=1) == labels
    recalls = _recalls(right, labels, logits.shape[1])
    log_p = log_softmax(logits.astype(np.float64), axis=1)
    known = [each.recall for each in recalls if each.recall is not None]
    results = {
        "accuracy": float(right.astype(np.float64).mean()),
        "balanced_accuracy": float(np.mean(known)),
        "test_loss": float(-log_p[np.arange(len(labels)), labels].mean()),
    }
    error = calibration_error(np.exp(log_p.max(axis=1)), right)
    return Measured(results, error, recalls)


def calibration_error(
    confidences: Float[np.ndarray, " m"], right: Bool[np.ndarray, " m"]
) -> float:
    """Expected calibration error: |accuracy - confidence|, bin by bin.

    Rows fall into 15 bins of equal width by their confidence; a bin (low, high] counts
    by its share of the rows.

    Args:
      confidences: [m], probability of the predicted class, in (0, 1].
      right: [m], whether the prediction is the label.

    Returns:
      In [0, 1]; 0: a network that is right as often as it says.

    Source: Guo et al., On Calibration of Modern Neural Networks, 2017, equation 3.
    """
    edges = np.linspace(0, 1, BINS + 1)[1:-1]
    bins = np.searchsorted(edges, confidences, side="left")
    gaps = np.bincount(bins, right - confidences.astype(np.float64), BINS)
    return float(np.abs(gaps).sum() / len(confidences))


def class_entropy(counts: Integer[np.ndarray, " c"]) -> float:
    """Entropy in nats of class shares (Figure 11b).

    Args:
      counts: [c], rows of each class, not all 0.
    """
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _recalls(right: np.ndarray, labels: np.ndarray, num_classes: int) -> list[Recall]:
    correct = right.astype(np.float64)
    found = []
    for label in range(num_classes):
        own = correct[labels == label]
        recall = float(own.mean()) if len(own) else None
        found.append(Recall(label, recall, len(own)))
    return found
