"""TinyImageNet's published layout, with two classes."""

import numpy as np
import pytest
from images import save

from gmmal_jax.config.presets import preset
from gmmal_jax.data import sources
from gmmal_jax.errors import UserError


@pytest.fixture
def layout(tmp_path):
    root = tmp_path / "tiny-imagenet-200"
    for wnid, value in (("n02", 20), ("n01", 10)):
        for i in range(3):
            file = root / "train" / wnid / "images" / f"{wnid}_{i}.JPEG"
            save(file, np.full((8, 8, 3), value + i, np.uint8), format="JPEG")
    gray = root / "train" / "n01" / "images" / "n01_0.JPEG"
    save(gray, np.full((8, 8), 50, np.uint8), format="JPEG")
    for i in range(2):
        file = root / "val" / "images" / f"val_{i}.JPEG"
        save(file, np.full((8, 8, 3), 100 + i, np.uint8), format="JPEG")
    (root / "val" / "val_annotations.txt").write_text(
        "val_1.JPEG\tn02\t0\t0\t7\t7\nval_0.JPEG\tn01\t1\t1\t5\t5\n"
    )
    (root / "wnids.txt").write_text("n02\nn01\n")
    (root / "words.txt").write_text("n01\tgoldfish, Carassius\nn03\tnobody\n")
    return root


def test_the_published_layout(layout):
    loaded = sources.load(f"tiny_imagenet:{layout}")
    assert loaded.class_names == ("goldfish", "n02")
    assert loaded.train_labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert loaded.train_images[:, 4, 4].tolist() == [
        [50] * 3, [11] * 3, [12] * 3, [20] * 3, [21] * 3, [22] * 3,
    ]  # fmt: skip
    assert loaded.test_labels.tolist() == [1, 0]
    assert loaded.test_images[:, 0, 0, 0].tolist() == [101, 100]
    assert loaded.mean == (0.485, 0.456, 0.406) and loaded.std[2] == 0.225


def test_gray_pictures_alone_still_have_three_channels(layout):
    for file in layout.rglob("*.JPEG"):
        save(file, np.zeros((8, 8), np.uint8), format="JPEG")
    loaded = sources.load(f"tiny_imagenet:{layout}", image_size=4)
    assert loaded.train_images.shape == (6, 4, 4, 3)


def test_the_preset_is_found_with_a_path():
    config = preset("tiny_imagenet:/some/where")
    assert config.dataset == "tiny_imagenet:/some/where"
    assert (config.initial, config.budget) == (4000, 4000)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: (root / "wnids.txt").unlink(), "No such file.*wnids.txt"),
        (lambda root: (root / "wnids.txt").write_text("\n"), "wnids.txt: is empty"),
        (lambda root: (root / "wnids.txt").write_text("n02\nn01\nn09"), "n09/images"),
        (lambda root: (root / "words.txt").unlink(), "words.txt"),
        (
            lambda root: (root / "val" / "val_annotations.txt").unlink(),
            "val_annotations.txt",
        ),
        (
            lambda root: (root / "val" / "val_annotations.txt").write_text("x\tn77\n"),
            r"val_annotations.txt: line 1: 'x\\tn77'",
        ),
        (
            lambda root: (root / "val" / "val_annotations.txt").write_text(
                "val_0.JPEG\tn01\n"
            ),
            "no test pictures of class: 'n02'",
        ),
    ],
)
def test_a_layout_that_is_not_whole(layout, change, message):
    change(layout)
    with pytest.raises(UserError, match=message):
        sources.load(f"tiny_imagenet:{layout}")
