"""`gmmal datasets`: what there is, and original files made ready for TFDS."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gmmal_jax.config.presets import NAMED, PRESETS, Changes
from gmmal_jax.errors import UserError

SOURCES = """gmmal run --dataset ...
digits              scikit-learn's 8x8 digits, nothing to fetch
cifar10, cifar100, svhn_cropped, fashion_mnist, mnist
                    TFDS data sets in array_record form under --data-dir; the original
                    files become that with `gmmal datasets prepare` (--help)
tiny_imagenet:DIR   the unpacked tiny-imagenet-200; val/ is the test part
folder:PATH         PNG and JPEG in a folder a class, or in train/CLASS and test/CLASS
manifest:FILE       .csv or .jsonl: path, label, and optionally split, group
npz:PATH            x_train, y_train, x_test, y_test; uint8 images, labels from 0

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


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as all of our commands do."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; see gmmal datasets prepare --help")


def prepare(args: Sequence[str]) -> int:
    """Run `gmmal datasets prepare NAME --from FILE ... --data-dir DIR`.

    Raises:
      UserError: unusable options or files.
      SystemExit: --help (0).
    """
    from gmmal_jax.data.prepare import originals, writer as preparation

    parser = _Parser(
        prog="gmmal datasets prepare",
        description="Turn the original files of a data set into the form that TFDS "
        "reads, offline and without TensorFlow. Files are checked by their MD5.",
        epilog="originals: "
        + "; ".join(
            f"{name}: {original.archive or ', '.join(original.md5)}"
            for name, original in originals.ORIGINALS.items()
        ),
    )
    parser.add_argument("name", choices=list(originals.ORIGINALS), metavar="NAME")
    parser.add_argument(
        "--from",
        dest="given",
        nargs="+",
        type=Path,
        required=True,
        metavar="FILE",
        help="the original files, or a folder that holds them",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        required=True,
        metavar="DIR",
        help="where TFDS data sets are; gmmal run --data-dir DIR reads it from there",
    )
    known = parser.parse_args(args)
    data_dir = known.data_dir.expanduser()
    print(f"{known.name}: checking, then writing it; about a minute", flush=True)
    folder = preparation.prepare(known.name, known.given, data_dir)
    print(f"prepared: {folder}")
    print(f"use it: gmmal run --dataset {known.name} --data-dir {data_dir}")
    return 0
