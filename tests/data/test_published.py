"""The published data sets themselves, where this machine has them.

GMMAL_PUBLISHED names a folder with fashion_mnist's four files and CIFAR packed beside
a `load.py` and a `verify.py` that rebuild its pickles bit for bit.
"""

import hashlib
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from gmmal_jax.data.prepare import cifar_names, originals

BESIDE = Path(__file__).parents[3] / "shared" / "data"
FOLDER = Path(os.environ.get("GMMAL_PUBLISHED", BESIDE))


@pytest.fixture
def packed(monkeypatch):
    if not (FOLDER / "load.py").exists():
        pytest.skip(f"no published data sets in {FOLDER}; GMMAL_PUBLISHED names them")
    monkeypatch.syspath_prepend(str(FOLDER))
    import load
    import verify

    yield load, verify
    for name in ("load", "verify"):
        sys.modules.pop(name)


def test_fashion_mnist(packed):
    found = originals.read("fashion_mnist", [FOLDER / "fashion_mnist"])
    stored = packed[0].load("fashion_mnist")
    for part in ("train", "test"):
        np.testing.assert_array_equal(found[part].images, stored[f"{part}_images"])
        labels = found[part].labels["label"]
        np.testing.assert_array_equal(labels, stored[f"{part}_labels"])


@pytest.mark.parametrize(
    ("name", "file", "label"),
    [("cifar10", "test_batch", "labels"), ("cifar100", "test", "fine_labels")],
)
def test_cifar(packed, monkeypatch, name, file, label):
    load, verify = packed
    original = originals.ORIGINALS[name]
    monkeypatch.setitem(verify.MD5, name, {file: None})
    [(_, content)] = verify.originals(name)
    assert hashlib.md5(content).hexdigest() == original.md5[file]
    part = original.read([content])
    images, members = load.read_zip(FOLDER / name / f"{file}.zip")
    np.testing.assert_array_equal(part.images, images)
    assert part.labels["label"].tolist() == list(members["labels"])
    names = {"cifar10": cifar_names.CIFAR10, "cifar100": cifar_names.CIFAR100}
    assert list(names[name]) == load.LABELS[name]
