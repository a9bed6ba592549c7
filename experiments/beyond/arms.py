"""The arms that the paper has not, beside those of its tables.

Names are made as `experiments.paper.arms` makes them.
"""

from experiments.paper import arms
from experiments.paper.arms import Changes

BETAS = ("0", "10")
"""Weights of DA, beside the paper's 1."""
MORE_ALPHAS = ("0", "0.01")
"""Weights of Reg beside Table 4's: none, and ten times its largest."""
INTERVALS = (1, 50)
"""Steps of stage 1 that share a subset of Reg."""


COMMON = {"Entropy": "entropy", "Margin": "margin", "BADGE": "badge"}
"""Queries that the paper leaves out, by the names of a table."""


def beta(value: str) -> str:
    """The arm of a weight of DA."""
    return f"gmm, beta {value}"


def refitted(steps: int) -> str:
    """The arm of Reg whose subset serves so many steps."""
    return f"random / reg, {steps} a subset"


_RANDOM: Changes = {"query": "random"}
_GMM: Changes = {"method": "gmm"}
OWN: dict[str, Changes] = {
    "random / ce longer": _RANDOM | {"learn": "reg_longer", "reg.alpha": 0.0},
    "random / reg_longer": _RANDOM | {"learn": "reg_longer"},
    "random / pool forward": _RANDOM | {"learn": "reg_da", "da.beta": 0.0},
    **arms.pairs(COMMON.values(), "reg_da"),
    "gmm, no quotas": _GMM | {"select.diversity": "kmeans"},
    "random / reg_da, quotas": _RANDOM
    | {"learn": "reg_da", "select.diversity": "balance"},
    **arms.pairs(("random", "gmm"), "fixmatch"),
    "gmm, likelihood_ratio twice": _GMM | {"fuse.weights": (2.0, 1.0, 1.0)},
    "gmm, rank product": _GMM | {"fuse.by": "rank_product"},
    "gmm, spherical": _GMM | {"gmm.covariance": "spherical"},
    "gmm, exact EM": _GMM | {"gmm.mode": "exact"},
    **{arms.alpha(value): _GMM | {"reg.alpha": float(value)} for value in MORE_ALPHAS},
    **{beta(value): _GMM | {"da.beta": float(value)} for value in BETAS},
    **{
        f"{method}, continued": {"method": method, "train.init": "continue"}
        for method in ("random", "gmm")
    },
    **{
        refitted(steps): _RANDOM | {"learn": "reg", "reg.refit_every": steps}
        for steps in INTERVALS
    },
}
"""Name -> changes of the world's configuration, by dotted field."""
ARMS = arms.ARMS | OWN
"""Of all experiments."""
CONTROLS = {"gmm": beta("0"), "random / reg_da": "random / pool forward"}
"""An arm with DA -> the same without it, of as many steps and images."""
