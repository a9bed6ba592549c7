"""`gmmal embed`: pictures to a matrix of features, shown and stopped like a run."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from gmmal_jax.cli import parser, signals
from gmmal_jax.cli.parser import Given, Option, Parsed, Verb
from gmmal_jax.errors import Interrupted, UserError, unknown

if TYPE_CHECKING:
    from gmmal_jax.encoders.base import Encoder
    from gmmal_jax.encoders.inputs import Inputs

PRECISIONS = ("float16", "float32")
MOST_WORKERS = 256


def _embed(parsed: Parsed) -> int:
    """Run `gmmal embed`.

    Raises:
      UserError: an option, an encoder or pictures that cannot be used.
    """
    from gmmal_jax.encoders import inputs, onnx_file, output, table
    from gmmal_jax.encoders.base import LARGEST, Wanted

    given = parsed.given
    out = _out(str(parser.one(given, "out")))
    precision = parser.one(given, "precision") or PRECISIONS[0]
    if precision not in PRECISIONS:
        raise unknown("--precision", precision, PRECISIONS)
    workers = _whole(given, "workers", MOST_WORKERS) or onnx_file.cores()
    wanted = Wanted(
        _whole(given, "size", LARGEST),
        _share(given, "crop"),
        _three(given, "mean"),
        _three(given, "std"),
    )
    pictures = inputs.find(str(parser.one(given, "images")), output.Places(out).all())
    encoder = table.load(str(parser.one(given, "encoder")), wanted)
    trained_on = encoder.trained_on or "a data set that it does not name"
    print(
        f"encoder: {encoder.name}, trained on {trained_on}; {encoder.form.size} pixels "
        f"to {encoder.width:,} numbers ({encoder.runtime})"
    )
    print(f"images: {len(pictures.ids):,} in {pictures.source}", flush=True)
    return _execute(pictures, encoder, out, precision, workers)


def _execute(
    pictures: "Inputs", encoder: "Encoder", out: Path, precision: str, workers: int
) -> int:
    from gmmal_jax.cli import live
    from gmmal_jax.encoders import job

    total = len(pictures.ids)
    try:
        with signals.noted("this batch") as stop, live.Live(float(total)) as shown:

            def report(done: int) -> None:
                shown.tell(float(done), f"{done:,} of {total:,} pictures")

            watch = job.Watch(report, stop)
            done = job.embed(pictures, encoder, out, precision, workers, watch)
    except Interrupted as interrupted:
        return signals.saved(interrupted)
    places = done.places
    print(f"features: {places.features} [{done.rows:,}, {done.width:,}] {precision}")
    print(f"ids: {places.ids}")
    if done.labels:
        print(f"labels: {places.labels}, of {done.labels:,} rows")
    if done.skipped:
        print(f"skipped: {done.skipped:,} files, see {places.skipped}")
    return 0


def _out(text: str) -> Path:
    path = parser.path(text)
    if path.suffix != ".npy" or path.is_dir():
        remedy = "name a file that ends in .npy, in a folder of its own"
        raise UserError("--out", text, remedy)
    return path


def _number(given: Given, name: str, use: str) -> float | None:
    text = parser.one(given, name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        raise UserError(f"--{name}", text, f"use {use}") from None
    if not math.isfinite(value):
        raise UserError(f"--{name}", text, f"use {use}")
    return value


def _whole(given: Given, name: str, most: int) -> int | None:
    use = f"a whole number from 1 to {most:,}"
    value = _number(given, name, use)
    if value is not None and not (value == int(value) and 1 <= value <= most):
        raise UserError(f"--{name}", parser.one(given, name), f"use {use}")
    return None if value is None else int(value)


def _share(given: Given, name: str) -> float | None:
    use = "a share in (0, 1]"
    value = _number(given, name, use)
    if value is not None and not 0 < value <= 1:
        raise UserError(f"--{name}", value, f"use {use}")
    return value


def _three(given: Given, name: str) -> tuple[float, ...] | None:
    if name not in given:
        return None
    texts = parser.several(given, name)
    use = "three numbers, of pixels scaled to [0, 1]"
    values = [_number({name: [text]}, name, use) for text in texts]
    if len(values) != 3:
        raise UserError(f"--{name}", " ".join(texts), f"use {use}")
    return tuple(value for value in values if value is not None)


EMBED = Verb(
    "embed",
    "",
    "features of pictures by an encoder trained by others",
    _embed,
    (
        Option("images", "PATH", "A folder of PNG and JPEG files, at any depth; a .csv "
               "or .jsonl manifest with a column path; or an .npz file with x_train.",
               required=True),
        Option("encoder", "KIND:NAME", "onnx:FILE, timm:NAME or "
               "open_clip:NAME/WEIGHTS; gmmal encoders tells how to get one.",
               required=True),
        Option("out", "FILE.npy", "The matrix to write, a row a picture. ids.txt, "
               "skipped.csv, features.json and, where labels are known, labels.csv "
               "come beside it: give it a folder of its own.", required=True),
        Option("size", "INT", "Side in pixels; by default the encoder's own."),
        Option("crop", "NUMBER", "Share of the shorter side that is kept, centered; by "
               "default the encoder's own."),
        Option("mean", "NUMBER ...", "Three numbers: what is subtracted of pixels "
               "scaled to [0, 1]; by default the encoder's own."),
        Option("std", "NUMBER ...", "Three numbers: what they are then divided by; "
               "by default the encoder's own."),
        Option("precision", "|".join(PRECISIONS), "Of the file. float16 takes half the "
               "room, and 11 bits are more than an encoder's features mean; a feature "
               "beyond 65,504 is refused."),
        Option("workers", "INT", "Processes that decode pictures; by default as many "
               "as there are cores. They change no byte of the result."),
    ),
    more=lambda: (
        "Killed or stopped at any time, the same command goes on, and ends in the same "
        "bytes. Pictures that cannot be read are left out and listed in skipped.csv."
    ),
    defaults=lambda parsed: {"precision": PRECISIONS[0]},
)  # fmt: skip
