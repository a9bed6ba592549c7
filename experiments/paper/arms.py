"""The arms of the paper's tables and figures, by names of ours.

A name is a method's; or its query and, behind a bar, its learner; or what it changes,
behind a comma. Every method asks the whole pool: the paper does not say among how many
rows the baselines choose (`--preset official` has what their authors do).
"""

import itertools
from collections.abc import Iterable
from typing import Any

Changes = dict[str, Any]

ALPHAS = ("0.001", "0.0005", "0.0001", "0.00005", "0.00001")
"""Of Table 4, written as it writes them; the third is the paper's own."""
_OWN_ALPHA = "0.0001"
SCORES = ("likelihood_ratio", "critic", "entropy")
"""The three of the paper's query."""
LATENTS_ONLY = "gmm, critic of latents"

_METHODS = (
    "random", "coreset", "ll4al", "vaal", "snapshot", "ta_vaal", "core_gcn", "tod",
    "alfa_mix", "waal", "gmm", "ads", "cbal",
)  # fmt: skip
BASELINES = {
    "Random": "random",
    "CoreSet": "coreset",
    "LL4AL": "ll4al",
    "VAAL": "vaal",
    "Snapshot-AL": "snapshot",
    "TA-VAAL": "ta_vaal",
    "CoreGCN": "core_gcn",
    "TOD": "tod",
    "ALFA-Mix": "alfa_mix",
    "WAAL": "waal",
    "Proposed": "gmm",
}
"""Of Tables 5 to 12."""
AGAINST = tuple(("Proposed", name) for name in BASELINES if name != "Proposed")
"""Differences below these tables."""
DRAWN = {
    name: arm
    for name, arm in BASELINES.items()
    if name not in ("CoreSet", "LL4AL", "VAAL")
}
"""Of Figures 9 and 10: A.11 names those that only the tables have."""


def alpha(value: str) -> str:
    """The arm of a weight of Reg."""
    return "gmm" if value == _OWN_ALPHA else f"gmm, alpha {value}"


def pair(query: str, learner: str) -> str:
    """The arm of a query under a learner."""
    return f"{query} / {learner}"


def pairs(queries: Iterable[str], *learners: str) -> dict[str, Changes]:
    """Arms of queries, each under each learner."""
    return {
        pair(query, learner): {"learn": learner, "query": query}
        for query in queries
        for learner in learners
    }


def scored(scores: tuple[str, ...]) -> str:
    """The arm whose query fuses some of the scores, in their order."""
    return "gmm" if scores == SCORES else f"gmm, {' + '.join(scores)}"


SUBSETS = [
    subset
    for size in (1, 2, 3)
    for subset in itertools.combinations(SCORES, size)
]  # fmt: skip

ARMS: dict[str, Changes] = {
    **{name: {"method": name} for name in _METHODS},
    **pairs(("random", "alfa_mix", "ta_vaal"), "reg", "reg_da"),
    **{
        alpha(value): {"method": "gmm", "reg.alpha": float(value)}
        for value in ALPHAS
        if value != _OWN_ALPHA
    },
    **{
        scored(subset): {"method": "gmm", "fuse.scores": subset}
        for subset in SUBSETS
        if subset != SCORES
    },
    "gmm / ce": {"learn": "ce", "query": "gmm"},
    LATENTS_ONLY: {"method": "gmm", "da.inputs": "latents"},
    **{
        f"{method} with gmm": {"method": method, "infuse": "gmm"}
        for method in ("ta_vaal", "waal")
    },
}
"""Name -> changes of the world's configuration, by dotted field."""
