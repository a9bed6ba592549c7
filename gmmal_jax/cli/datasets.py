"""`gmmal datasets`: what there is, and original files made ready for TFDS."""

import shlex

from gmmal_jax.cli import parser
from gmmal_jax.cli.parser import Option, Parsed, Verb
from gmmal_jax.config.presets import NAMED, PRESETS, Changes
from gmmal_jax.errors import UserError, unknown

SOURCES = """gmmal run --dataset ...
digits              scikit-learn's 8x8 digits, nothing to fetch
cifar10, cifar100, svhn_cropped, fashion_mnist, mnist
                    TFDS data sets in array_record form under --data-dir; the original
                    files become that with `gmmal datasets prepare` (--help)
tiny_imagenet:DIR   the unpacked tiny-imagenet-200; val/ is the test part
folder:PATH         PNG and JPEG in a folder a class, or in train/CLASS and test/CLASS
manifest:FILE       .csv or .jsonl: path, label, and optionally split, group
npz:PATH            x_train, y_train, x_test, y_test; uint8 images, labels from 0
npy:DIR             the same in a file each, x_train.npy and so on, for more than a
                    memory holds: `gmmal datasets pack` writes it from any other
features:PATH       what an encoder made of pictures: .npy [rows, features], with
                    labels.csv (id,label) or labels.npy beside it, or .npz of x_train,
                    y_train and, if there is a test part, x_test, y_test

and what their presets change of the paper's values"""


def show() -> None:
    """Print the sources and the presets."""
    print(SOURCES)
    for name, changes in PRESETS.items():
        print(f"{name}: {'' if changes else 'the paper as it stands'}")
        _print_changes(changes)
    for name, changes in NAMED.items():
        print(f"--preset {name}:")
        _print_changes(changes)


def _print_changes(changes: Changes) -> None:
    for field, (value, reason) in changes.items():
        values = value if isinstance(value, tuple) else (value,)
        shown = " ".join(map(str, values))
        print(f"  --{field.replace('_', '-')} {shown}: {reason}")


def _datasets(parsed: Parsed) -> int:
    show()
    return 0


def _prepare(parsed: Parsed) -> int:
    """Run `gmmal datasets prepare NAME --from FILE ... --data-dir DIR`.

    Raises:
      UserError: unusable files, or a data set that is none of those.
    """
    from gmmal_jax.data.prepare import originals, writer as preparation

    (name,) = parsed.words
    if name not in originals.ORIGINALS:
        raise unknown("gmmal datasets prepare: no such NAME", name, originals.ORIGINALS)
    data_dir = parser.path(str(parser.one(parsed.given, "data-dir")))
    print(f"{name}: checking, then writing it; about a minute", flush=True)
    prepared = preparation.prepare(
        name, list(map(parser.path, parsed.given["from"])), data_dir
    )
    print(f"prepared: {prepared}")
    folder = shlex.quote(str(data_dir))
    print(f"use it: gmmal run --dataset {name} --data-dir {folder}")
    return 0


def _originals() -> str:
    from gmmal_jax.data.prepare import originals

    files = "; ".join(
        f"{name}: {original.archive or ', '.join(original.md5)}"
        for name, original in originals.ORIGINALS.items()
    )
    return (
        "It needs neither a network nor TensorFlow. Files are checked by their MD5.\n\n"
        f"The originals, by NAME: {files}."
    )


def _pack(parsed: Parsed) -> int:
    from gmmal_jax.project import pack

    (name,) = parsed.words
    given = parsed.given
    folder = parser.path(str(parser.one(given, "out")))
    size = parser.one(given, "image-size")
    if size is not None and not (size.isdecimal() and int(size)):
        raise UserError("--image-size", size, "give a number of pixels")
    data_dir = parser.one(given, "data-dir")
    done = pack.pack(name, folder, data_dir, int(size) if size else None)
    shape = "x".join(map(str, done.train_images.shape[1:]))
    print(f"packed: {len(done.train_labels):,} pictures of {shape}, and "
          f"{len(done.test_labels):,} to test with")  # fmt: skip
    for path, reason in done.skipped:
        print(f"skipped: {path}: {reason}")
    print(f"use it: gmmal run --dataset {shlex.quote(f'npy:{folder}')}")
    return 0


PACK = Verb(
    "datasets pack",
    "DATASET",
    "any pictures to a folder that is mapped into memory",
    _pack,
    (
        Option("out", "DIR", "A new folder, or one that holds what a call that was "
               "killed has written: it goes on from there.", required=True),
        Option("image-size", "PIXELS", "Side of the squares that pictures of folder:, "
               "manifest: and tiny_imagenet: are brought to."),
        Option("data-dir", "DIR", "Where TFDS data sets are."),
    ),
    more=lambda: (
        "DATASET is what gmmal run --dataset takes. Picture files are decoded straight "
        "to the disk, once; an npz is read as a whole."
    ),
)  # fmt: skip
DATASETS = Verb(
    "datasets",
    "",
    "the data sets; what their presets and the named ones change",
    _datasets,
)
PREPARE = Verb(
    "datasets prepare",
    "NAME",
    "original files to a folder that TFDS reads, offline",
    _prepare,
    (
        Option("from", "FILE ...", "The original files, or a folder that holds them.",
               required=True),
        Option("data-dir", "DIR", "Where TFDS data sets are; gmmal run --data-dir DIR "
               "reads it from there.", required=True),
    ),
    more=_originals,
)  # fmt: skip
