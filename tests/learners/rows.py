"""The rows of the table of learners, made small for the conformance suites."""

import tiny

from gmmal_jax import assembly, methods, plugins

ODD = {
    "train.batch_size": 9,
    "da.batch_size": 9,
    "vaal.batch_size": 9,
    "ta_vaal.batch_size": 9,
    "waal_code.batch_size": 9,
    "fixmatch.ratio": 3,
    "reg.subset_size": 9,
}
"""Two devices pad such batches: they show what three would.

Each number of devices compiles all steps anew, which takes as long as all other checks
of a learner: 2 to 13 seconds of one core, 70 for the table.
"""

SENSITIVE = {"reg.alpha": 0.1, "fixmatch.threshold": 0.3, "pseudo_label.threshold": 0.3}
"""After a handful of steps each term counts: of three classes one is above 0.3."""


EVERY = sorted(methods.LEARNERS)


def build_of(name):
    config = tiny.config(**ODD, **SENSITIVE)
    make = plugins.resolve(methods.LEARNERS[name].make, name)
    groups = assembly.groups(make, config, name)
    return lambda network: make(network, **groups)
