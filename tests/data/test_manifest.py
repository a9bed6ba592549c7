"""Tables of pictures: columns, order, groups."""

import json

import numpy as np
import pytest
from images import pixels, save

from gmmal_jax.data import sources
from gmmal_jax.data.sources import cut
from gmmal_jax.errors import UserError


def write(path, rows, ending="\n", bom=""):
    """A table and a gray picture of one value for each of its rows."""
    for number, row in enumerate(rows):
        save(path.parent / row["path"], np.full((3, 3), number, np.uint8))
    if path.suffix == ".jsonl":
        lines = [json.dumps(row) for row in rows]
    else:
        columns = list(rows[0])
        lines = [",".join(columns)]
        lines += [",".join(str(row[name]) for name in columns) for row in rows]
    path.write_bytes((bom + ending.join([*lines, ""])).encode())
    return f"manifest:{path}"


def given(labels):
    """Rows whose last one of each label is the test part."""
    return [
        {"path": f"p/{i}.png", "label": label, "split": "test" if i > 3 else "train"}
        for i, label in enumerate(labels)
    ]


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.CSV"])
def test_rows_keep_the_order_of_the_table(tmp_path, name):
    labels = ["dog", "cat", "cat", "dog", "dog", "cat"]
    loaded = sources.load(write(tmp_path / name, given(labels)))
    assert loaded.class_names == ("cat", "dog")
    assert loaded.train_labels.tolist() == [1, 0, 0, 1]
    assert loaded.test_labels.tolist() == [1, 0]
    assert loaded.train_images[:, 0, 0, 0].tolist() == [0, 1, 2, 3]
    assert loaded.test_images[:, 0, 0, 0].tolist() == [4, 5]


def test_half_a_character_is_refused(tmp_path):
    name = write(tmp_path / "t.jsonl", given(["dog", "cat"] * 3))
    text = (tmp_path / "t.jsonl").read_text().replace("dog", "\\ud83d")
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(UserError, match="line 1, label: .*half a character"):
        sources.load(name)


def test_integers_are_sorted_as_numbers(tmp_path):
    csv = write(tmp_path / "a.csv", given([10, 9, 10, 9, 10, 9]))
    assert sources.load(csv).class_names == ("9", "10")
    jsonl = write(tmp_path / "a.jsonl", given([10, 9, 10, 9, 10, 9]))
    assert sources.load(jsonl).class_names == ("9", "10")
    mixed = write(tmp_path / "b.csv", given([10, "9a", 10, "9a", 10, "9a"]))
    assert sources.load(mixed).class_names == ("10", "9a")


def test_tables_of_spreadsheets(tmp_path):
    """A byte order mark, CRLF, blank lines, spaces, other columns, quotes."""
    rows = given(["a", "b", "a", "b", "a", "b"])
    plain = sources.load(write(tmp_path / "plain.csv", rows))
    marked = write(tmp_path / "marked.csv", rows, "\r\n", "\ufeff")
    assert sources.load(marked).checksum == plain.checksum
    text = "id, path ,label,split,\n\n"
    text += "".join(f'7,"{r["path"]}", {r["label"]} ,{r["split"]},\n' for r in rows)
    (tmp_path / "loose.csv").write_text(text)
    loaded = sources.load(f"manifest:{tmp_path / 'loose.csv'}")
    assert loaded.checksum == plain.checksum


def test_the_cut_is_that_of_a_folder(tmp_path):
    rows = [{"path": f"{c}/{i:02d}.png", "label": c} for c in "ab" for i in range(10)]
    table = sources.load(write(tmp_path / "in" / "t.csv", rows))
    (tmp_path / "in" / "t.csv").unlink()
    assert table.checksum == sources.load(f"folder:{tmp_path / 'in'}").checksum
    assert np.bincount(table.test_labels).tolist() == [2, 2]


def test_groups_are_not_parted(tmp_path):
    rows = [
        {"path": f"{i}.png", "label": "ab"[i % 2], "group": f"g{i // 5}"}
        for i in range(60)
    ]
    loaded = sources.load(write(tmp_path / "t.csv", rows))
    sides = [{v // 5 for v in x[:, 0, 0, 0].tolist()} for x in loaded[1:4:2]]
    assert not sides[0] & sides[1] and len(sides[1]) in (2, 3)
    assert 10 <= len(loaded.test_labels) <= 15
    assert np.bincount(loaded.test_labels, minlength=2).min() >= 4


def test_cut_comes_close_to_a_fifth_of_every_class():
    generator = np.random.default_rng(0)
    labels = generator.choice(4, 2000, p=[0.6, 0.3, 0.09, 0.01]).tolist()
    groups = generator.integers(0, 400, 2000).tolist()
    chosen = cut.test_part("here", labels, groups, list("abcd"))
    assert {g for g, c in zip(groups, chosen, strict=True) if c}.isdisjoint(
        g for g, c in zip(groups, chosen, strict=True) if not c
    )
    for label in range(4):
        members = np.asarray(labels) == label
        assert 0.15 <= chosen[members].mean() <= 0.25
    alone = cut.test_part("here", labels, [None] * 2000, list("abcd"))
    shares = [alone[np.asarray(labels) == label].mean() for label in range(4)]
    np.testing.assert_allclose(shares, 0.2, atol=0.02)


def test_the_cut_is_pinned():
    """It must never change, or old runs could not be compared with new ones."""
    chosen = cut.test_part("here", [0] * 10 + [1] * 5, [None] * 15, ["a", "b"])
    assert np.flatnonzero(chosen).tolist() == [2, 3, 11]


def test_image_size(tmp_path):
    table = write(tmp_path / "t.csv", given(["a", "b", "a", "b", "a", "b"]))
    save(tmp_path / "p" / "0.png", pixels(0, 5, 9))
    assert sources.load(table, image_size=3).train_images.shape == (4, 3, 3, 1)
