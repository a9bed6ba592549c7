"""The only room that knows of several devices: meshes, placement, pmap, dispatch."""

from gmmal_jax.parallel import hosts as hosts
from gmmal_jax.parallel.gather import placed as placed
from gmmal_jax.parallel.meshes import (
    all_devices as all_devices,
    make_mesh as make_mesh,
    num_shares as num_shares,
    over_chunk as over_chunk,
    over_rows as over_rows,
    own_shares as own_shares,
    place_state as place_state,
    replicated as replicated,
    team as team,
)
from gmmal_jax.parallel.steps import (
    CompiledStep as CompiledStep,
    Step as Step,
    compile_step as compile_step,
    run_chunk as run_chunk,
)
