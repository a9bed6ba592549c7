"""Some cases of the faults of `benchmarks/faults.py` that no other test has."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environment

SCRIPT = Path(__file__).parents[2] / "benchmarks/faults.py"
FAULTS = ("disk full at every write", "folder turns read-only", "clock jumps back")


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    path = tmp_path_factory.mktemp("faults") / "found.json"
    command = [sys.executable, SCRIPT, "--some", "--json", path, "--only", *FAULTS]
    found = subprocess.run(
        command, env=environment(JAX_PLATFORMS="cpu"), capture_output=True, text=True
    )
    rows = json.loads(path.read_text())["tables"][0]["rows"] if path.exists() else []
    return {row["fault"]: row for row in rows}, found.stdout + found.stderr


@pytest.mark.parametrize("fault", FAULTS)
def test_it_is_borne(fault, done):
    rows, said = done
    assert fault in rows, said
    if not rows[fault]["cases"]:
        pytest.skip(rows[fault]["expected"])
    assert rows[fault]["as expected"] == rows[fault]["cases"], said
