"""What is done to images before they are learned from."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from gmmal_jax.config.checks import (
    AtLeastZero,
    BelowOne,
    Checked,
    Count,
    Moment,
    Pixels,
    Positive,
)


@dataclass(frozen=True)
class DataConfig(Checked):
    """How images or features are normalized, varied, thinned out and placed."""

    group: ClassVar[str] = "data."

    pad: Pixels = 4
    """Training images are padded by so many zero pixels before a random crop; 0
    switches cropping off."""
    flip: bool = True
    """Training images are mirrored at random, left to right."""
    dropout: BelowOne = 0.0
    """Features: the share of them that is set to zero in training, at random; the
    others grow by as much."""
    noise: AtLeastZero = 0.5
    """Features: the strong view of fixmatch adds Gaussian noise of so many standard
    deviations to them."""
    broken: Literal["refuse", "skip"] = "refuse"
    """Features: rows that hold NaN or infinite numbers are refused in one line, or
    skipped: they are neither trained on nor asked."""
    mean: tuple[Moment, ...] | None = None
    """The mean that is subtracted from pixels in [0, 1], one number a channel, or from
    features, one number each. None: the published one of the data set, else that of
    its training part."""
    std: tuple[Positive, ...] | None = None
    """The standard deviation that they are divided by then. None: as for the mean."""
    placement: Literal["auto", "resident", "streamed"] = "auto"
    """resident sends the whole set to the devices once, streamed sends the rows of each
    chunk of steps, auto decides by size."""
    class_cap: Count | None = None
    """At most so many rows of a class stay, before the setting thins them. None:
    all."""
    imbalance_ratio: Count = 10
    """How many times larger a major class is than a minor one (imbalanced), or the
    first class than the last (long_tailed)."""
    imbalance_minor: Literal["even", "first_half", "second_half"] = "even"
    """The classes that are minor in the imbalanced setting: those of even number, or
    one half. The paper does not say which."""
