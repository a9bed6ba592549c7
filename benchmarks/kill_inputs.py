"""What `kill_and_resume.py` packs and embeds: small pictures and a small encoder."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

_SIDE, _WIDTH = 8, 16


def pack(root: Path) -> Callable[[Path], list[str]]:
    """`gmmal datasets pack` of 6,000 images and 1,000 to test with, of 48 x 48."""
    generator, path = np.random.default_rng(0), root / "images.npz"
    parts = {"train": 6000, "test": 1000}
    images = {
        f"x_{part}": generator.integers(0, 256, (num, 48, 48, 3), np.uint8)
        for part, num in parts.items()
    }
    labels = {f"y_{part}": np.arange(num) % 10 for part, num in parts.items()}
    np.savez(path, **images, **labels)
    return lambda folder: ["datasets", "pack", f"npz:{path}", "--out", str(folder)]


def embed(root: Path) -> Callable[[Path], list[str]]:
    """`gmmal embed` of 1,000 PNG files by a matrix."""
    from PIL import Image

    generator, pictures = np.random.default_rng(0), root / "pictures"
    for number in range(1000):
        path = pictures / f"class-{number % 4}/{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = generator.integers(0, 256, (_SIDE, _SIDE, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    encoder = _encoder(root / "encoder.onnx", generator)
    return lambda folder: [
        "embed", "--images", str(pictures), "--encoder", f"onnx:{encoder}",
        "--out", str(folder / "features.npy"), "--workers", "1",
    ]  # fmt: skip


def _encoder(path: Path, generator: np.random.Generator) -> Path:
    """Pixels times a matrix, as an ONNX file."""
    from onnx import TensorProto, helper, numpy_helper

    def value(name: str, shape: list[str | int]) -> object:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    weights = generator.normal(size=(3 * _SIDE**2, _WIDTH)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("MatMul", ["flat", "matrix"], ["y"]),
        ],
        "matrix",
        [value("x", ["n", 3, _SIDE, _SIDE])],
        [value("y", ["n", _WIDTH])],
        [numpy_helper.from_array(weights, "matrix")],
    )
    opset = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    said = {
        "name": "matrix", "trained_on": "nothing", "mean": [0.5] * 3, "std": [0.5] * 3,
        "size": _SIDE, "interpolation": "bilinear", "crop": 1.0,
    }  # fmt: skip
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in said.items()}
    helper.set_model_props(model, texts)
    path.write_bytes(model.SerializeToString())
    return path
