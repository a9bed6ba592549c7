"""Every table and figure of the paper: a file each, by one command each.

    python -m experiments table_05 --scale cpu

Figures 2 to 4 are diagrams. What files share: an experiment is arms in worlds, as many
seeds each (`experiment`); worlds are the paper's data sets or small substitutes
(`worlds`); rows of accuracy by labels are kept a world at a time, so that tables and
figures share them (`store`).
"""

NAMES = (
    *(f"table_{number:02d}" for number in range(1, 13)),
    "figure_01",
    *(f"figure_{number:02d}" for number in range(5, 21)),
)
"""Modules of this package."""
