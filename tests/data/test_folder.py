"""Class folders, with and without a test part."""

import numpy as np
import pytest
from images import pixels, save, world

from gmmal_jax.data import sources
from gmmal_jax.errors import UserError


def test_given_parts_are_read_in_sorted_order(tmp_path):
    counts = {"b": 2, "B": 1, "a": 3}
    train = world(tmp_path / "train", counts)
    test = world(tmp_path / "test", {"b": 1, "B": 1, "a": 1}, seed=9)
    loaded = sources.load(f"folder:{tmp_path}")
    assert loaded.class_names == ("B", "a", "b")
    assert loaded.train_labels.tolist() == [0, 1, 1, 1, 2, 2]
    wanted = np.concatenate([train[name] for name in ("B", "a", "b")])
    np.testing.assert_array_equal(loaded.train_images, wanted)
    wanted = np.concatenate([test[name] for name in ("B", "a", "b")])
    np.testing.assert_array_equal(loaded.test_images, wanted)
    assert loaded.test_labels.dtype == np.int32 and loaded.skipped == ()


def test_file_names_are_sorted_by_code_point(tmp_path):
    for number, name in enumerate(("10.png", "2.PNG", "Z.png", "a.png")):
        save(tmp_path / "train" / "x" / name, np.full((3, 3), number, np.uint8))
    world(tmp_path / "train", {"y": 1}, (3, 3), channels=1)
    world(tmp_path / "test", {"x": 1, "y": 1}, (3, 3), channels=1)
    loaded = sources.load(f"folder:{tmp_path}")
    assert loaded.train_images[:4, 0, 0, 0].tolist() == [0, 1, 2, 3]


def test_equal_rows_make_equal_data_sets_from_npz_and_folder(tmp_path):
    train = world(tmp_path / "train", {"0": 4, "1": 5})
    test = world(tmp_path / "test", {"0": 2, "1": 1}, seed=9)
    np.savez(
        tmp_path / "same.npz",
        x_train=np.concatenate([*train.values()]), y_train=[0] * 4 + [1] * 5,
        x_test=np.concatenate([*test.values()]), y_test=[0, 0, 1],
    )  # fmt: skip
    folder = sources.load(f"folder:{tmp_path}")
    npz = sources.load(f"npz:{tmp_path / 'same.npz'}")
    assert folder.checksum == npz.checksum and folder.class_names == npz.class_names
    assert folder.mean == npz.mean and folder.std == npz.std


def test_without_a_test_part_a_fifth_of_each_class_is_cut(tmp_path):
    made = world(tmp_path, {"a": 20, "b": 5, "c": 2})
    loaded = sources.load(f"folder:{tmp_path}")
    assert np.bincount(loaded.test_labels).tolist() == [4, 1, 1]
    assert np.bincount(loaded.train_labels).tolist() == [16, 4, 1]
    again = sources.load(f"folder:{tmp_path}")
    assert again.checksum == loaded.checksum
    both = np.concatenate([loaded.train_images, loaded.test_images])
    everything = np.concatenate([*made.values()])
    assert {x.tobytes() for x in both} == {x.tobytes() for x in everything}
    # Rows keep their order within a part.
    place = {x.tobytes(): i for i, x in enumerate(everything)}
    places = [place[x.tobytes()] for x in loaded.train_images]
    assert places == sorted(places)


def test_what_is_no_picture_is_listed_and_clutter_is_not(tmp_path):
    world(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "a" / "Thumbs.db").write_text("")
    (tmp_path / "a" / ".hidden.png").write_text("")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("")
    (tmp_path / "b" / "more").mkdir()
    save(tmp_path / "loose.png", pixels(0, 6, 6, 3))
    (tmp_path / "b" / "bad.png").write_text("")
    found = dict(sources.load(f"folder:{tmp_path}").skipped)
    assert found == {
        str(tmp_path / "a" / "notes.txt"): "not named .png, .jpg, .jpeg, .jpe, .jfif",
        str(tmp_path / "b" / "more"): "a folder inside a class folder",
        str(tmp_path / "loose.png"): "not in a class folder",
        str(tmp_path / "b" / "bad.png"): "empty file",
    }


def test_image_size_is_for_pictures_only(tmp_path):
    world(tmp_path, {"a": 3, "b": 3})
    loaded = sources.load(f"folder:{tmp_path}", image_size=4)
    assert loaded.train_images.shape == (4, 4, 4, 3)
    with pytest.raises(UserError, match="--image-size: 4; leave it out"):
        sources.load("digits", image_size=4)
