"""A test part for data that comes without one."""

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

from gmmal_jax.errors import UserError

TEST_SHARE = 0.2


def test_part(
    where: str,
    labels: Sequence[int],
    groups: Sequence[Hashable | None],
    names: Sequence[str],
) -> np.ndarray:
    """Choose the rows of the test part: 20 % of each class, whole groups.

    The choice depends on labels and groups alone, and never on a run's seed, so all
    seeds and methods are tested on the same rows. It is our own and not
    scikit-learn's, whose draws may change with its version.

    Args:
      where: the file or folder, for errors.
      labels: [n], indices of names.
      groups: [n], what must not be parted; None: a row of its own.
      names: one a class.

    Returns:
      bool [n].

    Raises:
      UserError: a class cannot have both a training and a test image.
    """
    members: dict[Hashable, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(("row", row) if group is None else group, []).append(row)
    units = list(members.values())
    order = np.random.default_rng(0).permutation(len(units))
    # Large groups first: small ones then make up what is left.
    shuffled = sorted((units[i] for i in order), key=len, reverse=True)
    total = Counter(labels)
    wanted = {label: max(1.0, TEST_SHARE * n) for label, n in total.items()}
    taken: Counter[int] = Counter()
    chosen = np.zeros(len(labels), bool)
    for unit in shuffled:
        classes = Counter(labels[row] for row in unit)
        after = {label: taken[label] + n for label, n in classes.items()}
        change = sum(
            ((after[label] - wanted[label]) ** 2 - (taken[label] - wanted[label]) ** 2)
            / wanted[label]
            for label in classes
        )
        if change < 0 and all(after[label] < total[label] for label in classes):
            taken.update(classes)
            chosen[unit] = True
    for label in sorted(total):
        if not taken[label]:
            remedy = "it needs two or more, not all of one group, or a test part"
            what = f"{where}: no test part can be cut from the images of class"
            raise UserError(what, names[label], remedy)
    return chosen
