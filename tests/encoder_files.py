"""Tiny encoders as ONNX files, made here."""

import json

import numpy as np
from onnx import TensorProto, helper, numpy_helper

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
