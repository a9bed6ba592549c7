"""What is done to images before they are learned from."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from gmmal_jax.config.checks import Checked, Count, Moment, Pixels, Positive


@dataclass(frozen=True)
class DataConfig(Checked):
    """How images are normalized, augmented, thinned out and placed."""

    group: ClassVar[str] = "data."

    pad: Pixels = 4
    """Zero padding in pixels before the random crop; 0 switches cropping off."""
    flip: bool = True
    """Random horizontal flips."""
    mean: tuple[Moment, ...] | None = None
    """Subtracted from pixels in [0, 1], one number a channel; None: the published
    ones of the data set, else those of its training part."""
    std: tuple[Positive, ...] | None = None
    """What they are divided by then; None: likewise."""
    placement: Literal["auto", "resident", "streamed"] = "auto"
    """Whole set on the device, or the rows of each chunk sent from the host."""
    class_cap: Count | None = None
    """Rows of a class that stay before a setting thins the classes; None: all."""
    imbalance_ratio: Count = 10
    """Major to minor class size (imbalanced), first to last class (long_tailed)."""
    imbalance_minor: Literal["even", "first_half", "second_half"] = "even"
    """Which classes are minor in the imbalanced setting; the paper does not say."""
