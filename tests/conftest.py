"""All tests run on eight virtual CPU devices, with shapes checked at run time.

With GMMAL_NUDGE=<int> each number that a test draws is left or moved by one unit in
float32's last place, as another processor's rounding might (`benchmarks/
rounded_inputs.py` runs the numeric tests so).
"""

import os

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
    """Programs are kept for the processes that tests start, never for the tests' own.

    XLA's CPU backend dies now and then of keeping, or of finding, a program that was
    mapped over its devices (jaxlib 0.10.2).
    """
    jax.config.update("jax_enable_compilation_cache", False)
    folder = tmp_path_factory.mktemp("compiled")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
