"""Small files in the form of the published originals."""

import gzip
import struct

import numpy as np
from images import pixels
from scipy.io import savemat


def _string(text):
    return b"U" + bytes([len(text)]) + text


def _numbers(values):
    return b"](" + b"".join(b"K" + bytes([v]) for v in values) + b"e"


def _array(rows):
    head = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    )
    shape = b"M" + struct.pack("<H", rows.shape[0]) + b"M\x00\x0c\x86"
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
    kind += b"J\xff\xff\xff\xffK\x00tb"
    content = b"T" + struct.pack("<I", rows.size) + rows.tobytes()
    return head + b"(K\x01" + shape + kind + b"\x89" + content + b"tb"


def python2_pickle(images, **labels):
    """A CIFAR batch as Python 2 wrote it: uint8 [n, 32, 32, 3] and named labels."""
    planes = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)
    items = [_string(b"data") + _array(planes)]
    items += [_string(k.encode()) + _numbers(v) for k, v in labels.items()]
    return b"\x80\x02}(" + b"".join(items) + b"u."


def _idx(images, labels):
    head = struct.pack(">IIII", 2051, len(images), 28, 28)
    return (
        gzip.compress(head + images.tobytes()),
        gzip.compress(struct.pack(">II", 2049, len(labels)) + bytes(labels)),
    )


def files(name, folder):
    """Write a data set's original files.

    Returns:
      The files, and {"train": (images, labels), "test": ...} that are in them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    contents, parts = {}, {}
    channels, side = (1, 28) if name.endswith("mnist") else (3, 32)
    for seed, (part, num) in enumerate((("train", 10), ("test", 4))):
        images = pixels(seed, num, side, side, channels)
        labels = [(7 * i + seed) % 10 for i in range(num)]
        parts[part] = (images, labels)
        if name == "cifar10":
            batches = [f"data_batch_{i}" for i in range(1, 6)]
            for k, batch in enumerate(batches if part == "train" else ["test_batch"]):
                rows = slice(2 * k, 2 * k + 2) if part == "train" else slice(None)
                contents[batch] = python2_pickle(images[rows], labels=labels[rows])
        elif name == "cifar100":
            coarse = [label // 2 for label in labels]
            contents[part] = python2_pickle(
                images, fine_labels=labels, coarse_labels=coarse
            )
        elif name == "svhn_cropped":
            stored = np.asarray([label or 10 for label in labels], np.uint8)
            path = folder / f"{part}_32x32.mat"
            savemat(path, {"X": np.moveaxis(images, 0, -1), "y": stored[:, None]})
            contents[path.name] = path.read_bytes()
        else:
            start = "train" if part == "train" else "t10k"
            pair = _idx(images, labels)
            contents[f"{start}-images-idx3-ubyte.gz"] = pair[0]
            contents[f"{start}-labels-idx1-ubyte.gz"] = pair[1]
    for file, content in contents.items():
        (folder / file).write_bytes(content)
    return [folder / file for file in contents], parts
