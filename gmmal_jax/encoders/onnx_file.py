"""ONNX files through onnxruntime.

How their input is made stands in the file's metadata (`custom_metadata_map`), each
value as JSON: mean and std (three numbers of pixels scaled to [0, 1]), size, crop,
interpolation, name, trained_on.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from gmmal_jax.encoders.base import BATCH, Encoder, Wanted, form, width_of
from gmmal_jax.errors import UserError
from gmmal_jax.storage import files

_NUMBERS = ("size", "crop")
_TEXTS = ("interpolation", "name", "trained_on")
_LISTS = ("mean", "std")
METADATA = (*_LISTS, *_NUMBERS, *_TEXTS)


def load(name: str, wanted: Wanted) -> Encoder:
    """The encoder in a file.

    Args:
      name: the file's path.
      wanted: in place of what its metadata say.

    Raises:
      UserError: no such file, no ONNX model, or one that does not take pictures
        [n, 3, h, w] alone and give [n, d] alone.
    """
    path = Path(name).expanduser()
    if not path.is_file():
        raise UserError("--encoder: no such file", str(path), "check the path")
    session = _session(path)
    entry, batch, side = _input(path, session)
    given = _metadata(path, session.get_modelmeta().custom_metadata_map)
    if side is not None:
        if wanted.size not in (None, side):
            remedy = f"leave it out: {path.name} takes {side} pixels alone"
            raise UserError("--size", wanted.size, remedy)
        given["size"] = side
    called = given.pop("name", path.stem)
    trained_on = given.pop("trained_on", None)
    made = form(path.name, given, wanted)

    def run(pixels: np.ndarray) -> np.ndarray:
        (features,) = session.run(None, {entry: pixels})
        return np.asarray(features, np.float32)

    width = width_of(path.name, run, batch, made.size)
    runtime = _runtime(session)
    return Encoder(called, _sha256(path), trained_on, runtime, made, batch, width, run)


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is wrong is said in one line of ours
    options.intra_op_num_threads = cores()
    # Threads that wait by turning round take the cores from those that decode.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    there = onnxruntime.get_available_providers()
    providers = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    try:
        return onnxruntime.InferenceSession(
            str(path), options, [each for each in providers if each in there]
        )
    except Exception as error:  # of onnxruntime's many kinds
        reason = str(error).split("\n")[0]
        remedy = f"export it again ({reason})"
        what = "--encoder: no ONNX model that onnxruntime can read"
        raise UserError(what, str(path), remedy) from None


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _runtime(session: Any) -> str:
    import onnxruntime

    device = session.get_providers()[0].removesuffix("ExecutionProvider")
    return f"onnxruntime {onnxruntime.__version__} {device}"


def _input(path: Path, session: Any) -> tuple[str, int, int | None]:
    """(name of the input, pictures a batch, side in pixels where it is fixed)."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    for what, found in (("input", inputs), ("output", outputs)):
        if len(found) != 1:
            names = ", ".join(each.name for each in found)
            remedy = "export it with pictures in and features out alone"
            line = f"--encoder: {path.name} has {len(found)} {what}s where one is used"
            raise UserError(line, names, remedy)
    (entry,) = inputs
    shape = entry.shape
    if entry.type != "tensor(float)" or len(shape) != 4 or _fixed(shape[1]) != 3:
        found = f"{entry.type} {shape}"
        remedy = "export it for float32 pictures [n, 3, h, w]"
        raise UserError(f"--encoder: {path.name} takes", found, remedy)
    height, width = map(_fixed, shape[2:])
    if height != width:
        remedy = "export it for squares"
        raise UserError(f"--encoder: {path.name} takes", f"{shape}", remedy)
    return entry.name, _fixed(shape[0]) or BATCH, height


def _fixed(side: Any) -> int | None:
    """A dimension's number; None: any."""
    return side if isinstance(side, int) and side > 0 else None


def _metadata(path: Path, texts: dict[str, str]) -> dict[str, Any]:
    return {key: _value(path, key, texts[key]) for key in METADATA if key in texts}


def _value(path: Path, key: str, text: str) -> Any:
    if key in _TEXTS:
        return text
    try:
        value = json.loads(text)
        if key in _LISTS:
            return tuple(map(float, value))
        return int(value) if key == "size" else float(value)
    except (ValueError, TypeError, OverflowError):
        use = "write three numbers as JSON" if key in _LISTS else "write a number"
        what = f"--encoder: {path.name}: metadata {key}"
        raise UserError(what, text[:60], use) from None


def _sha256(path: Path) -> str:
    """Of the file, and of one beside it that holds its larger weights."""
    parts = [files.checksum(path)]
    for suffix in (".data", "_data"):
        beside = path.with_name(path.name + suffix)
        if beside.is_file():
            parts.append(files.checksum(beside))
    if len(parts) == 1:
        return parts[0]
    return hashlib.sha256("".join(parts).encode()).hexdigest()
