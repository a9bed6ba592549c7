"""Stages 1 and 2: settings of training."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from gmmal_jax.config.checks import (
    AtLeastZero,
    BelowOne,
    Checked,
    Count,
    Epochs,
    Factor,
    Few,
    Positive,
    Share,
    Size,
    require,
)


@dataclass(frozen=True)
class TrainConfig(Checked):
    """Stage 1, supervised (section 4.1, appendix A.1), and the chunk of every stage."""

    group: ClassVar[str] = "train."

    epochs: Epochs = 200
    """Passes over the labeled set; rounded up to whole chunks of steps."""
    steps: Count | None = None
    """Steps a cycle instead of epochs, whatever the labeled set's size."""
    batch_size: Size = 100
    learning_rate: Positive = 0.1
    """A1: main text 0.1; the appendix says 0.01."""
    schedule: Literal["step", "onecycle"] = "step"
    """onecycle (A.7): up to the learning rate and down again by cosines, each step."""
    decay_at: Share = 0.8
    """Share of the steps after which the step schedule falls (epoch 160 of 200)."""
    decay: Factor = 0.1
    """Factor of that fall."""
    momentum: BelowOne = 0.9
    weight_decay: AtLeastZero = 5e-4
    """On all parameters, before the momentum, as in PyTorch."""
    chunk_steps: Few = 50
    """Steps per dispatch: the unit of NaN check, signal check and checkpoint."""
    precision: Literal["float32", "bf16"] = "float32"
    """Of images and feature maps, in training and readouts; parameters, statistics,
    latents, logits, mixtures and critic are float32 with either."""

    def __post_init__(self) -> None:
        """Refuse impossible values, and steps that are no whole chunks."""
        super().__post_init__()
        whole = self.steps is None or self.steps % self.chunk_steps == 0
        remedy = f"use a multiple of --train.chunk-steps {self.chunk_steps}"
        require(whole, "train.steps", self.steps, remedy)


@dataclass(frozen=True)
class RegConfig(Checked):
    """Reg: the loss on mixture posteriors in stage 1 (section 3.3)."""

    group: ClassVar[str] = "reg."

    alpha: AtLeastZero = 1e-4
    """Weight of the loss (Table 4)."""
    subset_size: Size = 1000
    """Images of the class-balanced subset, shared equally by all classes."""
    variance_floor: AtLeastZero = 1e-2
    """A4: floor of the subset's variances, as a share of their mean over dimensions.
    The loss pulls as 1 / variance: without it one nearly dead feature blows up."""
    batch_norm: Literal["batch", "batch_update", "eval"] = "batch"
    """A11: statistics of the subset's forward pass; only batch_update lets it move
    the running averages (plain PyTorch would)."""
    refit_every: Count = 1
    """Steps that share one subset and its mixture; the paper draws one a step."""
    statistics_decay: BelowOne = 0.0
    """Share that running class statistics keep at each subset, so that a smaller one
    will do; 0: the paper's, each subset speaks for itself."""


@dataclass(frozen=True)
class AlignConfig(Checked):
    """DA: adversarial alignment in stage 2 (section 3.4)."""

    group: ClassVar[str] = "da."

    steps: Count | None = None
    """Alternating iterations: one step of the network, one of the critic. None: 50 for
    each epoch of stage 1, the paper's 10,000 for its 200."""
    batch_size: Size = 100
    """Labeled and as many unlabeled images an iteration."""
    refit_every: Count = 500
    """Iterations between refits of the two mixtures."""
    beta: AtLeastZero = 1.0
    """Weight of the adversarial term in the network's loss (A.9)."""
    learning_rate: Positive = 0.01
    """A14: the network's SGD: stage 1's last rate, fresh momentum."""
    critic_learning_rate: Positive = 5e-4
    """Adam."""
    decay_at: Share = 0.8
    """Share of the steps after which both rates fall (A14: the network's too)."""
    decay: Factor = 0.1
    hidden: tuple[Size, ...] = (512, 512)
    """Widths of the critic's hidden layers."""
    inputs: Literal["latents_mixtures", "latents"] = "latents_mixtures"
    """A34: what the critic sees (Fig. 5 compares the two)."""
    mixture_gradient: bool = True
    """The network's gradient also flows through the critic's mixture columns."""
    output: Literal["sigmoid", "linear"] = "sigmoid"
    penalty_weight: AtLeastZero = 10.0
    """A17."""
    penalty_sides: Literal["one", "two"] = "one"
    """A18: the two-sided penalty stops a sigmoid critic from learning."""
    batch_norm: Literal["separate", "joint"] = "separate"
    """A21: labeled and unlabeled images in two forward passes, or in one."""
    input_norm: Literal["standardize", "per_dim", "none"] = "standardize"
    """A23: scale of the critic's mixture columns."""
