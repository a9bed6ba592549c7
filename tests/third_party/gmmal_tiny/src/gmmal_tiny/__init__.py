"""Ask where the classifier doubts: a learner and a strategy. No JAX in this file."""

from gmmal_jax.methods import Entry

DOUBT = Entry(
    learner="gmmal_tiny.learner:make",
    query="gmmal_tiny.strategy:make",
    source="an example of a package",
    changes={"select.subset_size": (200, "an example of a setting")},
)
