"""Settings of the query strategy 4DS."""

from dataclasses import dataclass
from typing import ClassVar

from gmmal_jax.config.checks import Checked, Factor, Size


@dataclass(frozen=True)
class FourDsConfig(Checked):
    """4DS: a mixture classifier's uncertainty, density, diversity and distribution."""

    group: ClassVar[str] = "four_ds."

    components: Size | None = None
    """The number of the mixture's components. None: as many as there are classes."""
    diversity: Factor | None = None
    """The weight of diversity among the four; the other three adapt themselves. None:
    0.05 for each row of a query but the first, at most 0.5."""
