"""Canvases and settings of our own: no figure depends on what the user's would be."""

import contextlib
import importlib.util
import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gmmal_jax.storage import files

_SETTINGS: Any = {
    # No random ids in the SVG; text stays text, to be searched.
    "svg.hashsalt": "gmmal",
    "svg.fonttype": "none",
}

REFERENCE = "#555555"
"""The color of what others are compared with."""
# Okabe and Ito's colors, told apart by most color-blind readers; dark ones first.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = "osD^vPX"
_LINES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)))


def look(place: int) -> dict[str, Any]:
    """Color, marker and line of one curve of several; the 29th is as the first."""
    own = place % len(_COLORS)
    line = _LINES[place // len(_COLORS) % len(_LINES)]
    return {"color": _COLORS[own], "marker": _MARKERS[own], "linestyle": line}


def save(draw: Callable[[], Any], path_stem: str | os.PathLike[str]) -> list[Path]:
    """Draw once and write PNG and SVG; equal drawings give equal bytes.

    Args:
      draw: () -> a Matplotlib Figure; it runs under Matplotlib's own defaults.
      path_stem: the files' path without its ending.

    Returns:
      The PNG's and the SVG's path.
    """
    paths = []
    with _defaults():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        figure = draw()
        for ending, canvas, options in (
            ("png", FigureCanvasAgg, {"dpi": 200}),
            ("svg", FigureCanvasSVG, {"metadata": {"Date": None}}),
        ):
            buffer = io.BytesIO()
            canvas(figure).print_figure(buffer, format=ending, **options)
            paths.append(Path(f"{os.fspath(path_stem)}.{ending}"))
            files.write_atomic(paths[-1], buffer.getvalue())
    return paths


@contextlib.contextmanager
def _defaults() -> Iterator[None]:
    """Matplotlib's settings as it ships them, and ours on top; the user's come back."""
    with _hidden():
        import matplotlib
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


@contextlib.contextmanager
def _hidden() -> Iterator[None]:
    """Keep the user's backend and settings from Matplotlib's first import.

    A name that it does not know (a notebook's kernel sets one) ends that import.
    """
    if "matplotlib" in sys.modules:
        yield
        return
    found = importlib.util.find_spec("matplotlib")
    own = Path(found.origin).parent if found and found.origin else Path()
    before = {name: os.environ.pop(name, None) for name in ("MPLBACKEND", _FILE)}
    os.environ[_FILE] = str(own / "mpl-data" / "matplotlibrc")
    try:
        yield
    finally:
        del os.environ[_FILE]
        for name, value in before.items():
            if value is not None:
                os.environ[name] = value


_FILE = "MATPLOTLIBRC"
