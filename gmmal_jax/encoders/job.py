"""Features of many pictures, written batch by batch; killed at any time, it goes on.

Rows are appended to FILE.part. Every `SAVE_BATCHES` batches they are brought to the
disk, and only then FILE.progress says so; what lies beyond is cut off at the next
start. A batch has the same pictures at every start, so the end is the same bytes.
"""

import contextlib
import json
import os
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from gmmal_jax.encoders import ahead, output, preprocess
from gmmal_jax.encoders.base import Encoder
from gmmal_jax.encoders.inputs import Inputs
from gmmal_jax.encoders.output import Places
from gmmal_jax.encoders.progress import Job, Progress, begin, discard, save, size_of
from gmmal_jax.errors import Interrupted, UserError
from gmmal_jax.storage import files

SAVE_BATCHES = 8
PRECISIONS = ("float16", "float32")
_AGAIN = "the same command goes on from there"


class Watch(NamedTuple):
    """Who looks on.

    Attributes:
      report: told how many pictures are done.
      stop: the number of a signal that came, or None.
    """

    report: Callable[[int], None]
    stop: Callable[[], int | None]


class Summary(NamedTuple):
    """What was written.

    Attributes:
      places: where.
      rows: n.
      width: d.
      skipped: pictures that have no row.
      labels: rows whose label is known.
    """

    places: Places
    rows: int
    width: int
    skipped: int
    labels: int


def embed(
    inputs: Inputs,
    encoder: Encoder,
    out: Path,
    precision: str,
    workers: int,
    watch: Watch,
) -> Summary:
    """Write the features of all pictures that can be read.

    Args:
      inputs: n pictures.
      encoder: of d numbers a picture.
      out: the .npy file; `Places` says what lies beside it.
      precision: one of `PRECISIONS`.
      workers: processes that decode. At most workers + `ahead.MORE` batches are held.
      watch: who looks on.

    Raises:
      UserError: the folder holds other features, or a part of others; a row that
        float16 cannot hold; no picture that can be read.
      Interrupted: a signal came; all is saved.
    """
    job = Job(inputs, encoder, Places(out), np.dtype(precision))
    with files.lock(out.parent):
        output.tidy(job.places)
        if _is_done(job):
            with contextlib.suppress(FileNotFoundError):
                job.places.progress.unlink()
            return _summary(job, output.read_about(job.places))
        try:
            return _finish(job, _work(job, workers, watch))
        except BrokenProcessPool:
            asked = watch.stop()
            if asked:  # the signal went to all of our processes
                raise Interrupted(asked) from None
            remedy = f"give it more memory or fewer --workers; {_AGAIN}"
            raise UserError("a decoding process was killed", None, remedy) from None
        except BrokenPipeError:
            raise  # whoever read our lines has gone
        except OSError as error:
            where = str(error.filename or job.places.part)
            remedy = f"once that is mended, {_AGAIN}"
            raise UserError(error.strerror or str(error), where, remedy) from None


def _is_done(job: Job) -> bool:
    """Whether these very features are there.

    Raises:
      UserError: others are, or files that would be lost.
    """
    places = job.places
    if places.features.exists() and job.is_said_by(output.read_about(places)):
        return True
    if places.features.exists() or not places.progress.exists():
        output.require_free(places)
    return False


def _work(job: Job, workers: int, watch: Watch) -> Progress:
    """Write all rows that are not written yet."""
    total, size = len(job.inputs.ids), job.encoder.batch
    progress = begin(job)
    with open(job.places.part, "r+b") as file:
        file.truncate(size_of(job, progress))
        file.seek(0, os.SEEK_END)
        watch.report(min(progress.batches * size, total))
        batches = job.inputs.batches(progress.batches, size)
        decoded = ahead.decoded(batches, job.encoder.form, workers)
        with contextlib.closing(decoded):
            for each in decoded:
                progress = _write(job, file, progress, each)
                done = min(progress.batches * size, total)
                asked = watch.stop()
                if asked or done == total or progress.batches % SAVE_BATCHES == 0:
                    save(job, file, progress)
                watch.report(done)
                if asked and done < total:
                    raise Interrupted(asked)
    return progress


def _write(
    job: Job, file: IO[bytes], progress: Progress, decoded: preprocess.Decoded
) -> Progress:
    """Append the rows of a batch."""
    encoder, num = job.encoder, len(decoded.pixels)
    pixels = np.zeros((encoder.batch, *decoded.pixels.shape[1:]), np.uint8)
    pixels[:num] = decoded.pixels
    features = encoder.run(preprocess.normalize(pixels, encoder.form))[:num]
    bad = dict(decoded.bad)
    for place in np.flatnonzero(~np.isfinite(features).all(axis=1)).tolist():
        bad.setdefault(place, "its features are not finite")
    kept = np.delete(features, list(bad), axis=0)
    with np.errstate(over="ignore"):
        rows = kept.astype(job.dtype)
    if not np.isfinite(rows).all():
        discard(job)
        largest = float(np.abs(kept).max())
        what = f"--precision {job.dtype} cannot hold a feature"
        raise UserError(what, largest, "use --precision float32")
    file.write(rows.tobytes())
    first = progress.batches * encoder.batch
    found = [(first + place, bad[place]) for place in sorted(bad)]
    return Progress(progress.batches + 1, [*progress.bad, *found])


def _finish(job: Job, progress: Progress) -> Summary:
    """Write what lies beside the rows, then give them their name."""
    places, ids = job.places, job.inputs.ids
    rows = len(ids) - len(progress.bad)
    bad = dict(progress.bad)
    if not rows:
        discard(job)
        reason = f"give PNG or JPEG files; {ids[0]}: {bad[0]}"
        raise UserError("--images: no picture can be read", job.inputs.source, reason)
    with open(places.part, "r+b") as file:
        file.write(output.header(rows, job.encoder.width, job.dtype))
        file.flush()
        os.fsync(file.fileno())
    kept = [number for number in range(len(ids)) if number not in bad]
    files.write_atomic(places.ids, "".join(f"{ids[number]}\n" for number in kept))
    labels = _labels(job, kept)
    if labels:
        output.table(places.labels, [("id", "label"), *labels])
    root = Path(job.inputs.source)
    root = root if root.is_dir() else root.parent
    unread = [(str(root / ids[number]), reason) for number, reason in bad.items()]
    skipped = sorted([*job.inputs.skipped, *unread])
    output.table(places.skipped, [("path", "reason"), *skipped])
    about = job.identity | {
        "file": places.features.name,
        "source": job.inputs.source,
        "rows": rows,
        "width": job.encoder.width,
        "labels": len(labels),
        "skipped": len(skipped),
    }
    files.write_atomic(places.about, json.dumps(about, indent=1) + "\n")
    os.replace(places.part, places.features)
    files.sync(places.features.parent)
    places.progress.unlink()
    return _summary(job, about)


def _labels(job: Job, kept: list[int]) -> list[tuple[str, str]]:
    """(id, label) of the rows whose label is known."""
    labels = job.inputs.labels
    if labels is None:
        return []
    known = [number for number in kept if labels[number]]
    return [(job.inputs.ids[number], labels[number]) for number in known]


def _summary(job: Job, about: dict[str, Any]) -> Summary:
    numbers = (about[key] for key in ("rows", "width", "skipped", "labels"))
    return Summary(job.places, *numbers)
