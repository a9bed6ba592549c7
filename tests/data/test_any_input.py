"""Random folder trees and tables: right answers or one line, and nothing else.

Every picture is painted with a number of its own, so an answer shows which files it
read. What is right is told here from the paths alone.
"""

import csv
import io
import json
import tempfile
from pathlib import Path

import numpy as np
from examples import examples
from hypothesis import event, given, strategies as st
from images import save

from gmmal_jax.data import sources
from gmmal_jax.errors import UserError

CLASSES = ("cat", "dog", "Train", "7", "a b", "caf\u00e9")
PARTS = ("train", "test")
LITTER = ("__MACOSX", "@eaDir", ".ipynb_checkpoints", ".hidden")
FILES = {
    "picture": ("p{}.png", "p{}.PNG", "p{}.jpeg", "p{}.bmp.png"),
    "damaged": ("d{}.png", "d{}.jpg"),
    "empty": ("e{}.png",),
    "other": ("notes{}.txt", "Thumbs.db", ".DS_Store", ".p{}.png"),
}
SIDE = 5


def paint(path, number):
    """A gray picture whose pixels are its number, so that JPEG keeps it."""
    save(path, np.full((SIDE, SIDE), number, np.uint8))


@st.composite
def trees(draw):
    """Files of a tree: (parts of the path, kind)."""
    depths = st.lists(
        st.sampled_from((*PARTS, *CLASSES, *LITTER)), min_size=0, max_size=3
    )
    kinds = st.sampled_from((*["picture"] * 5, "damaged", "empty", "other"))
    usual = st.builds(
        lambda parts, name, more: [*parts, name, *more],
        st.sampled_from(([], ["train"], ["test"])),
        st.sampled_from(CLASSES[:3]),
        st.sampled_from(([], [], [], [], ["deep"])),
    )
    place = st.one_of(usual, usual, usual, depths)
    return draw(st.lists(st.tuples(place, kinds, st.integers(0, 3)), max_size=24))


@st.composite
def whole(draw):
    """Trees as people have them, and a few files that do not belong."""
    parts = draw(st.sampled_from(([[]], [["train"], ["test"]])))
    names = draw(
        st.lists(st.sampled_from(CLASSES), min_size=2, max_size=3, unique=True)
    )
    files = [
        ([*part, name], "picture", draw(st.integers(0, 3)))
        for part in parts
        for name in names
        for _ in range(draw(st.sampled_from((1, 2, 2, 3, 3))))
    ]
    return files + draw(trees())[: draw(st.integers(0, 4))]


def build(root, tree):
    """Write it; number -> path of its readable pictures."""
    made = {}
    for number, (parts, kind, which) in enumerate(tree):
        names = FILES[kind]
        path = root.joinpath(*parts, names[which % len(names)].format(number))
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "picture":
            paint(path, 10 * number)
            made[number] = path
        else:
            path.write_bytes(b"" if kind == "empty" else b"\x89PNG no picture")
    return made


def read(found):
    """(number of the picture, name of its class, is it in the test part)."""
    for images, labels, out in (
        (found.train_images, found.train_labels, False),
        (found.test_images, found.test_labels, True),
    ):
        for image, label in zip(images, labels, strict=True):
            yield round(float(image.mean()) / 10), found.class_names[label], out


def expected(root, made):
    """(class, part) of every picture that lies where pictures are looked for."""
    parted = any(
        (path.relative_to(root).parts[0] == "train") and len(path.parts) > 0
        for path in root.glob("train/*/")
        if path.is_dir() and path.name[0] != "." and path.name not in LITTER
    )
    right = {}
    for number, path in made.items():
        parts = path.relative_to(root).parts
        inner = parts[1:] if parted else parts
        if parted and parts[0] not in PARTS:
            continue
        if len(inner) != 2 or inner[0][0] == "." or inner[0] in LITTER:
            continue
        if inner[-1][0] == ".":
            continue
        right[number] = (inner[0], parts[0] == "test" if parted else None)
    return right


@examples(150)
@given(st.one_of(*[whole()] * 4, trees()))
def test_any_folder_is_read_rightly_or_refused(tree):
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "pictures"
        root.mkdir()
        made = build(root, tree)
        try:
            found = sources.load(f"folder:{root}")
        except UserError as error:
            assert str(error) and "\n" not in str(error)
            event("refused")
            return
        event("read")
        right = expected(root, made)
        answers = list(read(found))
        assert sorted(number for number, *_ in answers) == sorted(right)
        for number, label, out in answers:
            wanted, part = right[number]
            assert label == wanted and part in (None, out)
        passed_over = {path for path, _ in found.skipped}
        for number in set(made) - set(right):
            parts = made[number].relative_to(root).parts
            litter = any(p[0] == "." or p in LITTER for p in parts)
            inside = any(str(made[number]).startswith(path) for path in passed_over)
            assert litter or inside, made[number]


LABELS = st.sampled_from(
    ("cat", "dog", "7", " cat", "a,b", 'q"x', "caf\u00e9", "", "c\u200bat")
)
SPLITS = st.sampled_from(("train", "test", "", "Train"))


@st.composite
def tables(draw):
    """Rows of a table, how it is written, and what is wrong with it."""
    clean = draw(st.booleans())
    labels = LABELS
    if clean:
        labels = st.sampled_from(
            draw(st.sampled_from((("cat", "dog"), ("a,b", 'q"x'))))
        )
    splits = st.just("") if clean else draw(st.sampled_from((st.just(""), SPLITS)))
    rows = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "file": st.integers(0, 9),
                    "label": labels,
                    "split": splits,
                    "group": st.sampled_from(("", "", "", "", "g1", "g2")),
                }
            ),
            min_size=0 if not clean else 6,
            max_size=14,
        )
    )
    if clean or draw(st.booleans()):
        rows = list({row["file"]: row for row in rows}.values())
    columns = draw(st.permutations(("path", "label", "split", "group", "note")))
    damage = draw(st.sampled_from((None, None, "quote", "short", "long", "tail")))
    form = draw(st.sampled_from(("csv", "jsonl", "bom", "windows")))
    return rows, columns, None if clean else damage, form


def write(path, rows, columns, damage, form):
    records = [
        {"path": f"p/{row['file']}.png", "note": "", **row, "file": None}
        for row in rows
    ]
    if form == "windows":
        for record in records:
            record["path"] = record["path"].replace("/", "\\")
    if form == "jsonl":
        text = "".join(
            json.dumps({c: record[c] for c in columns}) + "\n" for record in records
        )
    else:
        out = io.StringIO()
        table = csv.DictWriter(out, columns, extrasaction="ignore")
        table.writeheader()
        table.writerows(records)
        text = out.getvalue()
    text = {
        "quote": text + '"', "short": text.rstrip("\r\n")[:-3], "long": text + ",,,,,,",
        "tail": text + "\n\n", None: text,
    }[damage]  # fmt: skip
    path.write_bytes(text.encode("utf-8-sig" if form == "bom" else "utf-8"))


@examples(150)
@given(tables())
def test_any_table_is_read_rightly_or_refused(case):
    rows, columns, damage, form = case
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for number in range(8):  # the last two are not there
            paint(root / "p" / f"{number}.png", 10 * number)
        path = root / ("t.jsonl" if form == "jsonl" else "t.csv")
        write(path, rows, columns, damage, form)
        try:
            found = sources.load(f"manifest:{path}")
        except UserError as error:
            assert str(error) and "\n" not in str(error)
            event("refused")
            return
        event("read")
        right = {row["file"]: row for row in rows if row["file"] < 8}
        if damage == "short":  # its end may have been a part of a name
            right.pop(rows[-1]["file"], None)
        answers = list(read(found))
        numbers = [number for number, *_ in answers]
        assert len(set(numbers)) == len(numbers)
        assert set(right) <= set(numbers) <= {row["file"] for row in rows}
        for number, label, out in answers:
            if number not in right:
                continue
            row = right[number]
            assert label == row["label"].strip()
            assert not row["split"] or out == (row["split"] == "test")
        groups = {}
        for number, _, out in answers:
            group = right.get(number, {}).get("group")
            if group:
                assert groups.setdefault(group, out) == out
