"""From what `gmmal embed` wrote to the files that the comparison reads.

    python -m experiments.features.data --train DIR --test DIR --out FILE
    python -m experiments.features.data --small FILE

DIR is a folder of `gmmal embed`, which knows no parts: pictures for training and for
testing are embedded one after the other. FILE is `cifar10_features.npz` and its like.
The second form writes the small file that `--check` reads: of the first 2,000 training
rows every fourth number, four fifths of the rows for training.
"""

import argparse
import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gmmal_jax.storage import files

CHECKED = Path(__file__).with_name("check.npz")
_ROWS, _EVERY, _TRAIN = 2000, 4, 1600


def join(train: Path, test: Path, out: Path) -> None:
    """Put two embedded folders with their labels into one .npz."""
    parts = {"train": _labeled(train), "test": _labeled(test)}
    named: dict[str, np.ndarray] = {}
    for name, (rows, labels) in parts.items():
        named |= {f"x_{name}": rows, f"y_{name}": labels}
    out.parent.mkdir(parents=True, exist_ok=True)
    _write(out, np.savez, named)


def _labeled(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Rows [n, d], and the class numbers [n] that the pictures came with."""
    rows = np.load(folder / "features.npy", mmap_mode="r")
    with (folder / "labels.csv").open() as file:
        known = {row["id"]: int(row["label"]) for row in csv.DictReader(file)}
    ids = (folder / "ids.txt").read_text().splitlines()
    return rows, np.array([known[name] for name in ids], np.int32)


def small(whole: Path) -> None:
    """Write the file that is committed."""
    with np.load(whole) as file:
        rows = np.ascontiguousarray(file["x_train"][:_ROWS, ::_EVERY])
        labels = file["y_train"][:_ROWS].astype(np.int32)
    named = {
        "x_train": rows[:_TRAIN], "y_train": labels[:_TRAIN],
        "x_test": rows[_TRAIN:], "y_test": labels[_TRAIN:],
    }  # fmt: skip
    _write(CHECKED, np.savez_compressed, named)


def _write(
    path: Path, save: Callable[..., None], arrays: dict[str, np.ndarray]
) -> None:
    buffer = io.BytesIO()
    save(buffer, **arrays)
    files.write_atomic(path, buffer.getvalue())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--small", type=Path)
    args = parser.parse_args()
    if args.small:
        small(args.small)
    else:
        join(args.train, args.test, args.out)
