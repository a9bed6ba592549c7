"""Do 500 steps do where labels are many, and a subset of Reg for five of them?

    python -m experiments.features.steps --features FILE --work DIR

The whole pool of CIFAR-10, random queries, 100 to 10,000 labels, seeds 1000 and 1001;
validation data, a fifth of the training part. What steps.csv has is not run again.
"""

import argparse
from pathlib import Path
from typing import Any

from experiments.features import recipe

RESULTS = Path(__file__).with_name("steps.csv")
SIZES: dict[str, Any] = {"cycles": 4, "initial": 100, "budget": 3300}
TRIED: list[dict[str, Any]] = [
    {"learn": "ce", "train.steps": steps} | SIZES for steps in (500, 1000, 2000)
] + [
    {"learn": "reg", "train.steps": 500, "reg.refit_every": each} | SIZES
    for each in (1, 5)
]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/features_steps"))
    args = parser.parse_args()
    recipe.run(args.features, args.work, RESULTS, TRIED)
