"""TA-VAAL in plain NumPy, float64: losses, finite differences, a selection.

Run as a script it writes `ta_vaal.npz` beside itself. VAAL's losses with networks that
are told ranks (the decoder sigmoid(r), the discriminator r and mixture columns, which
are any numbers here), and the ranking loss of the ranker (Kim et al., 2021).
"""

from pathlib import Path

import numpy as np
import vaal

COLUMNS = 3


def rank_loss(ranks, losses):
    """Of the pairs (i, n - 1 - i)."""
    half = len(ranks) // 2
    i, j = np.arange(half), len(ranks) - 1 - np.arange(half)
    p = 1 / (1 + np.exp(-(ranks[i] - ranks[j])))
    target = (losses[i] > losses[j]).astype(float)
    return vaal.binary_cross_entropy(p, target)


def arrays():
    generator = np.random.default_rng(2002)
    vae, _ = vaal.parameters(generator, told=1)
    judge = generator.normal(size=vaal.LATENTS + 1 + COLUMNS + 1)
    x = generator.normal(size=(2, vaal.ROWS, vaal.PIXELS))
    noise = generator.normal(size=(2, vaal.ROWS, vaal.LATENTS))
    ranks = 2 * generator.normal(size=(2, vaal.ROWS, 1))
    columns = generator.normal(size=(2, vaal.ROWS, COLUMNS))
    decoder, critic = (1 / (1 + np.exp(-ranks)),), (ranks, columns)

    def loss(at):
        return vaal.vae_loss(at, judge, x, noise, "mean", 1.0, 1.0, decoder, critic)

    predicted, true = generator.normal(size=(2, 9))
    true[3] = true[5]  # a tie
    pool = generator.normal(size=(40, vaal.PIXELS))
    known = generator.normal(size=(40, 1 + COLUMNS))
    mean = vaal.encode(vae, pool)[0]
    labeled = vaal.probability(judge, np.column_stack([mean, known]))
    return {
        "vae": vae,
        "judge": judge,
        "images": x,
        "noise": noise,
        "ranks": ranks,
        "columns": columns,
        "loss": loss(vae),
        "slopes": vaal.slopes(loss, vae),
        "judge_loss": vaal.judge_loss(vae, judge, x, critic),
        "judge_slopes": vaal.slopes(
            lambda at: vaal.judge_loss(vae, at, x, critic), judge
        ),
        "predicted": predicted,
        "true": true,
        "rank_loss": rank_loss(predicted, true),
        "rank_slopes": vaal.slopes(lambda at: rank_loss(at, true), predicted),
        "pool": pool,
        "known": known,
        "chosen": np.argsort(labeled)[:7],
    }


if __name__ == "__main__":
    np.savez_compressed(Path(__file__).with_suffix(".npz"), **arrays())
