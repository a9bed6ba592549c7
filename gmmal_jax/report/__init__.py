"""What a run found out, for a person: numbers, tables, figures."""

from gmmal_jax.report.runs import Run as Run, load_run as load_run
from gmmal_jax.report.significance import holm as holm
from gmmal_jax.report.statistics import (
    Estimate as Estimate,
    Row as Row,
    estimate as estimate,
    summarise as summarise,
)
from gmmal_jax.report.tables import show as show, table as table
