"""Every setting of a run, with the paper's values as defaults.

No JAX here. Values that cannot work raise UserError with a remedy. Presets of data
sets (and their reasons) are in `presets.py`; `A1`, `A5`, ... name the entries of the
table of decisions in docs/design.md.
"""

from gmmal_jax.config.balance import CBALConfig as CBALConfig
from gmmal_jax.config.committees import (
    AdsConfig as AdsConfig,
    SnapshotConfig as SnapshotConfig,
    TodConfig as TodConfig,
)
from gmmal_jax.config.critics import (
    WaalCodeConfig as WaalCodeConfig,
    WaalConfig as WaalConfig,
)
from gmmal_jax.config.data import DataConfig as DataConfig
from gmmal_jax.config.four_ds import FourDsConfig as FourDsConfig
from gmmal_jax.config.generative import (
    TaVaalConfig as TaVaalConfig,
    VaalConfig as VaalConfig,
)
from gmmal_jax.config.graphs import CoreGCNConfig as CoreGCNConfig
from gmmal_jax.config.mixtures import MixtureConfig as MixtureConfig
from gmmal_jax.config.plain import (
    from_dict as from_dict,
    replace as replace,
    to_dict as to_dict,
)
from gmmal_jax.config.queries import (
    AlfaMixConfig as AlfaMixConfig,
    BaldConfig as BaldConfig,
    DropQueryConfig as DropQueryConfig,
    ProbCoverConfig as ProbCoverConfig,
)
from gmmal_jax.config.run import CheckpointConfig as CheckpointConfig, Config as Config
from gmmal_jax.config.selection import (
    FuseConfig as FuseConfig,
    SelectConfig as SelectConfig,
)
from gmmal_jax.config.semi_supervised import (
    FixMatchConfig as FixMatchConfig,
    PseudoLabelConfig as PseudoLabelConfig,
)
from gmmal_jax.config.training import (
    AlignConfig as AlignConfig,
    RegConfig as RegConfig,
    TrainConfig as TrainConfig,
    alignment_steps as alignment_steps,
)
