"""What a run found out, for a person: numbers, tables, figures."""

from gmmal_jax.report.tables import (
    Estimate as Estimate,
    Row as Row,
    Run as Run,
    load_run as load_run,
    summarise as summarise,
    table as table,
)
