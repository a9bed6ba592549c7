"""All tests run on eight virtual CPU devices, with shapes checked at run time.

With GMMAL_NUDGE=<int> each number that a test draws is left or moved by one unit in
float32's last place, as another processor's rounding might (`benchmarks/
rounded_inputs.py` runs the numeric tests so).
"""

import gc
import os
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_force_host_platform_device_count=8",
        # Compiling is what tests of JAX code spend their time on.
        "--xla_backend_optimization_level=0",
        "--xla_llvm_disable_expensive_passes=true",
    ]
)

import jax  # noqa: E402
import nudge  # noqa: E402
import pytest  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

if os.environ.get("GMMAL_NUDGE"):
    nudge.install(int(os.environ["GMMAL_NUDGE"]))

jax.config.update("jax_numpy_rank_promotion", "raise")
install_import_hook("gmmal_jax", "beartype.beartype")


SLOW = (
    "test_loop", "test_on_gpu", "test_devices", "test_settings", "test_cli",
    "test_third_party", "test_every_learner", "test_contract", "test_adversary",
    "test_reg_memory", "test_em",
)  # fmt: skip
"""Files that take longest: begun first, so that no worker is left alone with one."""


def pytest_collection_modifyitems(items):
    places = {name: place for place, name in enumerate(SLOW)}
    items.sort(key=lambda item: places.get(item.path.stem, len(SLOW)))


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(tmp_path_factory):
    """Programs that several tests compile are compiled once a session.

    In a folder of the session's own: XLA's CPU backend dies of programs for several
    devices that another process left in a cache.
    """
    folder = tmp_path_factory.mktemp("compiled")
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)


MAPS = Path("/proc/self/maps")
MOST_MAPS = 20_000
"""Linux grants a process 65,530 memory maps, a compiled program takes ten: without any
more, compiling, or reading what is compiled, ends the interpreter."""


@pytest.fixture(scope="module", autouse=True)
def few_programs():
    """Compiled programs are given back between files, before they are too many."""
    yield
    if MAPS.exists() and MAPS.read_text().count("\n") > MOST_MAPS:
        jax.clear_caches()
        gc.collect()
