"""Original files -> a folder that TFDS reads, offline and without TensorFlow.

TFDS's own builders unpack and compress with TensorFlow. A subclass that hands them
finished PNGs needs neither, and the stock builders read what it writes. Rows keep the
original order, so an index in `queries.csv` counts as the originals do.
"""

import contextlib
import io
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gmmal_jax.data.prepare import cifar_names, originals
from gmmal_jax.errors import UserError

# Class names that the stock builders would read from files beside the data.
_NAMES = {
    "cifar10": {"label": cifar_names.CIFAR10},
    "cifar100": {
        "label": cifar_names.CIFAR100,
        "coarse_label": cifar_names.CIFAR100_COARSE,
    },
}
# The features "id" of the stock builders; the others have none.
_IDS = {
    "cifar10": "{}_{:05d}",
    "cifar100": "{}_{:05d}",
    "svhn_cropped": "{}_{:06d}",
}


def prepare(name: str, given: Sequence[Path], data_dir: Path) -> Path:
    """Write a data set as TFDS's array_record.

    The folder appears whole, or not at all.

    Args:
      name: a key of `originals.ORIGINALS`.
      given: original files, folders that hold them, or CIFAR's archive.
      data_dir: TFDS's folder of data sets, made where it is missing.

    Returns:
      The folder: data_dir/NAME/VERSION.

    Raises:
      UserError: files missing or not the originals, the data set there already, or a
        folder that cannot be written to.
    """
    try:
        return _prepare(name, given, data_dir)
    except (OSError, RuntimeError) as error:  # a full disk is a RuntimeError there
        reason = getattr(error, "strerror", None) or str(error).split("\n")[0][:160]
        remedy = "name a folder that can be written to, with room for the data"
        raise UserError(f"--data-dir: {reason}", str(data_dir), remedy) from None


def _prepare(name: str, given: Sequence[Path], data_dir: Path) -> Path:
    import tensorflow_datasets as tfds

    stock = tfds.builder_cls(name)
    folder = data_dir / name / str(stock.VERSION)
    if folder.exists():
        remedy = "use it as it is, or name another --data-dir"
        raise UserError("--data-dir: holds the data set already", str(folder), remedy)
    parts = originals.read(name, given)
    temporary = data_dir / f".prepare-{name}-{os.getpid()}"
    made = [path for path in (data_dir, *data_dir.parents) if not path.exists()]
    try:
        temporary.mkdir(parents=True)
        _write(stock, name, parts, temporary)
        folder.parent.mkdir(exist_ok=True)
        (temporary / name / folder.name).rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        for path in (folder.parent, *made):
            with contextlib.suppress(OSError):  # it is not empty, or was never made
                path.rmdir()
    return folder


def _write(
    stock: Any, name: str, parts: dict[str, originals.Part], data_dir: Path
) -> None:
    import tensorflow_datasets as tfds

    class Prepared(stock, skip_registration=True):  # type: ignore[call-arg,misc]
        VERSION = stock.VERSION
        pkg_dir_path = stock._get_pkg_dir_path()

        def _info(self) -> Any:
            info = super()._info()
            for feature, names in _NAMES.get(name, {}).items():
                info.features[feature].names = list(names)
            # TFDS offers it at construction only, and the stock builder constructs.
            info.as_proto.disable_shuffling = True
            return info

        def _split_generators(self, dl_manager: object) -> dict[str, Any]:
            return {part: _examples(name, part, rows) for part, rows in parts.items()}

    Prepared.name = name
    tfds.disable_progress_bar()
    builder = Prepared(data_dir=str(data_dir), file_format="array_record")
    with contextlib.redirect_stdout(io.StringIO()):  # it speaks of a download
        builder.download_and_prepare()


def _examples(
    name: str, prefix: str, part: originals.Part
) -> Iterator[tuple[int, dict[str, Any]]]:
    for index, image in enumerate(part.images):
        example: dict[str, Any] = {"image": _png(image)}
        example |= {key: int(values[index]) for key, values in part.labels.items()}
        if name in _IDS:
            example["id"] = _IDS[name].format(prefix, index)
        yield index, example


def _png(image: np.ndarray) -> bytes:
    from PIL import Image

    packed = io.BytesIO()
    squeezed = image[..., 0] if image.shape[-1] == 1 else image
    Image.fromarray(np.ascontiguousarray(squeezed)).save(packed, "PNG")
    return packed.getvalue()
