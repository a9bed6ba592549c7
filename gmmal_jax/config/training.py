"""Stages 1 and 2: settings of training."""

from dataclasses import dataclass
from typing import Literal

from gmmal_jax.config.checks import require


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
            require(value >= 1, f"train.{name}", value, "use 1 or more")
        if self.steps is not None:
            ok = self.steps >= 1 and self.steps % self.chunk_steps == 0
            remedy = f"use a multiple of --train.chunk-steps {self.chunk_steps}"
            require(ok, "train.steps", self.steps, remedy)
        require(
            self.learning_rate > 0,
            "train.learning-rate",
            self.learning_rate,
            "use a positive rate",
        )
        require(
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
        require(self.alpha >= 0, "reg.alpha", self.alpha, "use 0 or more")
        require(
            self.subset_size >= 1, "reg.subset-size", self.subset_size, "use 1 or more"
        )
        require(
            self.variance_floor >= 0,
            "reg.variance-floor",
            self.variance_floor,
            "use 0 or more",
        )
        require(
            self.refit_every >= 1, "reg.refit-every", self.refit_every, "use 1 or more"
        )
        require(
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
            require(value >= 1, f"da.{name}", value, "use 1 or more")
