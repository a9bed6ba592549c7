"""The original files of the published data sets: found, checked, read.

Files are named as their authors name them, and a file is read only after its MD5 is
the published one, so nothing is ever taken from a truncated, changed or foreign file.
"""

import gzip
import hashlib
import io
import pickle
import tarfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmmal_jax.errors import UserError


class Part(NamedTuple):
    """The training or test part in its original order.

    Attributes:
      images: uint8 [n, h, w, ch].
      labels: int [n], by the name of the feature ("label", "coarse_label").
    """

    images: np.ndarray
    labels: dict[str, np.ndarray]


class Original(NamedTuple):
    """How a data set's original files are read.

    Attributes:
      md5: of each file, by its name; a CIFAR archive's members.
      train: names of the files of the training part, in order.
      test: likewise.
      read: contents of the files of one part -> the part.
      archive: the archive that holds the files, where there is one.
    """

    md5: dict[str, str]
    train: tuple[str, ...]
    test: tuple[str, ...]
    read: Callable[[Sequence[bytes]], Part]
    archive: str = ""


def read(name: str, given: Sequence[Path]) -> dict[str, Part]:
    """Read a data set's original files.

    Args:
      name: a key of `ORIGINALS`.
      given: the files, folders that hold them, or CIFAR's archive.

    Returns:
      "train" and "test".

    Raises:
      UserError: a file is missing, unreadable, or not the original.
    """
    original = ORIGINALS[name]
    found: dict[str, bytes] = {}
    for path in given:
        for file, content in _contents(path, original):
            if hashlib.md5(content).hexdigest() != original.md5[file]:
                remedy = "it is truncated or another file: download it again"
                what = f"--from {path}: MD5 is not the original's"
                raise UserError(what, file, remedy)
            found[file] = content
    missing = [file for file in original.md5 if file not in found]
    if missing:
        wanted = original.archive or ", ".join(original.md5)
        remedy = f"name {wanted}, or the folder that holds the original files"
        raise UserError(f"--from: {name} lacks", ", ".join(missing), remedy)
    return {
        part: original.read([found[file] for file in getattr(original, part)])
        for part in ("train", "test")
    }


def _contents(path: Path, original: Original) -> Iterator[tuple[str, bytes]]:
    """The wanted files that a path is or holds: (name, content)."""
    try:
        if path.is_dir():
            for file in original.md5:
                for inside in (path / file, *sorted(path.glob(f"*/{file}"))):
                    if inside.is_file():
                        yield file, inside.read_bytes()
                        break
        elif path.name in original.md5:
            yield path.name, path.read_bytes()
        elif original.archive:
            yield from _members(path, original)
        else:
            wanted = ", ".join(original.md5)
            raise UserError("--from: unknown file", str(path), f"name {wanted}")
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"--from: {reason}", str(path), "check the path") from None


def _members(path: Path, original: Original) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = Path(member.name).name
                if not member.isfile() or name not in original.md5:
                    continue
                content = archive.extractfile(member)
                assert content is not None  # it is a file
                # The largest original is 155 MB: more is another file, and a read
                # of whatever it claims could fill the memory.
                yield name, content.read(1 << 28)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        remedy = f"it is truncated or not {original.archive}: download it again"
        reason = str(error).splitlines()[0]
        raise UserError(f"--from {path}: {reason}", None, remedy) from None


class _Arrays(pickle.Unpickler):
    """Unpickles what CIFAR's files hold, and can call nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Look up NumPy's array and dtype only.

        Raises:
          pickle.UnpicklingError: anything else is asked for.
        """
        allowed = {
            ("numpy.core.multiarray", "_reconstruct"): _empty,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): _dtype,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"asks for {module}.{name}")
        return allowed[module, name]


def _empty(*_: object) -> np.ndarray:
    return np.ndarray.__new__(np.ndarray, (0,), np.int8)


def _dtype(code: bytes, *_: object) -> np.dtype:
    return np.dtype(code.decode())


def unpickle(content: bytes) -> Any:
    """Read a pickle of Python 2 that holds bytes, numbers, containers and arrays.

    Raises:
      pickle.UnpicklingError: it asks for anything else.
    """
    return _Arrays(io.BytesIO(content), encoding="bytes").load()


def _cifar(keys: dict[str, bytes]) -> Callable[[Sequence[bytes]], Part]:
    def read_part(contents: Sequence[bytes]) -> Part:
        batches = [unpickle(content) for content in contents]
        planes = np.concatenate([batch[b"data"] for batch in batches])
        images = planes.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        labels = {
            feature: np.concatenate([np.asarray(batch[key]) for batch in batches])
            for feature, key in keys.items()
        }
        return Part(images, labels)

    return read_part


def _idx(contents: Sequence[bytes]) -> Part:
    """Images and labels in the IDX format: a magic number, sizes, bytes."""
    images, labels = (gzip.decompress(content) for content in contents)
    pixels = np.frombuffer(images, np.uint8, offset=16)
    return Part(
        pixels.reshape(-1, 28, 28, 1),
        {"label": np.frombuffer(labels, np.uint8, offset=8)},
    )


def _mat(contents: Sequence[bytes]) -> Part:
    from scipy.io import loadmat

    stored = loadmat(io.BytesIO(contents[0]))
    # The digit 0 has the label 10 there.
    return Part(np.moveaxis(stored["X"], -1, 0), {"label": stored["y"][:, 0] % 10})


def _mnist(md5: tuple[str, str, str, str]) -> Original:
    train = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz")
    test = ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")
    return Original(dict(zip(train + test, md5, strict=True)), train, test, _idx)


# MD5s as the data sets' pages and torchvision give them.
ORIGINALS = {
    "cifar10": Original(
        {
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            "test_batch": "40351d587109b95175f43aff81a1287e",
        },
        tuple(f"data_batch_{i}" for i in range(1, 6)),
        ("test_batch",),
        _cifar({"label": b"labels"}),
        "cifar-10-python.tar.gz",
    ),
    "cifar100": Original(
        {
            "train": "16019d7e3df5f24257cddd939b257f8d",
            "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        },
        ("train",),
        ("test",),
        _cifar({"label": b"fine_labels", "coarse_label": b"coarse_labels"}),
        "cifar-100-python.tar.gz",
    ),
    "svhn_cropped": Original(
        {
            "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
            "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
        },
        ("train_32x32.mat",),
        ("test_32x32.mat",),
        _mat,
    ),
    "fashion_mnist": _mnist(
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        )
    ),
    "mnist": _mnist(
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        )
    ),
}
"""By TFDS's name."""
