"""The table of methods: name -> learner, query strategy, source, changed settings."""

from typing import NamedTuple

from gmmal_jax.config import presets
from gmmal_jax.methods.parts import STRATEGIES


class Entry(NamedTuple):
    """A method.

    Attributes:
      learner: a name of `LEARNERS`, or "package.module:function" as in `Part`.
      query: a name of `STRATEGIES`, or likewise.
      source: what it is or where it is from, in one line.
      changes: dotted field of the configuration -> (value, reason): what the method's
        authors do otherwise. Presets by name and options win over it.
      official: likewise, what only `--preset official` changes: the authors' protocol,
        where all others compare with another one.
      cost: beside random in a cycle: readouts of the pool, and steps.
      state: "as published", "as in its code" where that computes something else, or
        "ours".
    """

    learner: str
    query: str
    source: str
    changes: presets.Changes = {}
    official: presets.Changes = {}
    cost: str = ""
    state: str = "as published"


_TEN_THOUSAND: presets.Changes = {
    "select.subset_size": (10_000, "the public code asks among so many random rows")
}

_CIFAR10 = "their code's settings for CIFAR-10"
_SNAPSHOT: presets.Changes = {
    "snapshot.average": (True, "their code averages the states of the second half"),
    "train.batch_size": (64, _CIFAR10),
    "train.epochs": (200, _CIFAR10),
    "train.learning_rate": (0.01, _CIFAR10),
    "train.momentum": (0.9, _CIFAR10),
    "train.nesterov": (True, _CIFAR10),
    "train.schedule": (
        "swa",
        "as their settings mean it: their program reads other names of them, and "
        "leaves a cycle of all epochs half way",
    ),
    "train.weight_decay": (0.01, _CIFAR10),
}

_CBAL = "what its authors' code trains by"

_OWN = {"ads", "gmm", "predicted_loss", "snapshot", "ta_vaal", "tod", "vaal", "waal"}
"""Strategies whose methods have a learner of their own."""

METHODS: dict[str, Entry] = {
    "gmm": Entry(
        "reg_da",
        "gmm",
        "Distribution Aware Active Learning via Gaussian Mixtures",
        cost="1,000 images more a step; 10,000 steps of 200 images, 21 readouts",
    ),
    **{
        name: Entry("ce", name, STRATEGIES[name].source)
        for name in STRATEGIES
        if name not in _OWN
    },
    **{
        name: Entry(
            "ce",
            name,
            STRATEGIES[name].source,
            official=_TEN_THOUSAND,
            cost="200 steps of a graph network on the pool's latents, at the query",
        )
        for name in ("core_gcn", "uncertain_gcn")
    },
    "core_gcn_code": Entry(
        "ce",
        "core_gcn_code",
        STRATEGIES["core_gcn_code"].source,
        official=_TEN_THOUSAND,
        state="as in its code",
    ),
    "cbal": Entry(
        "ce",
        "cbal",
        STRATEGIES["cbal"].source,
        official={
            "train.batch_size": (256, _CBAL),
            "train.decay": (0.5, _CBAL),
            "train.decay_at": (0.6, f"{_CBAL}: epoch 60 of 100, and 80"),
            "train.decays": (2, "likewise"),
            "train.epochs": (100, _CBAL),
            "train.learning_rate": (0.02, _CBAL),
            "train.nesterov": (True, _CBAL),
            "train.weight_decay": (5e-4, _CBAL),
        },
    ),
    "ll4al": Entry(
        "ll4al",
        "predicted_loss",
        "Learning Loss for Active Learning (Yoo & Kweon, 2019)",
        official=_TEN_THOUSAND,
        cost="a head of three layers in every step",
    ),
    "snapshot": Entry(
        "snapshot",
        "snapshot",
        "snapshots of one run as a committee (Jung et al., 2023)",
        official=_SNAPSHOT,
        cost="a readout of the pool by each of four networks more",
    ),
    "tod": Entry(
        "tod",
        "tod",
        "temporal output discrepancy (Huang et al., 2021)",
        official={
            "select.subset_size": (25_000, "their code asks among half of CIFAR-10"),
            "tod.first_cycle": ("smallest", "what their code asks for at first"),
            "train.init": ("continue", "their networks keep their weights"),
        },
        cost="in every step as many unlabeled images, and both once more forward; "
        "two networks' readouts",
        state="as in its code",
    ),
    "ads": Entry(
        "ads",
        "ads",
        "agreement-discrepancy-selection (Fu et al., 2021)",
        official={
            **_TEN_THOUSAND,
            "ads.weights": ("code", "their code divides by the batch twice"),
            "train.init": ("continue", "their networks keep their weights"),
        },
        cost="200 steps of unlabeled images more an epoch",
    ),
    "vaal": Entry(
        "vaal",
        "vaal",
        "Variational Adversarial Active Learning (Sinha et al., 2019)",
        official=_TEN_THOUSAND,
        cost="17,000 steps of a VAE on 256 images and more with more labels",
        state="as in its code",
    ),
    "ta_vaal": Entry(
        "ta_vaal",
        "ta_vaal",
        "Task-Aware Variational Adversarial Active Learning (Kim et al., 2021)",
        official=_TEN_THOUSAND,
        cost="8,600 steps of a VAE on 256 images and more with more labels",
        state="as in its code",
    ),
    "waal": Entry(
        "waal",
        "waal",
        "Unified and Principled Method for Query and Training (Shui et al., 2020)",
        cost="10,000 steps of 200 images",
    ),
    "waal_code": Entry(
        "waal_code",
        "waal",
        "WAAL as its authors' code has it (Shui et al., 2020)",
        cost="61,000 steps of 128 images, passed twice, in place of its 2,000",
        state="as in its code",
    ),
}
"""Named pairs; every other pair is reached by --learn and --query."""

ALIASES = {"kcenter": "coreset", "learning_loss": "ll4al"}
"""Other names of methods and their parts: what others call them -> what we do."""
