"""All settings of a run, group by group."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from gmmal_jax.config.checks import (
    AtLeastZero,
    Checked,
    Count,
    Seed,
    Side,
    Size,
    option,
    require,
)
from gmmal_jax.config.data import DataConfig
from gmmal_jax.config.mixtures import MixtureConfig
from gmmal_jax.config.selection import SelectConfig
from gmmal_jax.config.training import AlignConfig, RegConfig, TrainConfig

WIDTHS = {"small": 16, "resnet18": 64, "resnet50": 64}
"""Channels of the first stage where no width is given."""
ALIGNMENT_PER_EPOCH = 50
"""Iterations of stage 2 for each epoch of stage 1: A.9's 10,000 for 200."""


@dataclass(frozen=True)
class CheckpointConfig(Checked):
    """When training state is saved."""

    group: ClassVar[str] = "checkpoint."

    every_seconds: AtLeastZero = 60.0
    """At the first chunk boundary after so long, at a stage's end after a fifth."""
    keep: Count = 2
    """Checkpoints kept of the running cycle."""


@dataclass(frozen=True)
class Config(Checked):
    """One active-learning run."""

    dataset: str = "cifar10"
    """digits, a TFDS name, folder:PATH, manifest:FILE, npz:PATH, ... (`gmmal datasets`
    lists them)."""
    data_dir: str | None = None
    """Folder of prepared TFDS data sets; None: TFDS's own default."""
    image_size: Side | None = None
    """Side in pixels that pictures of folder:, manifest: and tiny_imagenet: are brought
    to, by their shorter side and a centered crop; None: as they are."""
    setting: Literal["balanced", "imbalanced", "long_tailed", "mismatch"] = "balanced"
    """Class sizes of the pool; mismatch: the first labels lack 30 % of the classes."""
    method: str = "gmm"
    """A named pair of learner and query (`gmmal methods` lists them)."""
    learn: str | None = None
    """Learner in place of the method's: ce, reg, reg_longer, reg_da."""
    query: str | None = None
    """Query strategy in place of the method's."""
    model: Literal["small", "resnet18", "resnet50"] = "resnet18"
    width: Size | None = None
    """Channels of the network's first stage; None: 64, as usual, and 16 for small."""
    seeds: tuple[Seed, ...] = (0,)
    eval: Literal["test", "validation"] = "test"
    """validation cuts 20 % of the pool; the test part is then never read."""
    cycles: Count = 10
    """Trainings; one fewer queries."""
    initial: Count = 1000
    """Labels at first, drawn at random."""
    budget: Count = 1000
    """Labels bought a cycle."""
    clip_budget: bool = False
    """Drop the last cycles if they want more labels than the pool holds."""
    reference: Literal["random", "none"] = "random"
    """A second arm from the same start, for comparison."""
    out: str | None = None
    """The run's folder; None: runs/DATASET-METHOD-..."""
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    reg: RegConfig = field(default_factory=RegConfig)
    da: AlignConfig = field(default_factory=AlignConfig)
    gmm: MixtureConfig = field(default_factory=MixtureConfig)
    select: SelectConfig = field(default_factory=SelectConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)

    def __post_init__(self) -> None:
        """Refuse impossible values and chunks that straddle a refit."""
        super().__post_init__()
        require(len(self.seeds) > 0, "seeds", self.seeds, "name at least one seed")
        distinct = len(set(self.seeds)) == len(self.seeds)
        require(distinct, "seeds", self.seeds, "name each seed once")
        chunk = self.train.chunk_steps
        for name in ("steps", "refit_every"):
            value = getattr(self.da, name)
            remedy = f"use a multiple of --train.chunk-steps {chunk}"
            whole = value is None or value % chunk == 0
            require(whole, f"da.{option(name)}", value, remedy)
        size = self.select.subset_size
        remedy = f"use --budget {self.budget} or more"
        enough = size is None or size >= self.budget
        require(enough, "select.subset-size", size, remedy)

    @property
    def channels(self) -> int:
        """Of the network's first stage."""
        return self.width or WIDTHS[self.model]

    @property
    def alignment_steps(self) -> int:
        """Iterations of stage 2, whole chunks."""
        chunk = self.train.chunk_steps
        wanted = self.da.steps or ALIGNMENT_PER_EPOCH * self.train.epochs
        return -(-wanted // chunk) * chunk

    def labels_wanted(self) -> int:
        """Labels in the last cycle."""
        return self.initial + (self.cycles - 1) * self.budget
