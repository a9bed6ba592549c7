"""How far the labeled latents have parted from the pool's: host numbers in float64."""

import numpy as np


def frechet(latents: np.ndarray, labeled: np.ndarray) -> float:
    """Fréchet distance of the two sets as Gaussians, in units of the pool's width.

    The root of |m_L - m_U|^2 + |s_L - s_U|^2 over means and standard deviations of
    the dimensions, divided by |s_U|: 0 where they are alike, 1 where they are as far
    apart as the pool is wide.

    Args:
      latents: [n, d].
      labeled: bool [n].
    """
    ours, rest = (latents[rows].astype(np.float64) for rows in (labeled, ~labeled))
    means = ours.mean(axis=0) - rest.mean(axis=0)
    widths = ours.std(axis=0) - rest.std(axis=0)
    apart = np.square(means).sum() + np.square(widths).sum()
    return float(np.sqrt(apart / rest.var(axis=0).sum()))


def spread(latents: np.ndarray, labeled: np.ndarray, classes: np.ndarray) -> float:
    """Variance within classes of the labeled latents over that of the unlabeled ones.

    Far below 1 where the network has drawn the labeled rows of a class together and
    not the others: the overfitting that the method is about.

    Args:
      latents: [n, d].
      labeled: bool [n].
      classes: int [n], the true ones of all rows.
    """
    ours, rest = (_within(latents[rows], classes[rows]) for rows in (labeled, ~labeled))
    return ours / rest


def _within(latents: np.ndarray, classes: np.ndarray) -> float:
    values = latents.astype(np.float64)
    _, place, counts = np.unique(classes, return_inverse=True, return_counts=True)
    sums = np.zeros((len(counts), values.shape[1]))
    np.add.at(sums, place, values)
    return float(np.square(values - (sums / counts[:, None])[place]).sum(1).mean())
