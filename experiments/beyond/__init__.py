"""What reviewers asked for and the paper lacks: a file a question, by a command each.

    python -m experiments gains --scale cpu

The machinery is that of the paper's tables and figures (`experiments.paper`), and so is
full scale: the paper's data sets, network, steps and labels. Rows of arms that its
tables have are theirs. Which values are compared stands in the files, fixed before any
of them was run.
"""

NAMES = (
    "gains",
    "queries",
    "controls",
    "quotas",
    "semi_supervised",
    "unseen_classes",
    "minor_classes",
    "scores",
    "mixtures",
    "components",
    "weights",
    "budgets",
    "warm_start",
    "refreshes",
)
"""Modules of this package that are experiments, in the order of `all`."""
