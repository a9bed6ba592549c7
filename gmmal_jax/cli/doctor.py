"""Checks of an installation, for `gmmal doctor` and the first line of a run."""

import importlib.util
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from gmmal_jax import methods, plugins
from gmmal_jax.errors import UserError
from gmmal_jax.models import table

PACKAGES = (
    "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scipy",
    "tensorflow-datasets", "scikit-learn", "rich", "matplotlib", "pillow",
)  # fmt: skip


_TRIED_BYTES = 2**16
"""About the size of a compiled program: a full disk takes no such file."""
_SENT_BYTES, _SENT = 16 * 2**20, "16 MiB"
_TIMES = 5
_NO_PLACE = "compiled programs are not kept; set JAX_COMPILATION_CACHE_DIR"
NO_CACHE = f"no home folder: {_NO_PLACE}"


class Processor(NamedTuple):
    """What computes where no accelerator does.

    Attributes:
      model: its name.
      vectors: its vector units' flags, sorted; speed and XLA's rounding depend on
        them. Empty where the system does not tell.
    """

    model: str
    vectors: tuple[str, ...]


def processor() -> Processor:
    """This machine's."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return Processor(platform.processor() or platform.machine(), ())
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    fields = {name.strip(): value.strip() for name, value in pairs}
    flags = fields.get("flags", "").split()
    vectors = tuple(sorted(flag for flag in flags if flag.startswith(("avx", "fma"))))
    return Processor(fields.get("model name", platform.machine()), vectors)


def device_line() -> str:
    """Which devices a run would use.

    Raises:
      UserError: see `devices.local`.
    """
    import jax

    from gmmal_jax import devices
    from gmmal_jax.parallel import hosts

    found = devices.local()
    kinds = sorted({device.device_kind for device in found})
    cores = f", {os.cpu_count()} cores" if found[0].platform == "cpu" else ""
    several = f" in each of {hosts.num()} processes" if hosts.num() > 1 else ""
    what = f"{len(found)} x {', '.join(kinds)}{several}{cores}"
    return f"device: {what} (jax {jax.__version__})"


def unused_accelerator() -> str | None:
    """The command that puts an idle GPU or TPU to use; None where nothing is idle."""
    import jax

    if jax.default_backend() != "cpu" or os.environ.get("JAX_PLATFORMS") == "cpu":
        return None
    if Path("/dev/nvidia0").exists() or Path("/proc/driver/nvidia/version").exists():
        return "an NVIDIA GPU is here and unused: pip install '.[cuda13]' (or cuda12)"
    if Path("/dev/accel0").exists() or Path("/dev/vfio/0").exists():
        return "a TPU may be here and unused: pip install '.[tpu]'"
    return None


def report(cache_folder: str | None) -> Iterator[tuple[bool, str]]:
    """Findings, one a line: (is it well, what it says).

    Args:
      cache_folder: of the compilation cache; None: there is no place for one.
    """
    yield True, f"python {platform.python_version()} on {platform.platform()}"
    model, vectors = processor()
    yield True, f"processor: {' '.join((model, *vectors))}"
    for package in PACKAGES:
        try:
            yield True, f"{package} {version(package)}"
        except PackageNotFoundError:
            yield False, f"{package} is missing: pip install {package}"
    for name, package in plugins.installed(methods.GROUP):
        try:
            methods.entry(name)
            yield True, f"method {name}: {package}"
        except UserError as error:
            yield False, f"{error} ({package})"
    for name, package in plugins.installed(table.GROUP):
        yield True, f"network {name}: {package}"
    if importlib.util.find_spec("tensorflow"):
        yield True, "tensorflow is installed; gmmal_jax never imports it"
    yield from _devices()
    yield _writable(cache_folder)


def crew() -> Iterator[tuple[bool, str]]:
    """Findings on several processes: who they are, how quickly they agree."""
    import jax
    import numpy as np

    from gmmal_jax.parallel import hosts

    yield hosts.num() > 1, f"{hosts.num()} processes; this is number {hosts.own()}"
    counts = hosts.agreed([jax.local_device_count()])[:, 0].tolist()
    yield len(set(counts)) == 1, f"devices of each: {', '.join(map(str, counts))}"
    numbers = np.zeros(_SENT_BYTES // 4, np.float32)
    for name, do in (
        ("a barrier", lambda: hosts.agreed([0])),
        (f"a broadcast of {_SENT}", lambda: hosts.from_lead(numbers)),
        (f"a gather of {_SENT} each", lambda: hosts.gathered(numbers)),
    ):
        yield True, f"{name}: {_milliseconds(do):.1f} ms"


def _milliseconds(do: Callable[[], object]) -> float:
    """The median of some, after the one that compiles."""
    do()
    spent = []
    for _ in range(_TIMES):
        began = time.perf_counter()
        do()
        spent.append(1000 * (time.perf_counter() - began))
    return statistics.median(spent)


def _devices() -> Iterator[tuple[bool, str]]:
    try:
        yield True, device_line()
        _require_jit()
    except UserError as error:
        yield False, str(error)
        return
    remedy = unused_accelerator()
    if remedy:
        yield False, remedy
    yield _computes()


def _require_jit() -> None:
    from gmmal_jax import switches

    switches.require_jit()


def _computes() -> tuple[bool, str]:
    import jax.numpy as jnp
    import numpy as np

    from gmmal_jax import numerics

    with _without_cache():  # whether it can be written to is another question
        matrix = jnp.asarray(np.linspace(0, 1, 2**16).reshape(256, 256), jnp.float32)
        product = numerics.matmul(matrix, matrix)
    exact = np.asarray(matrix, np.float64) @ np.asarray(matrix, np.float64)
    error = float(np.max(np.abs(np.asarray(product) - exact) / exact.max()))
    return error < 1e-5, f"matrix product in float32: relative error {error:.1e}"


@contextmanager
def _without_cache() -> Iterator[None]:
    import jax

    before = getattr(jax.config, "jax_compilation_cache_dir")  # noqa: B009
    update: Callable[[str, object], None] = jax.config.update
    update("jax_compilation_cache_dir", None)
    try:
        yield
    finally:
        update("jax_compilation_cache_dir", before)


def _writable(folder: str | None) -> tuple[bool, str]:
    if folder is None:
        return False, NO_CACHE
    trouble = no_place(folder)
    return not trouble, f"compilation cache {folder}: {trouble or 'writable'}"


def no_place(folder: str) -> str | None:
    """Why compiled programs find no place in a folder, which is made; None: they do."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_TRIED_BYTES))
    except OSError as error:
        return f"{error.strerror}; {_NO_PLACE}"
    return None
