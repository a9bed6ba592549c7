"""The table of methods: name -> learner, query strategy, source, changed settings.

No JAX here: what stands in a table is imported when a method is built (`assembly`).
Installed packages bring methods through the entry-point group `gmmal_jax.methods`; its
objects are `Entry` records.
"""

from gmmal_jax.methods.choice import (
    GROUP as GROUP,
    OFFICIAL as OFFICIAL,
    OPTIONS as OPTIONS,
    changed as changed,
    configure as configure,
    entry as entry,
    factory as factory,
    label as label,
    names as names,
    preset as preset,
    reference as reference,
    resolve as resolve,
    versions as versions,
)
from gmmal_jax.methods.named import (
    ALIASES as ALIASES,
    METHODS as METHODS,
    Entry as Entry,
)
from gmmal_jax.methods.parts import (
    EXTENSIONS as EXTENSIONS,
    LEARNERS as LEARNERS,
    STRATEGIES as STRATEGIES,
    Part as Part,
)
