"""What methods are made of: learners, extensions and query strategies, by name."""

from typing import NamedTuple


class Part(NamedTuple):
    """A learner, an extension or a query strategy.

    Attributes:
      make: "package.module:function". Its parameters name what it is given: `network`
        (not queries), groups of settings (fields of `Config`, such as data, train,
        select or its own), and `infuse` where it has a discriminator that takes the
        columns which that names.
      source: what it is or where it is from, in one line.
      gives: names of the columns for which an extension is added.
    """

    make: str
    source: str
    gives: frozenset[str] = frozenset()


LEARNERS: dict[str, Part] = {
    "ce": Part("gmmal_jax.learners.ce:make", "cross-entropy alone"),
    "reg": Part("gmmal_jax.learners.reg:make", "stage 1 of the paper (section 3.3)"),
    "reg_longer": Part(
        "gmmal_jax.learners.reg_longer:make", "ours: Reg, then DA's steps without DA"
    ),
    "reg_da": Part(
        "gmmal_jax.learners.reg_da:make", "the paper's stages 1 and 2 (Algorithm 1)"
    ),
    "ll4al": Part(
        "gmmal_jax.learners.ll4al:make", "cross-entropy and a head that ranks losses"
    ),
    "snapshot": Part(
        "gmmal_jax.learners.snapshot:make",
        "cross-entropy, and a committee of earlier states (Jung et al., 2023)",
    ),
    "tod": Part(
        "gmmal_jax.learners.tod:make",
        "semi-supervised: near to its own moving average (Huang et al., 2021)",
    ),
    "ads": Part(
        "gmmal_jax.learners.ads:make",
        "semi-supervised: two heads that agree or part (Fu et al., 2021)",
    ),
    "vaal": Part(
        "gmmal_jax.learners.vaal:make",
        "cross-entropy, then a VAE and a discriminator (Sinha et al., 2019)",
    ),
    "ta_vaal": Part(
        "gmmal_jax.learners.ta_vaal:make",
        "cross-entropy and a ranker, then VAAL's networks (Kim et al., 2021)",
    ),
    "fixmatch": Part(
        "gmmal_jax.learners.fixmatch:make",
        "pseudo-labels of weak views, learned on strong ones (Sohn et al., 2020)",
    ),
    "pseudo_label": Part(
        "gmmal_jax.learners.pseudo_label:make",
        "cross-entropy, also with its own confident labels (Lee, 2013)",
    ),
    "waal": Part(
        "gmmal_jax.learners.waal:make",
        "cross-entropy, then against WAAL's critic (Shui et al., 2020)",
    ),
    "waal_code": Part(
        "gmmal_jax.learners.waal_code:make",
        "WAAL as its code trains: steep slopes rewarded (Shui et al., 2020)",
    ),
}
"""Training recipes."""

EXTENSIONS: dict[str, Part] = {
    "critic": Part(
        "gmmal_jax.phases.critics:alone",
        "ours: the paper's critic alone",
        frozenset({"critic", "log_likelihood_labeled", "log_likelihood_unlabeled"}),
    ),
    "snapshot": Part(
        "gmmal_jax.phases.snapshots:committee",
        "the network's states in its last phase (Jung et al., 2023)",
        frozenset({"member_logits"}),
    ),
    "vaal": Part(
        "gmmal_jax.phases.vaal:make",
        "a VAE and a discriminator (Sinha et al., 2019)",
        frozenset({"looks_unlabeled"}),
    ),
    "ta_vaal": Part(
        "gmmal_jax.phases.ta_vaal:make",
        "a ranker, a VAE and a discriminator (Kim et al., 2021)",
        frozenset({"looks_unlabeled_by_rank"}),
    ),
}
"""What any learner is extended by where a query needs columns that it lacks."""

STRATEGIES: dict[str, Part] = {
    "gmm": Part("gmmal_jax.strategies.gmm:make", "the paper's query (section 3.5)"),
    "random": Part("gmmal_jax.strategies.random:make", "uniform choice"),
    "entropy": Part(
        "gmmal_jax.strategies.uncertainty:entropy",
        "largest predictive entropy (Shannon, 1948)",
    ),
    "margin": Part(
        "gmmal_jax.strategies.uncertainty:margin",
        "smallest gap of the two best classes (Roth & Small, 2006)",
    ),
    "least_confidence": Part(
        "gmmal_jax.strategies.uncertainty:least_confidence",
        "smallest best probability (Lewis & Gale, 1994)",
    ),
    "coreset": Part(
        "gmmal_jax.strategies.coreset:make",
        "rows that cover the pool: greedy k-center (Sener & Savarese, 2018)",
    ),
    "badge": Part(
        "gmmal_jax.strategies.badge:make",
        "large gradients unlike one another: k-means++ (Ash et al., 2020)",
    ),
    "kmeans": Part(
        "gmmal_jax.strategies.kmeans:make", "a row of each cluster of the pool"
    ),
    "typiclust": Part(
        "gmmal_jax.strategies.typiclust:make",
        "typical rows of clusters with fewest labels (Hacohen et al., 2022)",
    ),
    "core_gcn": Part(
        "gmmal_jax.strategies.core_gcn:make",
        "k-center in a graph network's hidden layer (Caramalau et al., 2021)",
    ),
    "core_gcn_code": Part(
        "gmmal_jax.strategies.core_gcn:code",
        "k-center on latents of length 1: core_gcn as run by TA-VAAL's code "
        "(Kim et al., 2021)",
    ),
    "uncertain_gcn": Part(
        "gmmal_jax.strategies.core_gcn:uncertain",
        "rows that a graph network takes for hardly labeled (Caramalau et al., 2021)",
    ),
    "cbal": Part(
        "gmmal_jax.strategies.cbal:make",
        "entropy, or k-center, with balanced classes (Bengar et al., 2022)",
    ),
    "four_ds": Part(
        "gmmal_jax.strategies.four_ds:make",
        "uncertain, dense and diverse rows where a mixture lacks labels "
        "(Reitmaier & Sick, 2013)",
    ),
    "bald": Part(
        "gmmal_jax.strategies.bald:make",
        "largest disagreement under dropout (Houlsby et al., 2011)",
    ),
    "dropquery": Part(
        "gmmal_jax.strategies.dropquery:make",
        "clusters of rows that dropout changes (Gupte et al., 2024)",
    ),
    "probcover": Part(
        "gmmal_jax.strategies.probcover:make",
        "balls that cover most of the pool (Yehuda et al., 2022)",
    ),
    "alfa_mix": Part(
        "gmmal_jax.strategies.alfa_mix:make",
        "clusters of rows that mixed latents change (Parvaneh et al., 2022)",
    ),
    "predicted_loss": Part(
        "gmmal_jax.strategies.predicted_loss:make", "largest predicted loss"
    ),
    "snapshot": Part(
        "gmmal_jax.strategies.snapshot:make",
        "least agreement of a network's earlier states (Jung et al., 2023)",
    ),
    "tod": Part(
        "gmmal_jax.strategies.tod:make",
        "predictions that changed most since the last cycle (Huang et al., 2021)",
    ),
    "ads": Part(
        "gmmal_jax.strategies.ads:make",
        "largest mean entropy of two heads (Fu et al., 2021)",
    ),
    "vaal": Part(
        "gmmal_jax.strategies.looks_unlabeled:vaal",
        "rows that a discriminator takes for unlabeled by a VAE (Sinha et al., 2019)",
    ),
    "ta_vaal": Part(
        "gmmal_jax.strategies.looks_unlabeled:ta_vaal",
        "likewise, of one that knows their predicted loss (Kim et al., 2021)",
    ),
    "waal": Part(
        "gmmal_jax.strategies.waal:make",
        "uncertain, and unlabeled to the critic (Shui et al., 2020)",
    ),
}
"""Query strategies."""
