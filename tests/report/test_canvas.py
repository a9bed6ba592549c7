"""What a user has set for Matplotlib changes no figure and ends none."""

import os
import subprocess
import sys

import matplotlib
import pytest
from matplotlib.figure import Figure

from gmmal_jax.report import canvas

SCRIPT = """
import sys
from gmmal_jax.report import canvas

def draw():
    from matplotlib.figure import Figure
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([1, 2], label="x")
    return figure

canvas.save(draw, sys.argv[1])
"""
LOUD = """
font.size: 30
savefig.bbox: tight
savefig.dpi: 20
lines.linewidth: 9
text.usetex: True
svg.fonttype: path
"""


def drawn(folder, name, **settings):
    """PNG and SVG of a process with such an environment."""
    known = {k: v for k, v in os.environ.items() if not k.startswith(("MPL", "MATPL"))}
    command = [sys.executable, "-c", SCRIPT, str(folder / name)]
    done = subprocess.run(
        command, env=known | settings, cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [(folder / f"{name}.{end}").read_bytes() for end in ("png", "svg")]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("plain"), "plain")


@pytest.mark.parametrize(
    "backend", ["module://matplotlib_inline.backend_inline", "nonsense", "TkAgg", "pdf"]
)
def test_no_backend_of_the_user_is_used(tmp_path, plain, backend):
    assert drawn(tmp_path, "a", MPLBACKEND=backend) == plain


@pytest.mark.parametrize("text", [LOUD, "backend: nonsense", "no setting at all"])
def test_no_settings_file_of_the_user_is_read(tmp_path, plain, text):
    (tmp_path / "matplotlibrc").write_text(text)  # also the folder one is in
    assert drawn(tmp_path, "a") == plain
    assert drawn(tmp_path, "b", MATPLOTLIBRC=str(tmp_path / "matplotlibrc")) == plain


def test_settings_made_in_the_process_are_left_and_given_back(tmp_path):
    def draw():
        figure = Figure(figsize=(2, 1))
        figure.add_subplot().plot([1, 2])
        return figure

    before = [path.read_bytes() for path in canvas.save(draw, tmp_path / "before")]
    with matplotlib.rc_context({"font.size": 40, "figure.facecolor": "red"}):
        again = [path.read_bytes() for path in canvas.save(draw, tmp_path / "again")]
        assert matplotlib.rcParams["font.size"] == 40
    assert again == before


def test_no_two_of_28_curves_look_alike():
    looks = [tuple(canvas.look(place).items()) for place in range(28)]
    assert len(set(looks)) == 28
    assert canvas.REFERENCE not in {color for (_, color), *_ in looks}
