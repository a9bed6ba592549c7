"""ONNX files as encoders: what they say of their input, and which are refused."""

import encoder_files
import numpy as np
import pytest
from onnx import TensorProto, helper

from gmmal_jax.encoders import onnx_file
from gmmal_jax.encoders.base import BATCH, Wanted
from gmmal_jax.errors import UserError

PICTURES = {"x": ["n", 3, "h", "w"]}


def load(path, **wanted):
    return onnx_file.load(str(path), Wanted(**wanted))


def test_the_metadata_say_how_the_input_is_made(tmp_path):
    path, matrix = encoder_files.linear(tmp_path / "e.onnx")
    encoder = load(path)
    assert encoder.name == "tiny" and encoder.trained_on == "nothing"
    assert encoder.form == (8, "bilinear", 1.0, encoder_files.MEAN, encoder_files.STD)
    assert (encoder.batch, encoder.width) == (BATCH, 5)
    assert encoder.runtime.startswith("onnxruntime ")
    rows = np.random.default_rng(0).normal(size=(BATCH, 3, 8, 8)).astype(np.float32)
    got = encoder.run(rows)
    want = rows.reshape(BATCH, -1).astype(float) @ matrix
    # A sum of 192 products in float32.
    size = np.abs(rows.reshape(BATCH, -1)) @ np.abs(matrix)
    assert got.dtype == np.float32
    assert np.all(np.abs(got - want) <= 193 * np.finfo(np.float32).eps * size)


def test_what_is_wanted_wins(tmp_path):
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ]
    path = encoder_files.write(tmp_path / "e.onnx", nodes, PICTURES, {"y": ["n", 3]})
    wanted = {"size": 5, "crop": 0.5, "mean": (0.0,) * 3, "std": (1.0,) * 3}
    assert load(path, **wanted).form == (5, "bilinear", 0.5, (0.0,) * 3, (1.0,) * 3)


def test_a_fixed_batch_and_size_are_kept(tmp_path):
    path = encoder_files.of_node(
        tmp_path / "e.onnx", "Flatten", {"x": [4, 3, 8, 8]}, {"y": [4, 192]},
        {key: encoder_files.METADATA[key] for key in ("mean", "std")},
    )  # fmt: skip
    encoder = load(path)
    assert encoder.batch == 4 and encoder.form.size == 8 and encoder.name == "e"
    assert encoder.form.interpolation == "bicubic" and encoder.form.crop == 1
    assert encoder.trained_on is None
    with pytest.raises(UserError, match="--size: 9; leave it out: e.onnx takes 8"):
        load(path, size=9)


def test_weights_beside_the_file_count(tmp_path):
    path, _ = encoder_files.linear(tmp_path / "e.onnx")
    before = load(path).sha256
    (tmp_path / "e.onnx.data").write_bytes(b"weights")
    assert load(path).sha256 != before


def test_no_onnx_model(tmp_path):
    with pytest.raises(UserError, match="no such file: .*e.onnx'; check the path"):
        load(tmp_path / "e.onnx")
    (tmp_path / "e.onnx").write_bytes(b"not a model")
    with pytest.raises(UserError, match="no ONNX model that onnxruntime can read"):
        load(tmp_path / "e.onnx")


@pytest.mark.parametrize(
    ("kind", "inputs", "outputs", "message"),
    [
        ("Add", PICTURES | {"z": ["n", 3, "h", "w"]}, {"y": ["n", 3, "h", "w"]},
         "has 2 inputs where one is used: 'x, z'"),
        ("Split", PICTURES, {"y": ["n", 3, "h", "w"], "z": ["n", 3, "h", "w"]},
         "has 2 outputs where one is used: 'y, z'"),
        ("Flatten", {"x": ["n", 1, "h", "w"]}, {"y": ["n", "d"]},
         "export it for float32 pictures"),
        ("Flatten", {"x": ["n", "h", "w", 3]}, {"y": ["n", "d"]},
         "export it for float32 pictures"),
        ("Flatten", {"x": ["n", 3, 8, 9]}, {"y": ["n", "d"]}, "export it for squares"),
        ("Relu", PICTURES, {"y": ["n", 3, "h", "w"]},
         r"gives \[n, 3, 8, 8\] where an encoder gives \[n, d\]; export it with its "),
        ("Reshape", PICTURES, {"y": ["a", "b"]}, "has 2 inputs|no ONNX model"),
    ],
)  # fmt: skip
def test_models_that_are_no_encoder(kind, inputs, outputs, message, tmp_path):
    path = encoder_files.of_node(tmp_path / "e.onnx", kind, inputs, outputs)
    with pytest.raises(UserError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_pictures_of_whole_numbers_are_no_input(tmp_path):
    node = helper.make_node("Flatten", ["x"], ["y"])
    path = encoder_files.write(
        tmp_path / "e.onnx", [node], PICTURES, {"y": ["n", "d"]}, kind=TensorProto.UINT8
    )
    with pytest.raises(UserError, match="export it for float32 pictures"):
        load(path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("mean", None, "tiny|e.onnx does not say its mean; give it with --mean"),
        ("std", None, "does not say its std; give it with --std"),
        ("size", None, "does not say its size; give it with --size"),
        ("mean", "0.5 0.5 0.5", "metadata mean: '0.5 0.5 0.5'; write three numbers"),
        ("mean", "[0.5]", r"mean: \(0.5,\); use three numbers"),
        ("mean", "[0.5, 1, NaN]", "use three numbers"),
        ("std", "[0.5, 0, 1]", "use three numbers above 0"),
        ("size", "large", "metadata size: 'large'; write a number"),
        ("size", "0", "size: 0; use 1 to 4096"),
        ("crop", "1.5", r"crop: 1.5; use a share in \(0, 1\]"),
        ("interpolation", "cubic", "did you mean bicubic?"),
        ("size", "9", r"cannot run on pictures of size: 9; choose another with --size"),
    ],
)
def test_metadata_that_cannot_be_used(key, value, message, tmp_path):
    path, _ = encoder_files.linear(tmp_path / "e.onnx", **{key: value})
    with pytest.raises(UserError, match=message) as caught:
        load(path)
    assert "\n" not in str(caught.value)
