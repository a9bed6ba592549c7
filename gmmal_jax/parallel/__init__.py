"""The only room that knows of several devices: meshes, placement, pmap, dispatch."""

from gmmal_jax.parallel.gather import placed as placed
from gmmal_jax.parallel.meshes import (
    make_mesh as make_mesh,
    over_chunk as over_chunk,
    over_rows as over_rows,
    place_state as place_state,
    replicated as replicated,
)
from gmmal_jax.parallel.steps import (
    CompiledStep as CompiledStep,
    Step as Step,
    compile_step as compile_step,
    run_chunk as run_chunk,
)
