"""Every setting of a run, with the paper's values as defaults.

No JAX here. Values that cannot work raise UserError with a remedy. Presets of data
sets (and their reasons) are in `presets.py`; `A1`, `A5`, ... name the entries of the
README's table of the paper's contradictions.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from gmmal_jax.errors import UserError


def _require(condition: bool, option: str, value: object, remedy: str) -> None:
    if not condition:
        raise UserError(f"--{option}", value, remedy)


@dataclass(frozen=True)
class DataConfig:
    """How images are augmented, thinned out and placed."""

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
        _require(self.pad >= 0, "data.pad", self.pad, "use 0 or more pixels")
        _require(
            self.imbalance_ratio >= 1,
            "data.imbalance-ratio",
            self.imbalance_ratio,
            "use 1 or more",
        )


@dataclass(frozen=True)
class TrainConfig:
    """Stage 1, supervised (section 4.1, appendix A.1), and the chunk of every stage."""

    epochs: int = 200
    """Passes over the labeled set; rounded up to whole chunks of steps."""
    steps: int | None = None
    """Steps a cycle instead of epochs, whatever the labeled set's size."""
    batch_size: int = 100
    learning_rate: float = 0.1
    """A1: main text 0.1; the appendix says 0.01."""
    decay_at: float = 0.8
    """Share of the steps after which the rate falls (epoch 160 of 200)."""
    decay: float = 0.1
    """Factor of that fall."""
    momentum: float = 0.9
    weight_decay: float = 5e-4
    """On all parameters, before the momentum, as in PyTorch."""
    chunk_steps: int = 50
    """Steps per dispatch: the unit of NaN check, signal check and checkpoint."""
    precision: Literal["float32", "bf16"] = "float32"
    """Of images and feature maps, in training and readouts; parameters, statistics,
    latents, logits, mixtures and critic are float32 with either."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for name in ("epochs", "batch_size", "chunk_steps"):
            value = getattr(self, name)
            _require(value >= 1, f"train.{name}", value, "use 1 or more")
        if self.steps is not None:
            ok = self.steps >= 1 and self.steps % self.chunk_steps == 0
            remedy = f"use a multiple of --train.chunk-steps {self.chunk_steps}"
            _require(ok, "train.steps", self.steps, remedy)
        _require(
            self.learning_rate > 0,
            "train.learning-rate",
            self.learning_rate,
            "use a positive rate",
        )
        _require(
            0 < self.decay_at <= 1,
            "train.decay-at",
            self.decay_at,
            "use a share of the steps in (0, 1]",
        )


@dataclass(frozen=True)
class RegConfig:
    """Reg: the loss on mixture posteriors in stage 1 (section 3.3)."""

    alpha: float = 1e-4
    """Weight of the loss (Table 4)."""
    subset_size: int = 1000
    """Images of the class-balanced subset, shared equally by all classes."""
    variance_floor: float = 1e-2
    """A4: floor of the subset's variances, as a share of their mean over dimensions.
    The loss pulls as 1 / variance: without it one nearly dead feature blows up."""
    batch_norm: Literal["batch", "batch_update", "eval"] = "batch"
    """A11: statistics of the subset's forward pass; only batch_update lets it move
    the running averages (plain PyTorch would)."""
    refit_every: int = 1
    """Steps that share one subset and its mixture; the paper draws one a step."""
    statistics_decay: float = 0.0
    """Share that running class statistics keep at each subset, so that a smaller one
    will do; 0: the paper's, each subset speaks for itself."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        _require(self.alpha >= 0, "reg.alpha", self.alpha, "use 0 or more")
        _require(
            self.subset_size >= 1, "reg.subset-size", self.subset_size, "use 1 or more"
        )
        _require(
            self.variance_floor >= 0,
            "reg.variance-floor",
            self.variance_floor,
            "use 0 or more",
        )
        _require(
            self.refit_every >= 1, "reg.refit-every", self.refit_every, "use 1 or more"
        )
        _require(
            0 <= self.statistics_decay < 1,
            "reg.statistics-decay",
            self.statistics_decay,
            "use a share in [0, 1)",
        )


@dataclass(frozen=True)
class AlignConfig:
    """DA: adversarial alignment in stage 2 (section 3.4)."""

    steps: int = 10_000
    """Alternating iterations: one step of the network, one of the critic."""
    batch_size: int = 100
    """Labeled and as many unlabeled images an iteration."""
    refit_every: int = 500
    """Iterations between refits of the two mixtures."""
    beta: float = 1.0
    """Weight of the adversarial term in the network's loss (A.9)."""
    learning_rate: float = 0.01
    """A14: the network's SGD: stage 1's last rate, fresh momentum."""
    critic_learning_rate: float = 5e-4
    """Adam."""
    decay_at: float = 0.8
    """Share of the steps after which both rates fall (A14: the network's too)."""
    decay: float = 0.1
    hidden: tuple[int, ...] = (512, 512)
    """Widths of the critic's hidden layers."""
    inputs: Literal["latents_mixtures", "latents"] = "latents_mixtures"
    """A34: what the critic sees (Fig. 5 compares the two)."""
    mixture_gradient: bool = True
    """The network's gradient also flows through the critic's mixture columns."""
    output: Literal["sigmoid", "linear"] = "sigmoid"
    penalty_weight: float = 10.0
    """A17."""
    penalty_sides: Literal["one", "two"] = "one"
    """A18: the two-sided penalty stops a sigmoid critic from learning."""
    batch_norm: Literal["separate", "joint"] = "separate"
    """A21: labeled and unlabeled images in two forward passes, or in one."""
    input_norm: Literal["standardize", "per_dim", "none"] = "standardize"
    """A23: scale of the critic's mixture columns."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for name in ("steps", "batch_size", "refit_every"):
            value = getattr(self, name)
            _require(value >= 1, f"da.{name}", value, "use 1 or more")


@dataclass(frozen=True)
class MixtureConfig:
    """The two Gaussian mixtures (section 3.2)."""

    covariance: Literal["diag", "spherical"] = "diag"
    """A3."""
    init: Literal["labeled", "kmeans++", "previous"] = "labeled"
    """A5, A6: where EM starts: the labeled mixture, k-means++, or the last fit."""
    mode: Literal["sharded", "exact"] = "sharded"
    """A7: EM on shards, realigned and averaged (the paper), or on the whole pool."""
    shard_size: int | None = None
    """Rows a shard; None: max(1000, 50 x classes)."""
    average: Literal["count", "equal"] = "count"
    """Weight of a shard's component in the average: its points, or one a shard."""
    labeled_mode: Literal["exact", "sharded"] = "exact"
    """Class statistics of the labeled set at once, or averaged over shards (3.2)."""
    labeled_weights: Literal["frequency", "uniform"] = "frequency"
    """A29."""
    em_iters: int = 10
    variance_floor: float = 1e-4
    """A4: share of the data's variance in each dimension."""
    shrinkage: float = 10.0
    """A4: pseudo-count that pulls class variances to the pooled one; 0: paper."""
    feature_mode: Literal["eval", "train"] = "eval"
    """A22: BatchNorm's mode when the pool is embedded for a refit."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        _require(self.em_iters >= 1, "gmm.em-iters", self.em_iters, "use 1 or more")
        _require(
            self.variance_floor > 0,
            "gmm.variance-floor",
            self.variance_floor,
            "use a positive share, such as 1e-4",
        )
        _require(self.shrinkage >= 0, "gmm.shrinkage", self.shrinkage, "use 0 or more")
        if self.shard_size is not None:
            _require(
                self.shard_size >= 2, "gmm.shard-size", self.shard_size, "use 2 or more"
            )


@dataclass(frozen=True)
class SelectConfig:
    """From scores to a batch of queries (section 3.5; A26)."""

    diversity: Literal["none", "balance", "kmeans", "balance_kmeans"] | None = None
    """Batch construction; None: the method's own (gmm: balance_kmeans)."""
    candidate_factor: int = 3
    """k-means chooses among this many times the rows wanted, by total score."""
    quota: Literal["uniform", "complement"] = "uniform"
    """Equal seats a class, or what makes the labeled set equal."""
    pick: Literal["centroid", "score"] = "centroid"
    """The row of a cluster: nearest to its centroid, or of highest score."""
    subset_size: int | None = None
    """A27: ask only among so many random rows of the pool; None: all."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        _require(
            self.candidate_factor >= 1,
            "select.candidate-factor",
            self.candidate_factor,
            "use 1 or more",
        )
        if self.subset_size is not None:
            _require(
                self.subset_size >= 1,
                "select.subset-size",
                self.subset_size,
                "use 1 or more, or leave it out",
            )


@dataclass(frozen=True)
class CheckpointConfig:
    """When training state is saved."""

    every_seconds: float = 60.0
    """At the first chunk boundary after so long, at a stage's end after a fifth."""
    keep: int = 2
    """Checkpoints kept of the running cycle."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        _require(
            self.every_seconds >= 0,
            "checkpoint.every-seconds",
            self.every_seconds,
            "use 0 (every chunk) or more",
        )
        _require(self.keep >= 1, "checkpoint.keep", self.keep, "use 1 or more")


@dataclass(frozen=True)
class Config:
    """One active-learning run."""

    dataset: str = "cifar10"
    """digits, a TFDS name, folder:PATH, manifest:FILE, npz:PATH, ... (`gmmal datasets`
    lists them)."""
    data_dir: str | None = None
    """Folder of prepared TFDS data sets; None: TFDS's own default."""
    image_size: int | None = None
    """Side in pixels that pictures of folder:, manifest: and tiny_imagenet: are brought
    to, by their shorter side and a centered crop; None: as they are."""
    setting: Literal["balanced", "imbalanced"] = "balanced"
    method: str = "gmm"
    """A named pair of learner and query (`gmmal methods` lists them)."""
    learn: str | None = None
    """Learner in place of the method's: ce, reg, reg_da."""
    query: str | None = None
    """Query strategy in place of the method's."""
    model: Literal["small", "resnet18", "resnet50"] = "resnet18"
    width: int = 64
    """Channels of the network's first stage."""
    seeds: tuple[int, ...] = (0,)
    eval: Literal["test", "validation"] = "test"
    """validation cuts 20 % of the pool; the test part is then never read."""
    cycles: int = 10
    """Trainings; one fewer queries."""
    initial: int = 1000
    """Labels at first, drawn at random."""
    budget: int = 1000
    """Labels bought a cycle."""
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
        for name in ("width", "cycles", "initial", "budget"):
            value = getattr(self, name)
            _require(value >= 1, name, value, "use 1 or more")
        if self.image_size is not None:
            ok = self.image_size >= 1
            _require(ok, "image-size", self.image_size, "use 1 or more pixels")
        _require(len(self.seeds) > 0, "seeds", self.seeds, "name at least one seed")
        distinct = len(set(self.seeds)) == len(self.seeds)
        _require(distinct, "seeds", self.seeds, "name each seed once")
        negative = [seed for seed in self.seeds if seed < 0]
        _require(not negative, "seeds", self.seeds, "use seeds of 0 or more")
        chunk = self.train.chunk_steps
        for name in ("steps", "refit_every"):
            value = getattr(self.da, name)
            remedy = f"use a multiple of --train.chunk-steps {chunk}"
            _require(value % chunk == 0, f"da.{name}", value, remedy)


def to_dict(config: Config) -> dict:
    """The configuration as plain nested values, for JSON."""
    return dataclasses.asdict(config)


def from_dict(values: dict) -> Config:
    """Rebuild a configuration that `to_dict` wrote.

    Raises:
      UserError: a field is unknown or holds an impossible value.
    """
    return _build(Config, values, "")


def _build(cls: Any, values: dict, prefix: str) -> Any:
    fields = {f.name: f for f in dataclasses.fields(cls)}
    kwargs = {}
    for name, value in values.items():
        if name not in fields:
            raise UserError(
                "configuration file", f"{prefix}{name}", "no such field; remove it"
            )
        factory = fields[name].default_factory
        if dataclasses.is_dataclass(factory):
            kwargs[name] = _build(factory, value, f"{prefix}{name}.")
        else:
            kwargs[name] = tuple(value) if isinstance(value, list) else value
    return cls(**kwargs)


def replace(config: Config, **values: object) -> Config:
    """A configuration with dotted fields replaced, all at once.

    Example: `replace(config, **{"train.steps": 300, "model": "small"})`.
    """
    top: dict = {k: v for k, v in values.items() if "." not in k}
    groups: dict[str, dict] = {}
    for name, value in values.items():
        if "." in name:
            group, leaf = name.split(".", 1)
            groups.setdefault(group, {})[leaf] = value
    for group, leaves in groups.items():
        top[group] = dataclasses.replace(getattr(config, group), **leaves)
    return dataclasses.replace(config, **top)
