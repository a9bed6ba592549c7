"""All settings of a run, group by group."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from gmmal_jax.config.balance import CBALConfig
from gmmal_jax.config.checks import (
    AtLeastZero,
    Checked,
    Count,
    Positive,
    Seed,
    Side,
    Size,
    option,
    require,
)
from gmmal_jax.config.committees import AdsConfig, SnapshotConfig, TodConfig
from gmmal_jax.config.critics import WaalCodeConfig, WaalConfig
from gmmal_jax.config.data import DataConfig
from gmmal_jax.config.four_ds import FourDsConfig
from gmmal_jax.config.generative import TaVaalConfig, VaalConfig
from gmmal_jax.config.graphs import CoreGCNConfig
from gmmal_jax.config.mixtures import MixtureConfig
from gmmal_jax.config.queries import (
    AlfaMixConfig,
    BaldConfig,
    DropQueryConfig,
    ProbCoverConfig,
)
from gmmal_jax.config.selection import FuseConfig, SelectConfig
from gmmal_jax.config.semi_supervised import FixMatchConfig, PseudoLabelConfig
from gmmal_jax.config.training import AlignConfig, RegConfig, TrainConfig


@dataclass(frozen=True)
class CheckpointConfig(Checked):
    """When training state is saved."""

    group: ClassVar[str] = "checkpoint."

    every_seconds: AtLeastZero = 60.0
    """Training state is saved at the first end of a chunk after so many seconds, and at
    the end of a stage after a fifth of them."""
    keep: Count = 2
    """So many checkpoints of the running cycle are kept."""


@dataclass(frozen=True)
class Config(Checked):
    """One active-learning run."""

    dataset: str = "cifar10"
    """The data set: digits, a TFDS name, folder:PATH, manifest:FILE, npz:PATH,
    npy:DIR, features:PATH or tiny_imagenet:DIR; `gmmal datasets` lists them."""
    data_dir: str | None = None
    """The folder of prepared TFDS data sets. None: TFDS's own default."""
    image_size: Side | None = None
    """Pictures of folder:, manifest: and tiny_imagenet: are brought to squares of so
    many pixels a side: the shorter side is scaled, then the center is cut out. None:
    they stay as they are."""
    labels: str | None = None
    """The labels of features:, a .csv with the columns id and label or a .npy of class
    numbers. None: those within, or labels.csv or labels.npy beside the features."""
    setting: Literal["balanced", "imbalanced", "long_tailed", "mismatch"] = "balanced"
    """The class sizes of the pool. In mismatch they are the data's own, but the first
    labels lack 30 % of the classes."""
    method: str = "gmm"
    """The method, a named pair of learner and query strategy; `gmmal methods` lists
    them."""
    learn: str | None = None
    """The learner in place of the method's: a name that `gmmal methods` lists, or
    package.module:function. None: the method's."""
    query: str | None = None
    """The query strategy in place of the method's: a name that `gmmal methods` lists,
    or package.module:function. None: the method's."""
    infuse: Literal["gmm"] | None = None
    """What the discriminator of ta_vaal or waal sees beside its own input: gmm are the
    critic's columns of two mixtures, of labeled and of unlabeled latents. None:
    nothing."""
    model: str = "resnet18"
    """The task network: small, resnet18, resnet50, for features linear or mlp, the name
    of an installed package's, or package.module:function."""
    width: Size | None = None
    """The channels of the network's first stage, the hidden units of mlp. None: the
    network's own, 16 for small, 64 for the other two, 256 for mlp."""
    seeds: tuple[Seed, ...] = (0,)
    """The seeds: the run is done once for each of them."""
    eval: Literal["test", "validation"] = "test"
    """The part that accuracy is measured on. With validation it is 20 % of the training
    part, set aside for it, and the test part is never read."""
    cycles: Count = 10
    """The number of trainings; there is one query fewer."""
    initial: Count = 1000
    """The number of labels at first, drawn at random; in the mismatch setting, among
    the classes that it starts with."""
    budget: Count = 1000
    """The number of labels bought in a cycle."""
    clip_budget: bool = False
    """Drop the last cycles if they want more labels than the pool holds."""
    reference: Literal["random", "none"] = "random"
    """A second arm from the same start, for comparison: random choice, or none."""
    out: str | None = None
    """The run's folder. None: a new one in runs/, named after data set, method and
    time."""
    memory_gb: Positive | None = None
    """The memory that the process takes at most, in GB (10^9 bytes): what does not fit
    is read again where it is needed, and pictures that are mapped from files (npy:) are
    not held and do not count. None: all that is computed of the pool is held."""
    data: DataConfig = field(default_factory=DataConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    reg: RegConfig = field(default_factory=RegConfig)
    da: AlignConfig = field(default_factory=AlignConfig)
    gmm: MixtureConfig = field(default_factory=MixtureConfig)
    select: SelectConfig = field(default_factory=SelectConfig)
    ads: AdsConfig = field(default_factory=AdsConfig)
    alfa_mix: AlfaMixConfig = field(default_factory=AlfaMixConfig)
    bald: BaldConfig = field(default_factory=BaldConfig)
    cbal: CBALConfig = field(default_factory=CBALConfig)
    core_gcn: CoreGCNConfig = field(default_factory=CoreGCNConfig)
    dropquery: DropQueryConfig = field(default_factory=DropQueryConfig)
    fixmatch: FixMatchConfig = field(default_factory=FixMatchConfig)
    four_ds: FourDsConfig = field(default_factory=FourDsConfig)
    fuse: FuseConfig = field(default_factory=FuseConfig)
    probcover: ProbCoverConfig = field(default_factory=ProbCoverConfig)
    pseudo_label: PseudoLabelConfig = field(default_factory=PseudoLabelConfig)
    snapshot: SnapshotConfig = field(default_factory=SnapshotConfig)
    ta_vaal: TaVaalConfig = field(default_factory=TaVaalConfig)
    tod: TodConfig = field(default_factory=TodConfig)
    vaal: VaalConfig = field(default_factory=VaalConfig)
    waal: WaalConfig = field(default_factory=WaalConfig)
    waal_code: WaalCodeConfig = field(default_factory=WaalCodeConfig)
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
        remedy = f"use {self.budget} (--budget) or more"
        enough = size is None or size >= self.budget
        require(enough, "select.subset-size", size, remedy)

    def labels_wanted(self) -> int:
        """Labels in the last cycle."""
        return self.initial + (self.cycles - 1) * self.budget
