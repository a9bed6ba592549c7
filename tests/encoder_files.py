"""Tiny encoders as ONNX files, made here."""

import json

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from gmmal_jax.encoders import efficientnet_lite

MEAN, STD = (0.5, 0.25, 0.125), (0.5, 0.25, 0.75)
METADATA = {
    "name": "tiny",
    "trained_on": "nothing",
    "mean": json.dumps(MEAN),
    "std": json.dumps(STD),
    "size": "8",
    "interpolation": "bilinear",
    "crop": "1.0",
}


def write(
    path,
    nodes,
    inputs,
    outputs,
    constants=(),
    metadata=METADATA,
    kind=TensorProto.FLOAT,
):
    """An ONNX file; inputs and outputs are {name: shape}."""

    def values(shapes):
        return [
            helper.make_tensor_value_info(name, kind, shape)
            for name, shape in shapes.items()
        ]

    stored = [numpy_helper.from_array(array, name) for name, array in constants]
    graph = helper.make_graph(nodes, "g", values(inputs), values(outputs), stored)
    opset = [helper.make_opsetid("", 13)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    helper.set_model_props(model, dict(metadata))
    path.write_bytes(model.SerializeToString())
    return path


def linear(path, width=5, side=8, gain=1.0, batch="n", **metadata):
    """Pixels [n, 3, side, side] times a matrix: (file, matrix [3 side side, width]).

    A value None takes a key out of the metadata.
    """
    shape = (3 * side * side, width)
    matrix = (gain * np.random.default_rng(1).normal(size=shape)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["y"]),
    ]
    kept = {k: v for k, v in (METADATA | metadata).items() if v is not None}
    write(
        path, nodes, {"x": [batch, 3, "h", "w"]}, {"y": [batch, width]},
        [("matrix", matrix)], kept,
    )  # fmt: skip
    return path, matrix


def of_node(path, kind, inputs, outputs, metadata=METADATA, **attributes):
    """A model of a single node."""
    node = helper.make_node(kind, list(inputs), list(outputs), **attributes)
    return write(path, [node], inputs, outputs, (), metadata)


def reference(pixels, matrix):
    """What `linear` gives for uint8 [n, 8, 8, 3], in float64."""
    scaled = (pixels / 255.0 - np.array(MEAN)) / np.array(STD)
    return scaled.transpose(0, 3, 1, 2).reshape(len(pixels), -1) @ matrix.astype(float)


KERNELS = (3, 3, 5, 3, 5, 5, 3)


def narrow_weights():
    """EfficientNet-Lite0's weights by its package's names, with few channels."""
    generator = np.random.default_rng(0)
    weights = {}

    def convolution(conv, norm, entry, out, kernel):
        fan = entry * kernel * kernel
        shape = (out, entry, kernel, kernel)
        weights[f"{conv}.weight"] = generator.normal(size=shape) / np.sqrt(fan)
        for name in ("weight", "running_var"):
            weights[f"{norm}.{name}"] = generator.uniform(0.5, 2, out)
        for name in ("bias", "running_mean"):
            weights[f"{norm}.{name}"] = generator.normal(size=out) / 4

    convolution("_conv_stem", "_bn0", 3, 4, 3)
    entry, number = 4, 0
    for stage, (repeats, _) in enumerate(efficientnet_lite.STAGES):
        for _ in range(repeats):
            prefix, inner, out = f"_blocks.{number}.", entry, 2 + stage
            if stage:
                inner = 2 * entry
                convolution(f"{prefix}_expand_conv", f"{prefix}_bn0", entry, inner, 1)
            kernel = KERNELS[stage]
            convolution(f"{prefix}_depthwise_conv", f"{prefix}_bn1", 1, inner, kernel)
            convolution(f"{prefix}_project_conv", f"{prefix}_bn2", inner, out, 1)
            entry, number = out, number + 1
    convolution("_conv_head", "_bn1", entry, 11, 1)
    return {name: values.astype(np.float32) for name, values in weights.items()}
