"""Files with some of their bytes changed: read, or refused in one line; nothing else.

Whoever opens a file that came from elsewhere opens whatever was put into it.
"""

import contextlib
import io
import json
import zipfile

import numpy as np
import pytest
from examples import examples
from hypothesis import event, given, strategies as st
from PIL import Image

from gmmal_jax.cli import run as cli_run
from gmmal_jax.config.presets import preset
from gmmal_jax.data import sources
from gmmal_jax.encoders import inputs
from gmmal_jax.errors import UserError
from gmmal_jax.storage import checkpoint, records, run_folder
from gmmal_jax.types import struct

ROWS = 12
IMAGES = np.random.default_rng(0).integers(0, 255, (ROWS, 4, 4, 3), np.uint8)
LABELS = np.arange(ROWS) % 3
FOUR = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES, "y_test": LABELS}
FEATURES = np.random.default_rng(1).normal(size=(ROWS, 5)).astype(np.float32)


def edited(draw, content):
    """Some bytes set, cut off, left out, doubled or put in."""
    content = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        if not content:
            break
        at = draw(st.integers(0, len(content) - 1))
        kind = draw(st.sampled_from(["set", "cut", "drop", "double", "put"]))
        size = draw(st.integers(1, 16))
        if kind == "set":
            content[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
        elif kind == "cut":
            del content[at:]
        elif kind == "drop":
            del content[at : at + size]
        elif kind == "double":
            content[at:at] = content[at : at + size]
        else:
            content[at:at] = draw(st.binary(min_size=1, max_size=size))
    return bytes(content)


def npz(folder, save=np.savez):
    save(folder / "a.npz", **FOUR)
    return folder / "a.npz", lambda: sources.load(f"npz:{folder / 'a.npz'}")


def packed_npz(folder):
    return npz(folder, np.savez_compressed)


def streamed_npz(folder):
    path, _ = npz(folder, np.savez_compressed)

    def read():
        found = inputs.find(str(path))
        return [len(batch) for batch in found.batches(0, 5)]

    return path, read


def npy(folder):
    for field, array in FOUR.items():
        np.save(folder / f"{field}.npy", array)
    return folder / "x_train.npy", lambda: sources.load(f"npy:{folder}")


def npy_labels(folder):
    return folder / "y_test.npy", npy(folder)[1]


def features(folder):
    np.save(folder / "f.npy", FEATURES)
    return folder / "f.npy", lambda: sources.load(f"features:{folder / 'f.npy'}")


def features_npz(folder):
    np.savez(folder / "f.npz", x_train=FEATURES, y_train=LABELS)
    return folder / "f.npz", lambda: sources.load(f"features:{folder / 'f.npz'}")


def labels_csv(folder):
    _, read = features(folder)
    rows = "".join(f"{i},class {i % 3}\n" for i in range(ROWS))
    (folder / "labels.csv").write_text(f"id,label\n{rows}")
    return folder / "labels.csv", read


def labels_npy(folder):
    _, read = features(folder)
    np.save(folder / "labels.npy", LABELS)
    return folder / "labels.npy", read


def ids_txt(folder):
    _, read = features(folder)
    (folder / "ids.txt").write_text("".join(f"picture {i}\n" for i in range(ROWS)))
    return folder / "ids.txt", read


def pictures(folder):
    for label in "ab":
        (folder / label).mkdir()
        for i in range(4):
            Image.fromarray(IMAGES[i]).save(folder / label / f"{i}.png")
    Image.fromarray(IMAGES[0]).save(folder / "a/0.jpg")
    return folder


def png(folder):
    pictures(folder)
    return folder / "a/1.png", lambda: sources.load(f"folder:{folder}", None, 4)


def jpeg(folder):
    pictures(folder)
    return folder / "a/0.jpg", lambda: sources.load(f"folder:{folder}", None, 4)


def manifest(folder, suffix="csv"):
    pictures(folder)
    lines = [(f"{label}/{i}.png", label) for label in "ab" for i in range(4)]
    path = folder / f"m.{suffix}"
    if suffix == "csv":
        text = "path,label\n" + "".join(f"{name},{c}\n" for name, c in lines)
    else:
        text = "".join(json.dumps({"path": n, "label": c}) + "\n" for n, c in lines)
    path.write_text(text)
    return path, lambda: sources.load(f"manifest:{path}", None, 4)


def manifest_jsonl(folder):
    return manifest(folder, "jsonl")


def config(folder):
    body = {"config": {"dataset": "digits", "query": "gmm"}, "label": "gmm"}
    body |= {"streams": 1, "versions": {"jax": "0"}, "data": {"checksum": "0"}}
    run_folder.write_config(folder, body)

    def read():
        saved = run_folder.read_config(folder)
        return run_folder.saved_config(folder, saved)

    return folder / "config.json", read


def config_option(folder):
    from gmmal_jax import config as configs

    path = folder / "c.json"
    path.write_text(json.dumps({"config": configs.to_dict(preset("digits"))}))
    return path, lambda: cli_run.configuration({"config": [str(path)]})


def record(folder):
    results = {"labeled": 10, "accuracy": 0.5}
    records.write(folder, records.Record(0, 0, results, [], [], {}, {}))
    path = next(folder.glob("records/**/*.json"))
    return path, lambda: records.load(folder)


def arrays(folder):
    records.write_arrays(folder, 0, 0, latents=FEATURES)
    path = next(folder.glob("records/**/*.npz"))
    return path, lambda: records.load_arrays(folder, 0, 0)


def state(folder, pattern="state/**/*"):
    tree = {"w": np.ones((3, 2), np.float32)}
    saved = checkpoint.save(folder, "step-1", tree, {"position": [0, 1]})
    path = max(
        (p for p in saved.glob(pattern) if p.is_file()), key=lambda p: p.stat().st_size
    )
    form = {"w": struct((3, 2), np.float32)}

    def read():
        found = checkpoint.restore_latest_good(folder, form)
        assert found.state is None or (found.state["w"] == 1).all()

    return path, read


def state_manifest(folder):
    return state(folder, checkpoint.MANIFEST)


READERS = [
    npz, packed_npz, streamed_npz, npy, npy_labels, features, features_npz, labels_csv,
    labels_npy, ids_txt, png, jpeg, manifest, manifest_jsonl, config, config_option,
    record, arrays, state, state_manifest,
]  # fmt: skip


@pytest.fixture(params=READERS, ids=lambda make: make.__name__)
def reader(request, tmp_path_factory):
    """A file as it should be, its bytes, and who reads it."""
    make = request.param
    path, read = make(tmp_path_factory.mktemp(make.__name__))
    read()
    return path, path.read_bytes(), read


@examples(25)
@given(data=st.data())
def test_any_bytes_are_read_or_refused_in_a_line(reader, data):
    path, whole, read = reader
    content = edited(data.draw, whole)
    path.write_bytes(content)
    try:
        read()
        event("read")
    except UserError as error:
        event("refused")
        assert len(str(error).splitlines()) == 1, str(error)
    finally:
        with contextlib.suppress(OSError):
            path.write_bytes(whole)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '|u1', 'fortran_order': False, 'shape': (12, 4, 4, 3 }",
        "{'descr': '|u1', 'fortran_order: False, 'shape': (12, 4, 4, 3), }",
        "{'descr': '|u1', \0 }",
        "\t{'descr': $ '''",
    ],
)
def test_a_header_that_numpy_cannot_parse_is_refused_in_a_line(header, tmp_path):
    path, read = streamed_npz(tmp_path)
    buffer = io.BytesIO()
    np.save(buffer, IMAGES)
    whole, size = buffer.getvalue(), 118
    damaged = whole[:10] + header.ljust(size - 1).encode() + b"\n" + whole[10 + size :]
    assert len(damaged) == len(whole)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", damaged)
    with pytest.raises(UserError, match="cannot be read") as refused:
        read()
    assert len(str(refused.value).splitlines()) == 1


def test_names_with_control_characters_are_escaped(tmp_path):
    (tmp_path / "m.csv").write_bytes(b"path,label\n\x00\x0b0.png,a\n")
    with pytest.raises(UserError, match=r"\\x00\\x0b0\.png") as refused:
        sources.load(f"manifest:{tmp_path / 'm.csv'}", None, 4)
    assert len(str(refused.value).splitlines()) == 1
    assert str(UserError("é: no\u2028such", "ü")) == "é: no\\u2028such: 'ü'"
