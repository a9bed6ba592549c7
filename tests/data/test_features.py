"""Features as a data set: files, labels, what is broken, what is remembered."""

import numpy as np
import pytest

from gmmal_jax import bind, config as configs
from gmmal_jax.config.presets import preset
from gmmal_jax.data import sources, store
from gmmal_jax.data.sources import scan
from gmmal_jax.data.sources.arrays import UNKNOWN, UNUSABLE
from gmmal_jax.data.sources.features import Given
from gmmal_jax.errors import UserError

RNG = np.random.default_rng(0)
ROWS = RNG.normal(3, 2, (12, 4)).astype(np.float32)
CLASSES = np.arange(12) % 3


def load(path, **given):
    return sources.load(f"features:{path}", given=Given(**given))


@pytest.fixture
def file(tmp_path):
    np.save(tmp_path / "f.npy", ROWS)
    np.save(tmp_path / "labels.npy", CLASSES)
    return tmp_path / "f.npy"


def refused(path, line, **given):
    with pytest.raises(UserError) as error:
        load(path, **given)
    assert line in str(error.value) and "\n" not in str(error.value)


def test_an_array_and_an_archive_of_it_are_the_same_data(file, tmp_path):
    np.savez(tmp_path / "f.npz", x_train=ROWS, y_train=CLASSES)
    one, other = load(file), load(tmp_path / "f.npz")
    assert isinstance(one.train_images, np.memmap)
    assert one.checksum == other.checksum
    assert (one.mean, one.std, one.class_names) == (
        other.mean,
        other.std,
        ("0", "1", "2"),
    )
    np.testing.assert_array_equal(one.train_labels, other.train_labels)
    assert not one.pictures and len(one.test_labels) == 0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_numbers_of_every_width_are_read_in_float32_or_less(tmp_path, dtype):
    np.save(tmp_path / "f.npy", ROWS.astype(dtype))
    found = load(tmp_path / "f.npy")
    images = store.from_array(found.train_images)
    assert images.dtype == (np.float16 if dtype == np.float16 else np.float32)
    taken = images.read(np.array([3, 1]))
    assert taken.dtype == images.dtype and taken.dtype.isnative
    np.testing.assert_allclose(taken, ROWS[[3, 1]], rtol=2e-3)
    wide = ROWS.astype(dtype).astype(np.float64)
    np.testing.assert_allclose(found.mean, wide.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.std, wide.std(axis=0), rtol=1e-12)


def test_moments_of_blocks_are_those_of_all_rows(monkeypatch):
    rows = RNG.normal(1e4, 1.0, (1001, 3))
    whole = scan.scan(rows)
    monkeypatch.setattr(scan, "BLOCK_BYTES", 8 * 3 * 10)
    parts = scan.scan(rows)
    assert parts.digest == whole.digest
    # A sum of n squares of numbers of size m rounds to n eps m, relative to n std.
    eps = np.finfo(np.float64).eps
    np.testing.assert_allclose(parts.mean, rows.mean(axis=0), rtol=1001 * eps)
    np.testing.assert_allclose(parts.std, rows.std(axis=0), rtol=1001 * eps * 1e4)


def test_a_feature_that_says_nothing_is_divided_by_one(tmp_path):
    rows = ROWS.copy()
    rows[:, 1], rows[:, 2] = 0.1, 0
    np.save(tmp_path / "f.npy", rows)
    assert load(tmp_path / "f.npy").std[1:3] == (1.0, 1.0)


def test_an_id_keeps_its_spaces_unless_they_are_a_persons(file, tmp_path):
    names = [" cat/0.png", "cat/0.png", "dog/0.png ", *(f"{i}.png" for i in range(9))]
    (tmp_path / "ids.txt").write_text("".join(f"{name}\n" for name in names))
    (tmp_path / "labels.npy").unlink()
    rows = "".join(
        f"{name},{label}\n" for name, label in zip(names, "abc", strict=False)
    )
    (tmp_path / "labels.csv").write_text(f"id,label\n{rows}  8.png ,a\n")
    assert load(file).train_labels.tolist() == [0, 1, 2, *[UNKNOWN] * 8, 0]


def test_labels_of_a_table_by_id(file, tmp_path):
    (tmp_path / "ids.txt").write_text("".join(f"p{i}.png\n" for i in range(12)))
    (tmp_path / "t.csv").write_text("id,label\np3.png,dog\np0.png,cat\np5.png,\n")
    found = load(file, labels=str(tmp_path / "t.csv"))
    assert found.class_names == ("cat", "dog")
    assert found.train_labels.tolist() == [0, -1, -1, 1, *[UNKNOWN] * 8]


def test_ids_are_row_numbers_where_there_are_none(file, tmp_path):
    (tmp_path / "t.csv").write_text("id,label\n11,b\n2,a\n")
    found = load(file, labels=str(tmp_path / "t.csv"))
    assert np.flatnonzero(found.train_labels >= 0).tolist() == [2, 11]


def test_a_table_beside_wins_over_an_array_beside(file, tmp_path):
    (tmp_path / "labels.csv").write_text("id,label\n0,only\n1,two\n")
    assert load(file).class_names == ("only", "two")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("id,label\n12,a\n", "line 2, id: '12'; rows are numbered 0 to 11"),
        ("id,label\n1,a\n1,b\n", "it stands in line 2 already"),
        ("id;label\n1;a\n", "commas part them"),
        ("id,label\n1,a,b\n", "more values than columns"),
        ("", "no column: 'id'; the head is id,label"),
        ("\n\n", "no column: 'id'"),
        ("id,label\n1,a\n2,a \u200b\n", "look the same"),
    ],
)
def test_tables_that_cannot_be_right(file, tmp_path, text, line):
    (tmp_path / "t.csv").write_text(text)
    refused(file, line, labels=str(tmp_path / "t.csv"))


def test_files_that_cannot_be_right(tmp_path):
    np.save(tmp_path / "wide.npy", np.zeros((2, 3, 4), np.float32))
    refused(tmp_path / "wide.npy", "use [rows, features]")
    np.save(tmp_path / "whole.npy", np.zeros((2, 3), np.int64))
    refused(tmp_path / "whole.npy", "use float16, float32, float64")
    (tmp_path / "text.npy").write_text("no array")
    refused(tmp_path / "text.npy", "cannot be read")
    np.save(tmp_path / "objects.npy", np.array([{}, {}]), allow_pickle=True)
    refused(tmp_path / "objects.npy", "cannot be read")
    refused(tmp_path / "none.npy", "no such file")
    np.savez(tmp_path / "other.npz", features=ROWS)
    refused(tmp_path / "other.npz", "no array named: 'x_train'")
    np.savez(tmp_path / "half.npz", x_train=ROWS, x_test=ROWS)
    refused(tmp_path / "half.npz", "store both, or neither")
    np.savez(
        tmp_path / "narrow.npz", x_train=ROWS, y_train=CLASSES,
        x_test=ROWS[:, :2], y_test=CLASSES,
    )  # fmt: skip
    refused(tmp_path / "narrow.npz", "widths differ")


def test_ids_and_labels_that_do_not_fit(file, tmp_path):
    (tmp_path / "ids.txt").write_text("a\nb\n")
    refused(file, "ids: 2; give one a row: f.npy has 12")
    (tmp_path / "ids.txt").write_text("a\n" * 12)
    refused(file, "an id that comes twice: 'a'")
    (tmp_path / "ids.txt").unlink()
    np.save(tmp_path / "labels.npy", CLASSES[:5])
    refused(file, "use 12 integers, one a row")
    np.save(tmp_path / "labels.npy", CLASSES - 2)
    refused(file, "number classes from 0; -1: unknown")
    with pytest.raises(UserError, match="--labels: .*leave it out"):
        sources.load("digits", given=Given(labels="t.csv"))


def test_broken_rows_are_named_or_skipped(file):
    rows = ROWS.copy()
    rows[[4, 7], 2] = np.nan, np.inf
    np.save(file, rows)
    refused(file, "(2 such rows); row: 4; repair them, or leave such rows out")
    found = load(file, broken="skip")
    assert np.flatnonzero(found.train_labels == UNUSABLE).tolist() == [4, 7]
    assert [name for name, _ in found.skipped] == ["4", "7"]
    sound = np.delete(rows, [4, 7], axis=0)
    np.testing.assert_allclose(found.mean, sound.mean(axis=0), rtol=1e-6)
    np.save(file, np.full((3, 2), np.nan))
    np.save(file.with_name("labels.npy"), CLASSES[:3])
    refused(file, "(3 such rows)", broken="skip")


def test_float16_that_ran_over_says_so(file):
    rows = ROWS.astype(np.float16)
    rows[1, 1] = np.inf
    np.save(file, rows)
    refused(file, "float16 ends at 65504: write float32")


def config_of(path, **changes):
    small = {
        "dataset": f"features:{path}", "model": "linear", "learn": "ce",
        "query": "margin", "eval": "validation", "initial": 3, "budget": 2,
        "cycles": 2, "reference": "none", "train.steps": 2, "train.chunk_steps": 2,
    }  # fmt: skip
    return configs.replace(preset("digits"), **(small | changes))


def test_a_run_asks_no_broken_row_and_none_without_a_label(file, tmp_path):
    rows = ROWS.copy()
    rows[4, 2] = np.nan
    np.save(file, rows)
    config = config_of(file, **{"data.broken": "skip"})
    (split,) = bind.prepare(config, tmp_path / "r", 1).splits.values()
    held = {*split.pool.tolist(), *split.evaluation_rows.tolist()}
    assert 4 not in held and len(held) >= 8
    np.save(file.with_name("labels.npy"), np.where(CLASSES == 1, -1, CLASSES))
    with pytest.raises(UserError, match="rows without a label: 3; .*--labels"):
        bind.prepare(config, tmp_path / "r", 1)


@pytest.mark.parametrize("evaluation", ["test", "validation"])
def test_without_a_test_part_a_fifth_of_each_class_is_cut_off(tmp_path, evaluation):
    np.save(tmp_path / "f.npy", RNG.normal(size=(60, 4)).astype(np.float32))
    np.save(tmp_path / "labels.npy", np.arange(60) % 3)
    config = config_of(tmp_path / "f.npy", eval=evaluation, seeds=(0, 1))
    one, other = bind.prepare(config, tmp_path / "r", 1).splits.values()
    if evaluation == "test":
        assert np.bincount(one.evaluation_rows % 3).tolist() == [4, 4, 4]
        np.testing.assert_array_equal(one.evaluation_rows, other.evaluation_rows)
        assert len(one.pool) == 48
    else:
        # Of the 48 that are left, another part for each seed; the test part is let be.
        assert len(one.evaluation_rows) == 10 and len(one.pool) == 38
        assert set(one.evaluation_rows) != set(other.evaluation_rows)
    assert not set(one.evaluation_rows) & set(one.pool)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"model": "small"}, "it reads pictures, not features .4,.: use linear or mlp"),
        ({"learn": "vaal", "query": None}, "its VAE is for pictures"),
        ({"data.mean": (0.5,)}, "name one number a feature"),
    ],
)
def test_what_features_cannot_have(file, tmp_path, changes, line):
    with pytest.raises(UserError, match=line):
        bind.prepare(config_of(file, **changes), tmp_path / "r", 1)


def test_a_file_is_read_for_its_checksum_once(file, monkeypatch):
    first = load(file)
    calls = []
    whole = scan.scan
    monkeypatch.setattr(
        "gmmal_jax.data.sources.features.scan", lambda r: calls.append(r) or whole(r)
    )
    again = load(file, remembered=first.remember)
    assert not calls
    assert again.checksum == first.checksum and again.mean == first.mean
    np.save(file, ROWS + 1)
    changed = load(file, remembered=first.remember)
    assert calls and changed.checksum != first.checksum
