"""The primary comparisons on features, fixed before the first run: all that gets a p.

Two questions, on CIFAR-10 balanced and imbalanced, on the paper's grid of labels and on
the small one, 12 seeds each:

- What does the paper's query win over others at equal training? All learn by
  cross-entropy, for the paper's query, too: its critic is trained beside the network
  and moves nothing of it. Each query builds its batch in its own way: gmm spreads its
  best rows over clusters within the seats of each predicted class (`balance_kmeans`);
  entropy and margin take the best; badge, coreset, typiclust and four_ds choose rows
  together; random draws. The cycles after the first query count: before, labels are
  the same.
- What do Reg and DA do at equal labels, chosen at random? Reg less cross-entropy, of
  as many steps; Reg and DA less Reg that goes on for as many steps on labeled batches
  alone (`reg_longer`). All cycles count.

Differences are within seeds, p of a t-test; Holm's procedure holds the chance of any
false finding among the 36 at 5 %. A world is shown once all its seeds are there; until
the last world is, p is Bonferroni's, 36 times its own. What is not named here is
exploratory: an interval, no p.
"""

from typing import Any

QUERY = "gmm"
OTHERS = ("random", "entropy", "margin", "badge", "coreset", "typiclust", "four_ds")
"""Queries that the paper's is compared with, under cross-entropy."""
LEARNER = "ce"
PLAIN = "random"
"""The query under which trainings are compared."""
TRAININGS = (("reg", LEARNER), ("reg_da", "reg_longer"))
"""A training, and the one of as many steps that it is compared with."""
SETTINGS = ("balanced", "imbalanced")
GRIDS = ("paper", "small")
SEEDS = tuple(range(12))
"""20 would take 25 hours of a core (measured, before any row was looked at)."""


def arm(query: str, learner: str = LEARNER) -> str:
    """How tables call a query with a training."""
    return f"{query} / {learner}"


def arms() -> dict[str, dict[str, Any]]:
    """The arms that are compared, by name: changes of a world's configuration."""
    pairs = [(query, LEARNER) for query in (QUERY, *OTHERS)]
    pairs += [(PLAIN, learner) for pair in TRAININGS for learner in pair]
    return {arm(*pair): {"query": pair[0], "learn": pair[1]} for pair in pairs}
