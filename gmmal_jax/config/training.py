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

ALIGNMENT_PER_EPOCH = 50
"""Iterations of stage 2 for each epoch of stage 1: A.9's 10,000 for 200."""


@dataclass(frozen=True)
class TrainConfig(Checked):
    """Stage 1, supervised (section 4.1, appendix A.1), and the chunk of every stage."""

    group: ClassVar[str] = "train."

    epochs: Epochs = 200
    """The number of passes over the labeled set, rounded up to whole chunks of
    steps."""
    steps: Count | None = None
    """The number of steps in a cycle, whatever the labeled set's size. None: epochs
    decide."""
    batch_size: Size = 100
    """The number of labeled images in a step, over all devices."""
    learning_rate: Positive = 0.1
    """The learning rate of SGD: 0.1 in the paper's text, 0.01 in its appendix (A1)."""
    schedule: Literal["step", "onecycle", "swa"] = "step"
    """step lets the learning rate fall; onecycle moves it up and down again by cosines,
    in every step (A.7); swa does so in the first half of the steps, is back after
    another quarter and stays there, as snapshot's authors have it."""
    decay_at: Share = 0.8
    """The share of the steps after which the rate falls: the paper's epoch 160 of
    200."""
    decay: Factor = 0.1
    """The factor by which it falls."""
    decays: Few = 1
    """The number of times that it falls by it, from there on in even distances up to
    the end: two from 0.6 on are those at 60 and 80 %."""
    momentum: BelowOne = 0.9
    """The momentum of SGD."""
    nesterov: bool = False
    """The momentum is Nesterov's, in PyTorch's form."""
    weight_decay: AtLeastZero = 5e-4
    """The weight decay, on all parameters and before the momentum, as in PyTorch."""
    chunk_steps: Few = 50
    """So many steps are sent to the devices at once; between such chunks the loss and
    signals are looked at, and training state is saved."""
    init: Literal["fresh", "continue"] = "fresh"
    """The network that a cycle's training starts from: a new one, as in the paper, or
    that of the cycle before."""
    precision: Literal["float32", "bf16"] = "float32"
    """The numbers that hold images and feature maps, in training and readouts;
    parameters, statistics, latents, logits, mixtures and critic are float32 with
    either."""

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
    """The weight of the loss (Table 4)."""
    subset_size: Size = 1000
    """The number of images of the class-balanced subset, shared equally by all
    classes."""
    variance_floor: AtLeastZero = 1e-2
    """The smallest variance of the subset, as a share of the mean over dimensions. The
    loss pulls as 1 / variance: without a floor one nearly dead feature blows up
    (A4)."""
    batch_norm: Literal["batch", "batch_update", "eval"] = "batch"
    """The statistics of BatchNorm in the subset's forward pass: its own, or the running
    ones (eval). Only batch_update lets it move those, as plain PyTorch would (A11)."""
    refit_every: Count = 1
    """So many steps share one subset and its mixture; the paper draws one a step."""
    statistics_decay: BelowOne = 0.0
    """Running class statistics keep this share at each subset, so that a smaller one
    will do; with 0, as in the paper, each subset speaks for itself."""


@dataclass(frozen=True)
class AlignConfig(Checked):
    """DA: adversarial alignment in stage 2 (section 3.4)."""

    group: ClassVar[str] = "da."

    steps: Count | None = None
    """The number of iterations, each a step of the network and one of the critic. None:
    50 for each epoch of stage 1, which are the paper's 10,000 for its 200."""
    batch_size: Size = 100
    """The number of labeled images in an iteration, and of unlabeled ones."""
    refit_every: Count = 500
    """The number of iterations between refits of the two mixtures (A16)."""
    beta: AtLeastZero = 1.0
    """The weight of the adversarial term in the network's loss (A.9, A12)."""
    learning_rate: Positive = 0.01
    """The learning rate of the network's SGD: stage 1's last one, with fresh momentum
    (A14)."""
    critic_learning_rate: Positive = 5e-4
    """The learning rate of the critic's Adam."""
    decay_at: Share = 0.8
    """The share of the iterations after which both rates fall (A14)."""
    decay: Factor = 0.1
    """The factor by which they fall."""
    hidden: tuple[Size, ...] = (512, 512)
    """The widths of the critic's hidden layers."""
    inputs: Literal["latents_mixtures", "latents"] = "latents_mixtures"
    """What the critic sees: latents with mixture columns, or latents alone; Fig. 5 of
    the paper compares the two (A34)."""
    mixture_gradient: bool = True
    """The network's gradient also flows through the critic's mixture columns."""
    output: Literal["sigmoid", "linear"] = "sigmoid"
    """The critic's last layer ends with a sigmoid, or with none (A24)."""
    penalty_weight: AtLeastZero = 10.0
    """The weight of the gradient penalty in the critic's loss (A17)."""
    penalty_sides: Literal["one", "two"] = "one"
    """The gradient penalty counts slopes above 1 only, or those below as well. The
    two-sided one stops a sigmoid critic from learning (A18)."""
    batch_norm: Literal["separate", "joint"] = "separate"
    """Labeled and unlabeled images pass BatchNorm apart, or as one batch (A21)."""
    input_norm: Literal["standardize", "per_dim", "none"] = "standardize"
    """The scale of the critic's mixture columns: standardized over the pool, divided by
    the number of dimensions, or as they are (A23)."""


def alignment_steps(train: TrainConfig, da: AlignConfig) -> int:
    """Iterations of stage 2, whole chunks."""
    chunk = train.chunk_steps
    wanted = da.steps or ALIGNMENT_PER_EPOCH * train.epochs
    return -(-wanted // chunk) * chunk
