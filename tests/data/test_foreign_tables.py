"""Tables and pictures as other programs write them: read rightly, or named."""

import json
import zlib

import numpy as np
import pytest
from images import pixels, save, world
from PIL import Image, PngImagePlugin

from gmmal_jax.data import sources
from gmmal_jax.errors import UserError

NFC, NFD = "caf\u00e9", "cafe\u0301"
ALIKE = {
    "form": (NFC, NFD),
    "zero width space": ("cat", "c\u200bat"),
    "soft hyphen": ("cat", "ca\u00adt"),
    "no-break space": ("big cat", "big\u00a0cat"),
    "two spaces": ("big cat", "big  cat"),
    "byte order mark": ("cat", "\ufeffcat"),
    "direction": ("cat", "cat\u200e"),
}


def table(tmp_path, text, name="t.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return f"manifest:{path}"


def said(name):
    with pytest.raises(UserError) as error:
        sources.load(name)
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("pair", ALIKE)
def test_labels_that_look_alike_are_named_with_their_lines(tmp_path, pair):
    world(tmp_path, {"a": 2, "b": 2})
    one, two = ALIKE[pair]
    labels = (one, "dog", two, "dog")
    files = ("a/000.png", "a/001.png", "b/000.png", "b/001.png")
    rows = "".join(f"{f},{x}\n" for f, x in zip(files, labels, strict=True))
    text = said(table(tmp_path, f"path,label\n{rows}"))
    pair = f"{ascii(one)} (line 2) and {ascii(two)} (line 4)"
    assert f"classes look the same: {pair}" in text


@pytest.mark.parametrize("pair", ["form", "zero width space", "no-break space"])
def test_folders_that_look_alike_are_named(tmp_path, pair):
    one, two = ALIKE[pair]
    world(tmp_path / "flat", {one: 3, two: 3, "dog": 3})
    assert "classes look the same" in said(f"folder:{tmp_path / 'flat'}")
    world(tmp_path / "parts" / "train", {one: 3, "dog": 3})
    world(tmp_path / "parts" / "test", {two: 3, "dog": 3})
    assert "classes look the same" in said(f"folder:{tmp_path / 'parts'}")


def test_labels_that_can_be_told_apart_stay_apart(tmp_path):
    names = ("x\u00b2", "x2", "Cat", "cat", "\u0430", "a")
    world(tmp_path, dict.fromkeys(names, 2))
    assert set(sources.load(f"folder:{tmp_path}").class_names) == set(names)


@pytest.mark.parametrize("head", ["path,label,label", "path, label,label ,split"])
def test_two_columns_of_one_name_are_refused(tmp_path, head):
    text = said(table(tmp_path, f"{head}\na/0.png,a,b,train\n"))
    assert "two columns of one name: 'label'" in text


def test_two_keys_of_one_name_are_refused(tmp_path):
    line = '{"path": "a/0.png", "label": "a", "label": "b"}'
    assert "two columns of one name: 'label'" in said(table(tmp_path, line, "t.jsonl"))


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_table_written_on_windows_is_read(tmp_path, ending):
    world(tmp_path / "p q", {"a": 4, "b": 4})
    files = sorted((tmp_path / "p q").rglob("*.png"))
    rows = [
        {"path": "\\".join(f.relative_to(tmp_path).parts), "label": f.parent.name}
        for f in files
    ]
    if ending == "csv":
        lines = ["path,label", *(f"{row['path']},{row['label']}" for row in rows)]
    else:
        lines = [json.dumps(row) for row in rows]
    found = sources.load(table(tmp_path, "\r\n".join(lines), f"t.{ending}"))
    assert len(found.train_labels) + len(found.test_labels) == 8
    assert found.skipped == ()


def test_a_name_with_a_backslash_of_its_own_is_read_as_it_is(tmp_path):
    world(tmp_path, {"a": 2, "b": 2})
    (tmp_path / "a" / "000.png").rename(tmp_path / "a\\000.png")
    rows = ("a\\000.png,a", "a/001.png,a", "b/000.png,b", "b/001.png,b")
    found = sources.load(table(tmp_path, "path,label\n" + "\n".join(rows)))
    assert found.skipped == () and len(found.train_labels) == 2


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ('a/000.png,"a', "line 3"),
        ('"a/000.png,a', "line 3"),
        ('"a/000.png"x,a', "line 3"),
        ('a/000.png,"a\nb/9.png,b"', "line 3"),
    ],
)
def test_a_stray_quote_names_its_line(tmp_path, bad, why):
    rows = ["path,label", "b/000.png,b", bad, "b/001.png,b", "a/001.png,a"]
    text = said(table(tmp_path, "\n".join(rows) + "\n"))
    assert f"t.csv: {why}: " in text and "quote" in text


@pytest.mark.parametrize("ending", ["jfif", "jpe", "JPE", "jpeg"])
def test_other_endings_of_jpeg_are_read(tmp_path, ending):
    for seed, name in enumerate("ab"):
        for number in range(3):
            picture = Image.fromarray(pixels(seed, 8, 8, 3))
            path = tmp_path / name / f"{number}.{ending}"
            path.parent.mkdir(exist_ok=True)
            picture.save(path, format="JPEG")
    found = sources.load(f"folder:{tmp_path}")
    assert len(found.train_labels) == 4 and found.skipped == ()


def stuffed(kind):
    """Metadata that Pillow refuses."""
    info = PngImagePlugin.PngInfo()
    large = "x" * (3 * PngImagePlugin.MAX_TEXT_CHUNK)
    if kind == "zTXt":
        info.add_text("note", large, zip=True)
    elif kind == "iTXt":
        info.add_itxt("note", large, zip=True)
    else:  # behind the pixels
        info.add(b"zTXt", b"note\0\0" + zlib.compress(large.encode()), after_idat=True)
    return {"pnginfo": info}


@pytest.mark.parametrize("kind", ["zTXt", "iTXt", "behind"])
def test_pixels_beside_oversized_metadata_are_read(tmp_path, kind):
    made = world(tmp_path, {"a": 2, "b": 2})
    save(tmp_path / "a" / "000.png", made["a"][0], **stuffed(kind))
    found = sources.load(f"folder:{tmp_path}")
    assert found.skipped == ()
    both = np.concatenate([found.train_images, found.test_images])
    assert made["a"][0].tobytes() in {image.tobytes() for image in both}
