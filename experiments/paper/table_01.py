"""Table 1: Reg and DA under the queries of ALFA-Mix and TA-VAAL.

    python -m experiments table_01

Imbalanced CIFAR-10: do the paper's stages help where another method asks? TA-VAAL
trains its ranking loss in stage 1 whatever else is there. Table 9 has the rows of three
of the arms, too; the paper prints TA-VAAL's first cell as 35.73 here and as 35.50
there.

Cost by arithmetic (`cost`), five seeds: full, 3.9 billion pictures, 11 h of a GPU or
4.4 years of a CPU core; cpu, 17 min of a core on digits, 46 min where pictures are at
hand.

The paper's numbers: `values.curve` of table 1. Ours: `python -m experiments status` and
the pages in experiments/results.
"""

from experiments.paper.experiment import Experiment
from experiments.paper.worlds import World

EXPERIMENT = Experiment(
    title="Table 1",
    caption="Reg and DA under the queries of ALFA-Mix and TA-VAAL",
    worlds=(World("cifar10", "imbalanced"),),
    arms={
        "ALFA-Mix": "alfa_mix",
        "Reg (+ ALFA-Mix)": "alfa_mix / reg",
        "Reg + DA (+ ALFA-Mix)": "alfa_mix / reg_da",
        "TA-VAAL": "ta_vaal",
        "Reg (+ TA-VAAL)": "ta_vaal / reg",
        "Reg + DA (+ TA-VAAL)": "ta_vaal / reg_da",
        "Proposed": "gmm",
    },
    pairs=(
        ("Reg (+ ALFA-Mix)", "ALFA-Mix"),
        ("Reg + DA (+ ALFA-Mix)", "ALFA-Mix"),
        ("Reg (+ TA-VAAL)", "TA-VAAL"),
        ("Reg + DA (+ TA-VAAL)", "TA-VAAL"),
    ),
    tables=(1,),
)
