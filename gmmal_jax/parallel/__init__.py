"""The only room that knows of several devices: meshes, placement, pmap, dispatch."""

from gmmal_jax.parallel.steps import (
    CompiledStep as CompiledStep,
    Gather as Gather,
    Step as Step,
    compile_step as compile_step,
    make_gather as make_gather,
    make_mesh as make_mesh,
    over_chunk as over_chunk,
    over_rows as over_rows,
    place_state as place_state,
    replicated as replicated,
    run_chunk as run_chunk,
)
