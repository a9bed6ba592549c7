"""How far an embedding is, and whether it may be gone on with."""

import os
from typing import IO, Any, NamedTuple

import numpy as np

from gmmal_jax.encoders import output
from gmmal_jax.encoders.base import Encoder
from gmmal_jax.encoders.inputs import Inputs
from gmmal_jax.encoders.output import Places
from gmmal_jax.errors import UserError
from gmmal_jax.storage import files


class Progress(NamedTuple):
    """How far it is.

    Attributes:
      batches: that are on the disk.
      bad: [index of a picture, why it has no row], of these batches.
    """

    batches: int
    bad: list[tuple[int, str]]


class Job(NamedTuple):
    """What is done, and where to."""

    inputs: Inputs
    encoder: Encoder
    places: Places
    dtype: np.dtype[Any]

    @property
    def identity(self) -> dict[str, Any]:
        """All that the bytes depend on."""
        import PIL

        encoder = self.encoder
        return {
            "encoder": {
                "name": encoder.name,
                "sha256": encoder.sha256,
                "trained_on": encoder.trained_on,
                **encoder.form._asdict(),
                "mean": list(encoder.form.mean),
                "std": list(encoder.form.std),
            },
            "precision": str(self.dtype),
            "batch": encoder.batch,
            "computed_by": f"{encoder.runtime}, pillow {PIL.__version__}",
            "images": self.inputs.fingerprint,
        }

    def is_said_by(self, about: dict[str, Any]) -> bool:
        """Whether what is said of features is said of these."""
        return {key: about.get(key) for key in self.identity} == self.identity


def begin(job: Job) -> Progress:
    """What was saved; the part is made where nothing was.

    Raises:
      UserError: of other pictures or another encoder, or damaged.
    """
    places = job.places
    if not places.progress.exists():
        start = Progress(0, [])
        files.write_atomic(places.part, output.header(0, job.encoder.width, job.dtype))
        files.write_atomic(places.progress, _sealed(job, start))
        return start
    begin_anew = f"remove {places.part} and {places.progress} to begin anew"
    try:
        saved = files.unseal(places.progress.read_bytes())
        bad = [(int(index), str(reason)) for index, reason in saved["bad"]]
        progress = Progress(int(saved["batches"]), bad)
        identity = dict(saved["identity"])
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{places.progress}: {error}", None, begin_anew) from None
    _require_same(job, identity, begin_anew)
    there = places.part.stat().st_size if places.part.exists() else 0
    if there < size_of(job, progress):
        what = f"{places.part} is shorter than it was"
        raise UserError(what, None, begin_anew)
    return progress


def save(job: Job, file: IO[bytes], progress: Progress) -> None:
    """Bring rows to the disk, and only then say that they are there."""
    file.flush()
    os.fsync(file.fileno())
    files.write_atomic(job.places.progress, _sealed(job, progress))


def discard(job: Job) -> None:
    """Leave nothing of what cannot be gone on with."""
    job.places.progress.unlink()
    job.places.part.unlink()


def size_of(job: Job, progress: Progress) -> int:
    """Size of the part."""
    read = min(progress.batches * job.encoder.batch, len(job.inputs.ids))
    rows = read - len(progress.bad)
    head = len(output.header(0, job.encoder.width, job.dtype))
    return head + rows * job.encoder.width * job.dtype.itemsize


def _require_same(job: Job, saved: dict[str, Any], begin_anew: str) -> None:
    texts = {
        "encoder": "--encoder, or how it takes pictures, is not what it was",
        "precision": "--precision is not what it was",
        "images": "--images: names, sizes or times are not what they were",
        "batch": "batches are not what they were",
        "computed_by": "what computes is not what it was",
    }
    for key, now in job.identity.items():
        if saved.get(key) != now:
            what = f"{texts[key]} when {job.places.part} was begun"
            if key in ("precision", "computed_by"):
                what += f" ({saved.get(key)}, now {now})"
            raise UserError(what, None, begin_anew)


def _sealed(job: Job, progress: Progress) -> str:
    return files.seal(progress._asdict() | {"identity": job.identity})
