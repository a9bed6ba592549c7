"""Where images come from: settings of the data."""

from dataclasses import dataclass
from typing import Literal

from gmmal_jax.config.checks import require


@dataclass(frozen=True)
class DataConfig:
    """Where images come from and how they are augmented."""

    dir: str | None = None
    """Folder of prepared TFDS data sets; None: TFDS's own default."""
    pad: int = 4
    """Zero padding in pixels before the random crop; 0 switches cropping off."""
    flip: bool = True
    """Random horizontal flips."""
    placement: Literal["auto", "resident", "streamed"] = "auto"
    """Whole set on the device, or the rows of each chunk sent from the host."""
    imbalance_ratio: int = 10
    """Major to minor class size in the imbalanced setting (even classes minor)."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        require(self.pad >= 0, "data.pad", self.pad, "use 0 or more pixels")
        require(
            self.imbalance_ratio >= 1,
            "data.imbalance-ratio",
            self.imbalance_ratio,
            "use 1 or more",
        )
