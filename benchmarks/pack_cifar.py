"""CIFAR-10 in files small enough to be carried to a borrowed machine, and back again.

    python -m benchmarks.pack_cifar --from cifar-10-python.tar.gz --out cifar10.npz
    python -m benchmarks.pack_cifar --from cifar10-1-of-2.npz --out whole.npz

Pixels are written as differences to their left neighbours, red and blue as differences
to green, under bzip2: 114 MiB, where a plain npz has 176 and a compressed one 162.
NumPy and the standard library unpack them.
"""

import argparse
import hashlib
import io
import re
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gmmal_jax.data import sources
from gmmal_jax.data.prepare import originals
from gmmal_jax.errors import UserError
from gmmal_jax.storage import files

PART_MIB = 60
"""Most that one call of a borrowed machine takes."""
_FIELDS = ("x_train", "y_train", "x_test", "y_test")
_PART = re.compile(r"(.+)-(\d+)-of-(\d+)\.npz")

Arrays = dict[str, np.ndarray]


def read(source: Path, data_dir: bool = False) -> Arrays:
    """CIFAR-10's four arrays, from whatever holds them.

    Args:
      source: the original archive, the folder of its batches, an npz file, one of the
        packed parts (the others lie beside it), or a folder of prepared TFDS data sets.
      data_dir: the folder is of TFDS.

    Raises:
      UserError: it is none of these, or damaged.
    """
    if _PART.fullmatch(source.name):
        return unpack(source)
    if source.suffix == ".npz" or data_dir:
        name = "cifar10" if data_dir else f"npz:{source}"
        found = sources.load(name, str(source) if data_dir else None)
        return dict(zip(_FIELDS, found[1:5], strict=True))
    parts = originals.read("cifar10", [source])
    return {
        f"{field}_{name}": values
        for name, part in parts.items()
        for field, values in (("x", part.images), ("y", part.labels["label"]))
    }


def pack(arrays: Arrays, out: Path, part_bytes: int = PART_MIB << 20) -> list[Path]:
    """Write the arrays to as few files as keep each within a size.

    Args:
      arrays: as `read` returns them.
      out: `NAME.npz`; the files are `NAME-1-of-2.npz` and so on.
      part_bytes: most of one file.

    Raises:
      UserError: even a sixteenth is larger.
    """
    pixels = np.concatenate([arrays["x_train"], arrays["x_test"]])
    labels = np.concatenate([arrays["y_train"], arrays["y_test"]]).astype(np.uint8)
    cut, digest = len(arrays["x_train"]), _digest(pixels, labels)
    for num in range(1, 17):
        contents = [
            _compressed(*each, cut, digest)
            for each in zip(
                np.array_split(pixels, num), np.array_split(labels, num), strict=True
            )
        ]
        if max(map(len, contents)) <= part_bytes:
            break
    else:
        raise UserError("a sixteenth is larger than", part_bytes, "allow more")
    paths = [
        out.with_name(f"{out.stem}-{i + 1}-of-{num}.npz") for i in range(len(contents))
    ]
    for path, content in zip(paths, contents, strict=True):
        files.write_atomic(path, content)
    return paths


def unpack(part: Path) -> Arrays:
    """The arrays that `pack` wrote.

    Args:
      part: any of the files; the others lie beside it.

    Raises:
      UserError: one is missing or damaged.
    """
    named = _PART.fullmatch(part.name)
    if named is None:
        raise UserError("no part of a packed data set", str(part), "NAME-1-of-2.npz")
    stem, num = named[1], int(named[3])
    loaded = [_load(part.with_name(f"{stem}-{i + 1}-of-{num}.npz")) for i in range(num)]
    pixels = np.concatenate([_pixels(each["planes"]) for each in loaded])
    labels = np.concatenate([each["labels"] for each in loaded])
    if _digest(pixels, labels) != str(loaded[0]["sha256"]):
        remedy = "carry all parts of one packing again"
        raise UserError("the parts together are damaged", str(part), remedy)
    cut = int(loaded[0]["cut"])
    found = (pixels[:cut], labels[:cut], pixels[cut:], labels[cut:])
    return dict(zip(_FIELDS, found, strict=True))


def _compressed(pixels: np.ndarray, labels: np.ndarray, cut: int, digest: str) -> bytes:
    green = pixels[..., 1]
    planes = np.stack([green, pixels[..., 0] - green, pixels[..., 2] - green])
    arrays = {
        "planes": np.diff(planes, axis=3, prepend=np.uint8(0)),
        "labels": labels,
        "cut": np.asarray(cut),
        "sha256": np.asarray(digest),
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array)
            # Without a date of its own: equal arrays make equal files.
            member = zipfile.ZipInfo(f"{name}.npy")
            file.writestr(member, content.getvalue(), zipfile.ZIP_BZIP2)
    return buffer.getvalue()


def _pixels(planes: np.ndarray) -> np.ndarray:
    green, red, blue = np.cumsum(planes, axis=3, dtype=np.uint8)
    return np.stack([red + green, green, blue + green], axis=-1)


def _load(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in ("planes", "labels", "cut", "sha256")}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        remedy = "carry it again: all parts lie in one folder"
        raise UserError(f"{path}: cannot be read ({error})", None, remedy) from None


def _digest(pixels: np.ndarray, labels: np.ndarray) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(pixels).data)
    digest.update(np.ascontiguousarray(labels.astype(np.uint8)).data)
    return digest.hexdigest()


def main(argv: Sequence[str] | None = None) -> int:
    """Pack, or unpack where a part is given; exit code 2 where it cannot be done."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--from", dest="source", type=Path, required=True,
        help="cifar-10-python.tar.gz, a folder of its batches, an npz file, a part",
    )  # fmt: skip
    parser.add_argument(
        "--tfds", action="store_true", help="--from is a folder of TFDS data sets"
    )
    parser.add_argument("--out", type=Path, required=True, help="NAME.npz")
    args = parser.parse_args(argv)
    try:
        arrays = read(args.source, args.tfds)
        if _PART.fullmatch(args.source.name):
            whole = io.BytesIO()
            np.savez(whole, **arrays)
            files.write_atomic(args.out, whole.getvalue())
            print(f"{args.out}: use it as --dataset npz:{args.out}")
            return 0
        paths = pack(arrays, args.out)
    except UserError as error:
        print(f"pack_cifar: {error}", file=sys.stderr)
        return 2
    for path in paths:
        print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")
    if len(paths) > 1:
        print("carry one in each call, into one folder, and then name any of them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
