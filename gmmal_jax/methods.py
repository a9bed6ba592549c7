"""The table of methods: name -> learner, query strategy, source, changed settings.

No JAX here: what stands in a table is imported when a method is built (`assembly`).
Installed packages bring methods through the entry-point group `gmmal_jax.methods`; its
objects are `Entry` records.
"""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from gmmal_jax import config as configs, plugins
from gmmal_jax.config import Config, presets
from gmmal_jax.errors import UserError
from gmmal_jax.models import table

GROUP = "gmmal_jax.methods"
"""Entry points of other packages: method's name -> `Entry`."""


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

_TABLES = {"learner": LEARNERS, "query": STRATEGIES}
OPTIONS = {"learner": "--learn", "query": "--query"}

_TEN_THOUSAND: presets.Changes = {
    "select.subset_size": (10_000, "the public code asks among so many random rows")
}

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

OFFICIAL = "official"
"""The preset whose changes are the method's own (`Entry.official`)."""


def resolve(config: Config) -> tuple[str, str]:
    """(learner, strategy) that a configuration names; its network exists, too.

    What others bring is imported, what is ours is not. A part that stands in none of
    our tables goes by the name of the method that brings it.

    Raises:
      UserError: an unknown name, or something that cannot be imported.
    """
    table.check(config.model)
    learn, query = _pair(config.method)
    learn, _ = factory("learner", config.learn or learn)
    query, _ = factory("query", config.query or query)
    return learn, query


def label(config: Config) -> str:
    """How tables and figures call the arm: the method's name, or learner+strategy."""
    name = _named(config) or "+".join(resolve(config))
    return f"{name} with {config.infuse}" if config.infuse else name


def entry(name: str) -> Entry:
    """The method of a name: ours, an installed package's, or "package.module:ENTRY".

    Raises:
      UserError: there is none, or what is there is no `Entry` with a source.
    """
    name = ALIASES.get(name, name)
    return _whole(plugins.load(GROUP, name, METHODS, "--method"), f"--method {name}")


def preset(config: Config, names: Sequence[str]) -> dict[str, object]:
    """Dotted field -> value of presets by name, the method's own among them.

    Args:
      config: its method says what `official` changes.
      names: of `presets.NAMED`, or `official`; later ones win.

    Raises:
      UserError: there is no such preset, or the method has none of its own.
    """
    found: dict[str, object] = {}
    for name in names:
        found |= _official(config) if name == OFFICIAL else presets.named([name])
    return found


def configure(options: Mapping[str, object], names: Sequence[str] = ()) -> Config:
    """The configuration of a new run.

    Later ones win: the paper's values, the data set's preset, what the method changes,
    presets by name, options.

    Args:
      options: dotted field -> value; the data set and the method among them, where they
        are not those of `Config`.
      names: of presets, see `preset`.

    Raises:
      UserError: an unknown name or an impossible value.
    """
    config = _with_parts(Config(), options)
    chosen = presets.changes(config.dataset) | _changes(config)
    return configs.replace(config, **(chosen | preset(config, names) | dict(options)))


def changed(
    config: Config, options: Mapping[str, object], names: Sequence[str] = ()
) -> Config:
    """A configuration with presets by name and, over them, options.

    Args:
      config: such as that of an earlier run.
      options: dotted field -> value.
      names: of presets, see `preset`.

    Raises:
      UserError: an unknown name or an impossible value.
    """
    found = preset(_with_parts(config, options), names)
    after = configs.replace(config, **(found | dict(options)))
    resolve(after)
    return after


def reference(config: Config) -> Config:
    """The arm of random choice beside a method's: without what the method changes."""
    usual = presets.preset(config.dataset)
    undone = {
        field: attrgetter(field)(usual)
        for field, value in _changes(config).items()
        if attrgetter(field)(config) == value
    }
    plain = configs.replace(
        config,
        method="random",
        learn=None,
        query=None,
        infuse=None,
        reference="none",
        select=configs.SelectConfig(),
    )
    return configs.replace(plain, **(undone | _changes(plain)))


def factory(kind: Literal["learner", "query"], name: str) -> tuple[str, Any]:
    """What makes a part: (its name, factory).

    Args:
      kind: of the part.
      name: of ours, of an installed package's method, or "package.module:function".

    Returns:
      The factory is a reference that is not imported yet where it is ours.

    Raises:
      UserError: there is no such part, or it cannot be imported.
    """
    known, option = _TABLES[kind], OPTIONS[kind]
    name = ALIASES.get(name, name)
    found = plugins.load(GROUP, name, known, option)
    if isinstance(found, Part):
        return name, found.make
    if isinstance(found, Entry):
        make = getattr(_whole(found, f"{option} {name}"), kind)
        if make in known:
            return make, known[make].make
        found = plugins.resolve(make, f"{option} {name}")
    if not callable(found):
        remedy = f"name a function that makes one, or one of {', '.join(known)}"
        raise UserError(f"{option} {name} is no function", found, remedy)
    return name, found


def versions(config: Config) -> dict[str, str]:
    """Distribution -> version of the packages that bring what is not ours."""
    named: tuple[tuple[str, str, Mapping[str, Any], str | None], ...] = (
        (GROUP, "--method", METHODS, config.method),
        (GROUP, "--learn", LEARNERS, config.learn),
        (GROUP, "--query", STRATEGIES, config.query),
        (table.GROUP, table.OPTION, table.NETWORKS, config.model),
    )
    return plugins.versions(
        plugins.find(group, name, known, option)
        for group, option, known, name in named
        if name is not None
    )


def names() -> list[str]:
    """Every method: ours, then those of installed packages."""
    return plugins.names(GROUP, METHODS)


def _with_parts(config: Config, options: Mapping[str, object]) -> Config:
    """With those options that say what presets there are."""
    parts = ("dataset", "method", "learn", "query", "model")
    return configs.replace(config, **{k: options[k] for k in parts if k in options})


def _changes(config: Config) -> dict[str, object]:
    name = _named(config)
    return {} if name is None else presets.values(entry(name).changes)


def _official(config: Config) -> dict[str, object]:
    name = _named(config)
    own = {} if name is None else entry(name).official
    if not own:
        having = [each for each in METHODS if METHODS[each].official]
        remedy = f"those that have one: {', '.join(having)}"
        raise UserError(f"--preset {OFFICIAL}: no protocol of its own", name, remedy)
    return presets.values(own)


def _whole(found: Any, what: str) -> Entry:
    if not isinstance(found, Entry):
        remedy = "let it be a gmmal_jax.methods.Entry"
        raise UserError(f"{what} is no method", found, remedy)
    if not found.source.strip():
        remedy = "say in its Entry what it is or where it is from"
        raise UserError(f"{what} has no source", found.source, remedy)
    return found


def _named(config: Config) -> str | None:
    """The method whose parts a configuration's are; None: they are no method's."""
    pair = resolve(config)
    for name in dict.fromkeys((*METHODS, config.method)):
        if _pair(name) == pair:
            return name
    return None


def _pair(name: str) -> tuple[str, str]:
    """Names of a method's parts; those that it brings itself go by its name."""
    name = ALIASES.get(name, name)
    method = entry(name)
    learn = method.learner if method.learner in LEARNERS else name
    return learn, method.query if method.query in STRATEGIES else name
