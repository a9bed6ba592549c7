"""Settings of single query strategies: a group each."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from gmmal_jax.config.checks import BelowOne, Checked, Few, Range, Share

Radius = Annotated[
    float, Range(0, 2, "use a distance of unit vectors: above 0, at most 2", above=True)
]


@dataclass(frozen=True)
class AlfaMixConfig(Checked):
    """ALFA-Mix: which latents change their class when they are mixed with others."""

    group: ClassVar[str] = "alfa_mix."

    mode: Literal["closed_form", "learned"] = "closed_form"
    """How much of a class's mean is mixed in: closed_form follows the gradient at the
    latents themselves, learned looks for shares by a few steps of Adam, which costs
    some hundred times as much."""
    cap: Share | None = None
    """The largest share at first; it is raised by as much again while there are no
    more candidates than labels are asked. None: 0.2 in closed_form, 0.03125 in
    learned, as the authors have them."""


@dataclass(frozen=True)
class BaldConfig(Checked):
    """BALD: what the labels of an image tell of the classifier, by dropout."""

    group: ClassVar[str] = "bald."

    samples: Few = 10
    """The number of dropout masks, each a member of the committee."""
    dropout: BelowOne = 0.5
    """The share of the latents that a mask sets to zero."""


@dataclass(frozen=True)
class DropQueryConfig(Checked):
    """DropQuery: clusters of the images whose class changes under dropout."""

    group: ClassVar[str] = "dropquery."

    masks: Few = 3
    """The number of dropout masks; at least half of them must change the class."""
    dropout: BelowOne = 0.75
    """The share of the latents that a mask sets to zero."""


@dataclass(frozen=True)
class ProbCoverConfig(Checked):
    """ProbCover: balls about latents that cover as much of the pool as possible."""

    group: ClassVar[str] = "probcover."

    radius: Radius | None = None
    """The radius of the balls, as a distance of latents brought to length 1. None: the
    largest one at which 95 % of the balls hold rows of a single cluster, of as many
    clusters as there are classes; it is found anew in each query."""
