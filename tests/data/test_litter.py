"""Folders as people have them: litter, damaged files, pipes, parts without classes."""

import csv
import os
import shutil

import numpy as np
import pytest
from images import save, world

from gmmal_jax.data import sources
from gmmal_jax.errors import UserError

LITTER = (
    "__MACOSX", "@eaDir", ".ipynb_checkpoints", "#recycle", "$RECYCLE.BIN", ".git",
    "lost+found", "__pycache__",
)  # fmt: skip


def load(path, kind="folder"):
    return sources.load(f"{kind}:{path}")


@pytest.mark.parametrize("litter", LITTER)
@pytest.mark.parametrize("parted", [False, True])
def test_litter_is_no_class_at_any_level(tmp_path, litter, parted):
    roots = [tmp_path / part for part in ("train", "test")] if parted else [tmp_path]
    for seed, root in enumerate(roots):
        world(root, {"a": 5, "b": 5}, seed=seed)
    clean = load(tmp_path)
    for root in {tmp_path, *roots}:
        for place in (root, *(root / name for name in ("a", "b") if root in roots)):
            save(place / litter / "x.png", np.zeros((3, 3), np.uint8))
            save(place / litter / "deep" / "y.png", np.zeros((3, 3), np.uint8))
    found = load(tmp_path)
    assert found.class_names == ("a", "b") and found.checksum == clean.checksum
    assert found.skipped == ()


@pytest.mark.parametrize(
    "names",
    [("test", "train"), ("Test", "Training"), ("train", "val"), ("dev", "test")],
)
def test_parts_without_class_folders_are_no_classes(tmp_path, names):
    world(tmp_path, dict.fromkeys(names, 4))
    with pytest.raises(UserError) as error:
        load(tmp_path)
    said = str(error.value)
    assert f"no class folders in {names[0]}/ and {names[1]}/" in said
    assert "train/CLASS" in said and "\n" not in said


def test_a_class_may_be_called_train(tmp_path):
    world(tmp_path, {"train": 4, "tram": 4})
    assert load(tmp_path).class_names == ("train", "tram")


def test_litter_in_train_is_no_class_of_it(tmp_path):
    world(tmp_path, {"train": 4, "test": 4})
    save(tmp_path / "train" / "@eaDir" / "x.png", np.zeros((3, 3), np.uint8))
    with pytest.raises(UserError, match="no class folders in test/ and train/"):
        load(tmp_path)


def spoil(path, how):
    content = path.read_bytes()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "no picture":
        path.write_bytes(b"not a picture at all")
    else:  # its header is whole: only its pixels give it away
        path.write_bytes(content[: len(content) // 2])


def manifest(folder, path):
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "label"])
        for picture in sorted(folder.rglob("*.png")):
            rows.writerow([picture.relative_to(path.parent), picture.parent.name])


@pytest.mark.parametrize("how", ["empty", "no picture", "truncated"])
@pytest.mark.parametrize("kind", ["folder", "manifest"])
def test_files_that_cannot_be_read_decide_no_split(tmp_path, how, kind):
    """Whichever one of a class of five is damaged, the other four are read."""
    shape = (40, 40)  # long enough to lose pixels and keep the header
    world(tmp_path / "p", {"a": 5, "b": 5}, shape)
    where = tmp_path / "p" if kind == "folder" else tmp_path / "table.csv"
    for number in range(5):
        shutil.copytree(tmp_path / "p", tmp_path / "whole")
        damaged = sorted((tmp_path / "p" / "a").iterdir())[number]
        spoil(damaged, how)
        manifest(tmp_path / "p", tmp_path / "table.csv")
        found = load(where, kind)
        counts = np.bincount(np.r_[found.train_labels, found.test_labels])
        assert counts.tolist() == [4, 5]
        assert np.bincount(found.test_labels).tolist() == [1, 1]
        assert [path for path, _ in found.skipped] == [str(damaged)]
        damaged.unlink()  # as if it had never been there
        manifest(tmp_path / "p", tmp_path / "table.csv")
        assert load(where, kind).checksum == found.checksum
        shutil.rmtree(tmp_path / "p")
        (tmp_path / "whole").rename(tmp_path / "p")


def test_a_class_that_is_damaged_but_for_one_is_said_so(tmp_path):
    world(tmp_path, {"a": 5, "b": 5}, (40, 40))
    for path in sorted((tmp_path / "a").iterdir())[1:]:
        spoil(path, "truncated")
    with pytest.raises(UserError, match="no test part can be cut .* class: 'a'"):
        load(tmp_path)
    spoil(next((tmp_path / "a").iterdir()), "empty")
    for path in (tmp_path / "a").iterdir():
        spoil(path, "empty")
    with pytest.raises(UserError, match="no readable training pictures of class: 'a'"):
        load(tmp_path)


@pytest.mark.parametrize("kind", ["folder", "manifest"])
def test_a_pipe_among_the_pictures_is_passed_over(tmp_path, kind):
    world(tmp_path / "p", {"a": 5, "b": 5})
    os.mkfifo(tmp_path / "p" / "a" / "pipe.png")
    (tmp_path / "p" / "b" / "null.png").symlink_to("/dev/zero")
    (tmp_path / "p" / "b" / "nowhere.png").symlink_to(tmp_path / "gone")
    manifest(tmp_path / "p", tmp_path / "table.csv")
    found = load(tmp_path / ("p" if kind == "folder" else "table.csv"), kind)
    assert len(found.train_labels) + len(found.test_labels) == 10
    reasons = {os.path.basename(path): why for path, why in found.skipped}
    assert reasons["pipe.png"] == reasons["null.png"] == "no regular file"
    assert len(reasons) == 3


@pytest.mark.parametrize("kind", ["folder", "manifest", "npz", "tiny_imagenet"])
@pytest.mark.parametrize("ending", ["", ".csv", ".jsonl", ".npz"])
def test_a_pipe_in_place_of_the_data_is_refused(tmp_path, kind, ending):
    os.mkfifo(tmp_path / f"pipe{ending}")
    with pytest.raises(UserError, match="a pipe or a device"):
        load(tmp_path / f"pipe{ending}", kind)


def test_a_pipe_in_place_of_a_list_is_refused(tmp_path):
    os.mkfifo(tmp_path / "wnids.txt")
    with pytest.raises(UserError, match="no regular file"):
        load(tmp_path, "tiny_imagenet")
